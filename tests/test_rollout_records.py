"""What is read of a rollout's record: the fields that a pack names and nothing else, whatever else stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rli_agent.events import RolloutBatch, Samples, Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import parse_pack
from rli_agent.parsers.packs import Pack, Rollouts
from rli_agent.parsers.record_parser import RecordParser, RecordState
from rli_agent.parsers.rollouts.arrays import LONG as LENGTH
from rli_agent.parsers.rollouts.arrays import without_arrays
from rli_agent.parsers.rollouts.fields import Fields, hits, path_of, value_of
from rli_agent.parsers.rollouts.texts import beginning, ending, length
from rli_agent.rollout_statistics import COUNTS, RolloutStatistics

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from(["a", "b", "a.b", "a.*", "a.*.b", "b.*.c", "*", "*.a", "a.b.*.c"]), min_size=1)
SPEC = Rollouts(
    "r", ["*.jsonl"], keys=["reward"], step=["step"], reward=["reward"], group=["group"], environment=["env"],
    error=["error"], truncated=["cut", "stop=length"], cancelled=["stop=abort"], prompt=["prompt"],
    completion=["completion"], tokens=["tokens"], prompt_tokens=["usage.prompt"], total_tokens=["usage.total"],
    turns=["turns"], seconds=["time"], parts=["parts"], metrics=["metrics"], solved=["solved"],
    tool_errors=["calls.*.error"],
)  # fmt: skip
TWICE = "It is 42. " * 400


DOCS = Path(__file__).parent.parent / "docs"


def parser(spec: Rollouts = SPEC, state: RecordState | None = None) -> RecordParser:
    pack = Pack("p", rollouts=[spec])
    source = Source("r.jsonl", "rollouts", "rollouts", "records", ("p",))
    return RecordParser(source, RuleSet([pack], source), [pack], "/run/r.jsonl", state)


def lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(r) + "\n" for r in records).encode()


def batches(records: list[dict[str, Any]], spec: Rollouts = SPEC) -> list[RolloutBatch]:
    read = parser(spec)
    read.feed(lines(records), 0, 1)
    return [e for e in read.flush() if isinstance(e, RolloutBatch)]


def total(*records: dict[str, Any], spec: Rollouts = SPEC) -> RolloutStatistics:
    (batch,) = batches([{"reward": 0.5, **r} for r in records], spec)
    return batch.total


def counts(found: RolloutStatistics) -> dict[str, int]:
    return {name: n for name in COUNTS if (n := getattr(found, name)) and name != "count"}


@given(JSON.filter(lambda v: isinstance(v, dict)), PATHS)
@settings(deadline=None)
def test_a_partial_reading_gives_what_a_whole_one_gives(record: Any, paths: list[str]) -> None:
    found = Fields(map(path_of, paths)).read(json.dumps(record).encode())
    for path in map(path_of, paths):
        assert [value_of(h) for h in hits(found, path)] == [value_of(h) for h in hits(record, path)]


LONG = st.lists(st.integers() | st.floats() | st.booleans() | st.none(), min_size=40, max_size=60)


@pytest.mark.real
@given(st.recursive(JSON | LONG | st.just('"a": [1, 2]'), lambda v: st.dictionaries(st.sampled_from(["a", "b\\"]), v)))
@settings(deadline=None)
def test_only_arrays_that_no_path_leads_to_are_taken_out(record: Any) -> None:
    def emptied(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: emptied(v, k) for k, v in value.items()}
        flat = isinstance(value, list) and not any(isinstance(v, str | list | dict) for v in value)
        if flat and key == "a" and len(json.dumps(value)) - 2 >= LENGTH:
            return []
        return [emptied(v) for v in value] if isinstance(value, list) else value

    for separators in ((", ", ": "), (",", ":")):
        text = json.dumps({"": record}, separators=separators)
        found, kept = (json.loads(without_arrays(text.encode(), keep)) for keep in ({b"", b"b\\\\"}, {b"", b"a"}))
        if separators == (", ", ": "):
            assert repr(found) == repr(emptied({"": record}))
        assert repr(kept) == repr({"": record})


@given(st.binary(max_size=60))
def test_no_bytes_stop_the_reader(data: bytes) -> None:
    read = parser()
    read.feed(data + b"\n" + lines([{"reward": 1.0}]), 0, 1)
    assert sum(b.count for b in read.flush() if isinstance(b, RolloutBatch)) >= 1


ROLLOUT = st.fixed_dictionaries(
    {"reward": st.sampled_from([0.0, 1.0, 0.25, None])},
    optional={
        "step": st.integers(0, 2), "env": st.sampled_from(["a", "b"]), "group": st.integers(0, 2),
        "error": st.sampled_from([None, "x", []]), "completion": st.sampled_from(["", "yes", "no", TWICE]),
        "tokens": st.integers(0, 99), "parts": st.just({"form": 0.5, "win": {"score": 1.0, "weight": 2.0}}),
    },
)  # fmt: skip


@pytest.mark.real
@given(st.lists(ROLLOUT, max_size=12), st.data())
@settings(deadline=None)
def test_records_add_up_however_they_come(records: list[dict[str, Any]], data: st.DataObject) -> None:
    """In several turns, with an agent that starts anew in between: the last batch is all, and the new add up to it."""
    at_once = {(b.step, b.environment): b.total for b in batches(records)}
    state, added, last = RecordState(), dict[Any, RolloutStatistics](), dict[Any, RolloutStatistics]()
    left, place = list(records), 0
    while left:
        some = data.draw(st.integers(1, len(left)))
        read = parser(state=RecordState.decode(state.encode()))
        read.feed(lines(left[:some]), place, place + 1)
        if data.draw(st.booleans()) or some == len(left):
            for batch in read.flush():
                assert isinstance(batch, RolloutBatch)
                assert batch.added is not None
                added.setdefault((batch.step, batch.environment), RolloutStatistics()).merge(batch.added)
                last[batch.step, batch.environment] = batch.total
        state, left, place = read.state, left[some:], place + some
    for key, expected in at_once.items():
        assert counts(last[key]) == counts(added[key]) == counts(expected)
        for quantity, spread in expected.figures.items():
            found = added[key].figures[quantity]
            assert (found.count, found.buckets, found.least, found.most) == (
                spread.count, spread.buckets, spread.least, spread.most,
            )  # fmt: skip
            assert found.sum == pytest.approx(spread.sum)


def test_a_completion_is_found_in_every_form_of_a_conversation() -> None:
    said = {"role": "assistant", "content": "Four."}
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]
    seen = [{"type": "text", "text": "Four."}, {"type": "image_url", "image_url": {}}]
    parts = {"role": "assistant", "content": seen}
    nothing: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}
    calls = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    forms = {
        "text": ("Four.", 0), "message": (said, 1), "messages": ([*asked, said, {"role": "tool", "content": "x"}], 1),
        "parts": ([parts, parts], 2), "list of texts": (["Four.", "Five."], 0),
    }  # fmt: skip
    for name, (completion, turns) in forms.items():
        found = total({"completion": completion})
        assert found.empty == 0, name
        assert found.figure("response_chars").sum >= 5, name
        assert found.figure("turns").sum == turns, name
    assert total({"completion": [*asked, nothing, {"role": "assistant", "content": " \n"}]}).empty == 1
    assert total({"completion": ""}).empty == 1
    assert total({"completion": [*asked, calls]}).empty == 0, "it calls a tool"
    assert total({}).empty == 0, "the record holds no completion"


def test_bad_text_shows() -> None:
    words = " ".join(str(i * 7919) for i in range(2000))
    assert counts(total({"completion": words})) == {}
    assert counts(total({"completion": "def f(x):\n\treturn x\n"})) == {}
    assert counts(total({"completion": words + TWICE})) == {"repetitive": 1}
    assert counts(total({"completion": "\ufffd\x07\x00" * 60 + words})) == {"garbled": 1}
    assert counts(total({"completion": "日本語の文章です。" * 3})) == {}
    assert counts(total(*[{"completion": words}] * 3)) == {"identical": 2}
    assert counts(total({"completion": "half a pair \ud800 " + words})) == {}


@given(st.text('aé日🙂\\"\n', min_size=1, max_size=9), st.booleans())
@settings(deadline=None)
def test_any_text_can_be_cut(text: str, escaped: bool) -> None:
    """Not through an escape, nor through a character of several bytes."""
    for repeated in (text * 3, text * 2000):
        raw = memoryview(json.dumps(repeated, ensure_ascii=escaped).encode())
        first, last = beginning(raw), ending(raw)
        assert repeated.startswith(first)
        assert repeated.endswith(last)
        assert len(first) >= min(len(repeated), 160)
        assert len(last) >= min(len(repeated), 160) or set(text) == {"\\"}
        assert abs(length(raw) - len(repeated)) <= 0.02 * len(repeated)


def test_quantities_and_their_buckets() -> None:
    found = total(
        {"tokens": 300, "usage": {"prompt": 12}, "time": 4.5, "turns": 2},
        {"tokens": [False, True, True], "time": {"start": 100.0, "end": 103.0}},
        {"usage": {"prompt": 10, "total": 110}, "time": {"duration": 2}},
        {"tokens": [0, 1, 1, 1]},
    )
    tokens = found.figure("response_tokens")
    assert (tokens.count, tokens.sum, tokens.least, tokens.most) == (4, 405.0, 2.0, 300.0)
    assert tokens.buckets == {0: 2, 3: 1, 5: 1}, "up to 16, up to 128, up to 512"
    assert (found.figure("prompt_tokens").sum, found.figure("seconds").sum) == (22.0, 9.5)


def test_groups_tell_pass_at_k_and_the_lack_of_signal() -> None:
    rewards = {"a": [1, 1, 1], "b": [0, 0], "c": [0, 1], "alone": [1]}
    found = total(*({"group": g, "reward": r} for g, rs in rewards.items() for r in rs))
    assert (found.groups, found.uniform_groups, found.judged_groups, found.solved_groups) == (3, 2, 3, 2)
    assert (found.solved_ratio, found.pass_at_k) == (5 / 8, 2 / 3)
    graded = total({"group": 1, "reward": 0.3}, {"group": 1, "reward": 1.0})
    assert (graded.solved_ratio, graded.pass_at_k) == (None, None), "a graded reward does not tell what is solved"
    told = total({"group": 1, "reward": 0.3, "solved": True}, {"group": 1, "reward": 0.1, "solved": False})
    assert (told.solved_ratio, told.pass_at_k) == (0.5, 1.0)


def test_without_a_group_the_prompt_tells_which_rollouts_belong_together() -> None:
    spec = Rollouts("r", ["*.jsonl"], keys=["reward"], reward=["reward"], prompt=["m"], completion=["m"])

    def talk(question: str, answer: str) -> dict[str, Any]:
        return {"m": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}

    assert total(talk("2+2?", "4"), talk("2+2?", "5"), talk("1+1?", "2"), spec=spec).groups == 1


def test_how_it_ended_is_counted() -> None:
    found = total(
        {"stop": "length"}, {"cut": True}, {"stop": "abort", "error": {"type": "Cancelled"}}, {"stop": "stop"},
        {"calls": [{"error": None}, {"error": "no such file"}]},
    )  # fmt: skip
    assert counts(found) == {"truncated": 2, "cancelled": 1, "errors": 1, "tool_errors": 1}


def test_what_python_writes_beside_json_is_read() -> None:
    (samples,) = parser().feed(b'{"reward": NaN, "tokens": 3}\n', 0, 1)
    assert isinstance(samples, Samples)
    assert samples.printed == '["NaN"]'
    assert total({"reward": float("nan")}, {"reward": 1.0}).figure("reward").mean == 1.0


def test_a_field_that_is_not_what_the_pack_takes_it_for_is_left_out() -> None:
    odd = {"usage": "none", "parts": [1, 2], "metrics": {"a": "x", "b": 2}, "completion": {"text": 5}, "turns": "2"}
    found = total(odd)
    assert set(found.figures) == {"reward", "metric:b"}


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    ("more", "broken"),
    [
        (f'"reward": {HUGE}', 1), (f'"tokens": {HUGE}', 1), (f'"time": {{"duration": {HUGE}}}', 1),
        ('"time": {"start": NaN, "end": Infinity}', 0), ('"parts": {"a": Infinity, "b": -Infinity}', 0),
        (f'"tokens": [NaN, {HUGE}, 1]', 0), (f'"step": {HUGE}', 0), ('"reward": {"score": 1e308, "weight": 1e308}', 0),
        ('"env": "\\ud800", "error": "\\udfff"', 0), ('"reward": [Infinity, -Infinity]', 0),
    ],
)  # fmt: skip
def test_numbers_beyond_all_bounds_stop_nothing(more: str, broken: int) -> None:
    read = parser()
    read.feed(f'{{"reward": 1, {more}}}\n'.encode() + lines([{"reward": 0.0}]), 0, 1)
    assert read.state.broken == broken
    told = [e for e in read.flush() if isinstance(e, RolloutBatch)]
    assert sum(batch.count for batch in told) == 2 - broken
    assert all(batch.step is None for batch in told)
    RecordState.decode(read.state.encode())


def test_names_from_records_are_bounded() -> None:
    found = total(*({"metrics": {f"{i}-{j}": 1 for j in range(100)}} for i in range(100)))
    assert len(found.figures) <= 128


def test_lines_that_are_no_json_are_counted_and_passed_over() -> None:
    read = parser()
    good = lines([{"reward": 1.0}])
    events = read.feed(b"{\n\n[1]\nnull\n" + b"[" * 100_000 + b"\n" + good, 0, 1)
    assert [(e.line, e.offset) for e in events] == [(6, 100_013)]
    assert read.state.broken == 2


def test_the_pack_of_the_documentation_reads_its_record() -> None:
    page = (DOCS / "rule-packs.md").read_text()
    section = page[page.index("## Rollouts") :]
    found = re.search(r"^    (\{.*\})\n\n```yaml\n(.*?)```", section, re.DOTALL | re.MULTILINE)
    assert found is not None
    (spec,) = parse_pack(found[2], "docs").rollouts
    source, pack = Source("s", "rollouts", packs=("p",)), Pack("p", rollouts=[spec])
    read = RecordParser(source, RuleSet([], source), [pack], "/samples/step_12.jsonl")
    (samples,) = read.feed(found[1].encode() + b"\n", 0, 1)
    (batch,) = read.flush()
    assert isinstance(samples, Samples)
    assert isinstance(batch, RolloutBatch)
    assert (samples.step, samples.values) == (12, [1.2])
    figures = batch.total.figures
    assert {name: figures[name].sum for name in figures} == {
        "reward": 1.2, "part:right": 1.0, "part:short": 0.2, "response_tokens": 5.0, "turns": 1.0,
    }  # fmt: skip
    keys = set(re.findall(r"`(\w+)`", section[section.index("| key |") : section.index("## Examples")]))
    assert set(Rollouts.__struct_fields__) - {"id", "paths", "keys", "twin_of"} <= keys
