"""TRL's console: steps come from the bar that is drawn around the figures, whenever the parser is stopped."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path

import pytest

from rli_agent.events import Event, Problem, RunFact, Samples, Source
from rli_agent.parsers.bars import bars
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.rulebook import packaged_rules

SOURCE = Source("train.log", "trainer", packs=("trl",))
#: Two runs in one file. tqdm drew the second run's bar late: at the first dict it still showed 0.
CONSOLE = (
    "\r  0%|          | 0/12 [00:00<?, ?it/s]\r  8%|8         | 1/12 [00:00<00:04,  2.47it/s]\r       \r"
    "{'loss': -0.0045, 'reward': 1.5, 'step_time': 0.5, 'epoch': 0.06}\n"
    "\r  8%|8         | 1/12 [00:00<00:04,  2.47it/s]╭──── Step 1 ────╮\n"
    "│ │ {'loss': 9.0, 'epoch': 9.0} 50%|##| 6/12 [00:01<00:01]{'loss': 9.0, 'epoch': 9.0} │\n"
    "│ │ RuntimeError: CUDA out of memory. loss=nan │\n"
    "╰────────────────╯\n"
    "\r 17%|#7        | 2/12 [00:00<00:03,  2.99it/s]\n"
    "\r  0%|          | 0/4 [00:00<?, ?it/s]\x1b[A\n"
    "\r100%|##########| 4/4 [00:01<00:00,  3.52it/s]\x1b[A\r                \r\n"
    "\r             \r\x1b[A{'eval_loss': 0.5, 'eval_runtime': 1.25, 'epoch': 0.12}\n"
    "\r 17%|#7        | 2/12 [00:01<00:03,  2.99it/s]\n"
    "\r100%|##########| 4/4 [00:01<00:00,  3.52it/s]\x1b[A\n"
    "Traceback (most recent call last):\n"
    '  File "train.py", line 3, in <module>\n'
    "    trainer.train()\n"
    "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0\n"
    "\r  0%|          | 0/100 [00:00<?, ?it/s]{'loss': 0.25, 'grad_norm': nan, 'epoch': 0.01}\n"
    "\r  3%|3         | 3/100 [00:00<00:03, 30.00it/s]\n"
    "{'train_runtime': 2.5, 'train_loss': 0.25, 'epoch': 0.01}\n"
).encode()


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    packs = [load_pack(packaged_rules() / f"{name}.yaml") for name in ("trl", "problems")]
    return RuleSet(packs, SOURCE)


def read(rules: RuleSet, blocks: list[bytes]) -> list[Event]:
    """Read the blocks one after another, each by a parser that knows only what the one before left."""
    events: list[Event] = []
    state, offset, line = None, 0, 1
    for block in blocks:
        known = ParserState.decode(state) if state else None
        parser = SourceParser(SOURCE, rules, timezone.utc, 1_767_312_000.0, known)
        events += parser.feed(block, offset, line)
        state, offset, line = parser.state.encode(), offset + len(block), line + block.count(b"\n")
    return events + parser.flush()


def figures(events: list[Event]) -> list[tuple[int, int | None, str, float]]:
    return [
        (e.line, e.step, name, value)
        for e in events
        if isinstance(e, Samples)
        for name, value in zip(e.shape.names, e.values, strict=True)
        if name in ("train/loss", "eval/loss", "train/train_loss")
    ]


def test_the_bar_drawn_behind_the_figures_tells_the_step(rules: RuleSet) -> None:
    events = read(rules, [CONSOLE])
    assert figures(events) == [
        (1, 1, "train/loss", -0.0045),
        (9, 2, "eval/loss", 0.5),
        (16, 3, "train/loss", 0.25),
        (18, 3, "train/train_loss", 0.25),
    ]
    assert [(e.line, e.kind, e.step) for e in events if isinstance(e, Problem)] == [(12, "nan", None), (16, "nan", 3)]
    assert [e.value for e in events if isinstance(e, RunFact)] == ["12", "100", "finished"]


def test_a_parser_stopped_after_any_line_loses_and_doubles_nothing(rules: RuleSet) -> None:
    lines = [line + b"\n" for line in CONSOLE.split(b"\n")[:-1]]
    whole = repr(read(rules, [CONSOLE]))
    assert repr(read(rules, lines)) == whole
    for cut in range(1, len(lines)):
        assert repr(read(rules, [b"".join(lines[:cut]), b"".join(lines[cut:])])) == whole, cut


def test_figures_do_not_wait_for_ever(rules: RuleSet) -> None:
    first = CONSOLE.split(b"\n")[0] + b"\n"
    parser = SourceParser(SOURCE, rules, timezone.utc, 0.0)
    assert figures(parser.feed(first, 0, 1, 5.0)) == []
    assert parser.state.held is not None
    assert figures(parser.flush()) == [(1, 1, "train/loss", -0.0045)]
    assert parser.state.held is None
    assert parser.feed(b"\r 17%|#7        | 2/12 [00:00<00:03]\n", len(first), 2, 6.0) == []


def test_bars() -> None:
    assert bars(b"(A pid=1) \rX:   0%|  | 0/5 [00:00<?, ?it/s]\rX:  20%|2 | 1/5 [00:01<00:04, a=1]tail") == [
        "X:   0%|  | 0/5 [00:00<?, ?it/s]",
        "X:  20%|2 | 1/5 [00:01<00:04, a=1]",
    ]
    assert bars(b"\r 20%|2 | 1/5 [00:01<00:04]\x1b[A") == []
    assert bars("│ 20%|2 | 1/5 [00:01<00:04]".encode()) == []
    assert bars(b"no bar: 20%| done") == []


def test_a_console_redirected_into_the_output_directory_is_found(tmp_path: Path) -> None:
    from zoneinfo import ZoneInfo

    from rli_agent.parsing import parse_paths
    from rli_agent.rulebook import Rulebook

    (tmp_path / "nohup.out").write_bytes(CONSOLE)
    (tmp_path / "completions").mkdir()
    (tmp_path / "completions" / "completions_00001.parquet").write_bytes(b"PAR1")
    said = list(parse_paths([tmp_path], Rulebook(home=tmp_path), ZoneInfo("UTC")))
    assert said[0]["value"] == "trl"
    steps = [(s["line"], s["step"]) for s in said if s["type"] == "state" and s["state"] in ("step", "eval")]
    assert steps == [(1, 1), (9, 2)]


@pytest.mark.parametrize(
    "figures",
    [
        # trl 1.16 on transformers 5.23, printed by SFTTrainer
        "{'loss': '5.885', 'grad_norm': '7.839', 'learning_rate': '0.001', 'entropy': '5.724', "
        "'mean_token_accuracy': '0.01562', 'num_tokens': '72', 'epoch': '0.02'}",
        "{'loss': 0.69, 'min_reward': -0.1, 'mean_reward': 0.0, 'max_reward': 0.1, 'accuracy': 0.5, 'margin': 0.0, "
        "'epoch': 0.01}",
    ],
    ids=["sft", "reward"],
)
def test_the_figures_of_each_trainer_tell_that_it_is_trls(tmp_path: Path, figures: str) -> None:
    from rli_agent.discover import Discovery
    from rli_agent.rulebook import Rulebook

    (tmp_path / "train.log").write_text(f"\r  0%|          | 0/150 [00:00<?, ?it/s]\r{figures}\n")
    run = Discovery([tmp_path], Rulebook(home=tmp_path).packs).scan().run
    assert (run.framework, run.confidence > 0.85) == ("trl", True), run.why


def test_ms_swift_keeps_what_it_prints_in_a_file_of_records(tmp_path: Path) -> None:
    from zoneinfo import ZoneInfo

    from rli_agent.parsing import parse_paths
    from rli_agent.rulebook import Rulebook

    run = tmp_path / "v0-20260301-101010"
    run.mkdir()
    (run / "logging.jsonl").write_text(
        '{"loss": 0.5, "reward": 0.7, "epoch": 0.01, "global_step/max_steps": "5/500", "elapsed_time": "5m 18s"}\n'
        '{"eval_loss": 0.3, "eval_runtime": 3.5, "epoch": 0.01, "global_step/max_steps": "5/500"}\n'
        '{"loss": 0.5, "global_step/max_steps": "soon"}\n'
        '{"last_model_checkpoint": "checkpoint-500", "global_step": 500, "memory": 55.5}\n'
    )

    def said() -> list[tuple[object, ...]]:
        events = parse_paths([tmp_path], Rulebook(home=tmp_path), ZoneInfo("UTC"))
        return [(Path(e["file"]).name, e.get("step"), e["name"], e["value"]) for e in events if e["type"] == "metric"]

    file = "logging.jsonl"
    told: list[tuple[object, ...]] = [
        (file, 5, "train/loss", 0.5), (file, 5, "train/reward", 0.7), (file, 5, "train/epoch", 0.01),
        (file, 5, "eval/loss", 0.3), (file, 5, "eval/runtime", 3.5), (file, 5, "train/epoch", 0.01),
        (file, None, "train/loss", 0.5),
    ]  # fmt: skip
    assert said() == told
    (run / "run.log").write_text("{'loss': 0.5, 'reward': 0.7, 'epoch': 0.01, 'global_step/max_steps': '5/500'}\n")
    assert {event[0] for event in said()} == {"run.log"}  # the same, read once
