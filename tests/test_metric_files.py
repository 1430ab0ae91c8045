"""Files that loggers of metrics write: TensorBoard's, W&B's, the Trainer's. Written here by the real packages."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from rli_agent.discover import Discovery
from rli_agent.events import Samples
from rli_agent.parsers.metric_files import leveldb_log, tfrecords
from rli_agent.parsers.metric_files.figures import single
from rli_agent.parsing import parse_paths, run_files
from rli_agent.rulebook import Rulebook
from rli_agent.track import Track

STEPS = range(1, 6)


def parsed(path: Path) -> list[dict[str, Any]]:
    return list(parse_paths([path], Rulebook(), dt.timezone.utc))


def figures(path: Path) -> dict[tuple[int | None, str], float]:
    return {(e.get("step"), e["name"]): e["value"] for e in parsed(path) if e["type"] == "metric"}


def followed(run: Path) -> Track:
    """The one file of a run, as a watch follows it."""
    book = Rulebook()
    scan = Discovery([run], book.packs).scan()
    (found,) = scan.found
    return Track(found, book, run_files(scan), dt.timezone.utc)


def told(track: Track) -> list[tuple[int | None, list[float]]]:
    events = [*track.take(1 << 20, 0.0).events, *track.flush()]
    return [(e.step, e.values) for e in events if isinstance(e, Samples)]


def events_file(folder: Path) -> Path:
    """What tensorboardX writes of a run of five steps; histograms and texts among the scalars."""
    with SummaryWriter(str(folder)) as writer:
        for step in STEPS:
            writer.add_scalar("actor/entropy", step / 10, step, walltime=1.7e9 + step)
            writer.add_scalar("critic/rewards/mean", float("nan") if step == 4 else 1 / step, step, 1.7e9 + step)
            writer.add_histogram("weights", [1.0, 2.0, 3.0], step)
            writer.add_text("sample", "actor/entropy 5", step)
    return next(folder.iterdir())


# -- TensorBoard


def test_scalars_of_event_files_are_figures_of_their_step_and_time(tmp_path: Path) -> None:
    events_file(tmp_path / "tensorboard_log" / "p" / "e")
    events = [e for e in parsed(tmp_path) if e["type"] == "metric"]
    assert [(e["step"], e["name"]) for e in events] == [
        (step, name) for step in STEPS for name in ("actor/entropy", "critic/rewards/mean")
    ]
    assert [e["value"] for e in events if e["name"] == "actor/entropy"] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [e["value"] for e in events if e["step"] == 4] == [0.4, "NaN"]
    assert {e["time"] - e["step"] for e in events} == {1.7e9}
    assert {e["time_is"] for e in events} == {"logged"}
    assert {e["metric"] for e in events} == {"rl_policy_entropy", "rl_reward_mean"}


def test_a_loss_that_is_not_finite_is_a_problem_and_a_reward_is_none(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for step, (loss, reward) in enumerate([(0.5, 0.1), (float("nan"), 0.1), (0.5, float("nan"))], 1):
            writer.add_scalar("actor/pg_loss", loss, step, walltime=1.7e9 + step)
            writer.add_scalar("critic/rewards/mean", reward, step, walltime=1.7e9 + step)
    (problem,) = (e for e in parsed(tmp_path) if e["type"] == "problem")
    assert (problem["kind"], problem["level"], problem["step"]) == ("nan", "ERROR", 2)
    assert problem["message"] == "actor/pg_loss nan"


def test_scalars_may_be_tensors(tmp_path: Path) -> None:
    """As TensorFlow 2's and torch's new-style writers have them."""
    writer = RecordWriter(str(tmp_path / "events.out.tfevents.1.host"))
    for step, tensor in enumerate(
        [
            {"dtype": 1, "float_val": [0.1]}, {"dtype": 1, "tensor_content": b"\0\0\0\x3f"},
            {"dtype": 2, "double_val": [1e-9]}, {"dtype": 9, "int64_val": [-7]}, {"dtype": 3, "int_val": [3]},
            {"dtype": 7, "string_val": [b"no figure"]}, {"dtype": 1, "tensor_content": bytes(8)},
        ]
    ):  # fmt: skip
        event = Event(wall_time=1.7e9, step=step)
        event.summary.value.append(Summary.Value(tag="loss"))
        for name, value in tensor.items():
            field = getattr(event.summary.value[0].tensor, name, None)
            if isinstance(value, list):
                field.extend(value)
            else:
                setattr(event.summary.value[0].tensor, name, value)
        writer.write(event.SerializeToString())
    writer.close()
    assert figures(tmp_path) == {(0, "loss"): 0.1, (1, "loss"): 0.5, (2, "loss"): 1e-9, (3, "loss"): -7, (4, "loss"): 3}


def test_an_event_file_is_followed_byte_by_byte(tmp_path: Path) -> None:
    whole = events_file(tmp_path / "written").read_bytes()
    run = tmp_path / "run"
    run.mkdir()
    path = run / "events.out.tfevents.1.host"
    path.write_bytes(whole[:100])
    track = followed(run)
    found = told(track)
    for end in range(101, len(whole) + 1, 37):
        path.write_bytes(whole[:end])
        found += told(track)
    path.write_bytes(whole)
    found += told(track)
    track.close()
    assert sum(len(values) for _, values in found) == 10
    assert [step for step, _ in found] == sorted(step or 0 for step, _ in found)


def test_an_agent_that_is_restarted_goes_on_between_two_records(tmp_path: Path) -> None:
    whole = events_file(tmp_path / "written").read_bytes()
    run = tmp_path / "run"
    run.mkdir()
    path = run / "events.out.tfevents.1.host"
    path.write_bytes(whole[: len(whole) // 2])
    first = followed(run)
    before = [e for e in first.take(1 << 20, 0.0).events if isinstance(e, Samples)]
    checkpoint = first.checkpoint
    first.close()
    path.write_bytes(whole)
    second = Track(first.found, Rulebook(), [], dt.timezone.utc, checkpoint)
    after = [e for e in [*second.take(1 << 20, 0.0).events, *second.flush()] if isinstance(e, Samples)]
    second.close()
    assert [e.step for e in before + after] == [*STEPS]
    assert all(len(e.values) == 2 for e in before + after)


def test_damaged_records_are_passed_over_and_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rli_agent.terminal import log_to_stderr

    log_to_stderr("WARNING")
    path = events_file(tmp_path)
    data = bytearray(path.read_bytes())
    records = [at for at, _ in tfrecords.records(bytes(data))]
    data[records[5] + 14] ^= 0xFF  # inside a record
    data[records[9] : records[9] + 3] = b"\xff\xff\xff"  # its length
    path.write_bytes(bytes(data) + b"\x07 junk at the end")
    found = figures(tmp_path)
    assert 7 <= len(found) < 10
    assert found[5, "actor/entropy"] == 0.5
    assert capsys.readouterr().err.count("cannot be read") == 1


@pytest.mark.parametrize("name", ["events.out.tfevents.1.h", "run-x.wandb", "trainer_state.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 40_000, bytes(range(256)) * 300, b"step:1 - loss:2\n", b':W&B{"a'])
def test_junk_under_such_a_name_gives_nothing(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert not [e for e in parsed(tmp_path) if e["type"] != "fact"]


# -- the framings


@given(st.lists(st.binary(max_size=60), max_size=12), st.data())
def test_a_framing_ends_where_a_record_ends(contents: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(_tfrecord(content) for content in contents)
    cut = data.draw(st.integers(0, len(whole)))
    end, count = tfrecords.whole(whole[:cut], 0, 0)
    ends = [len(b"".join(_tfrecord(c) for c in contents[:n])) for n in range(len(contents) + 1)]
    if end <= cut:
        assert end == max(e for e in ends if e <= cut)
        assert count == ends.index(end)
        assert [c for _, c in tfrecords.records(whole[:end])] == contents[:count]
    else:
        assert not [e for e in ends[1:] if e <= cut]


@given(st.binary(min_size=1, max_size=200), st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_records_behind_junk_are_found(junk: bytes, contents: list[bytes]) -> None:
    whole = junk + b"".join(_tfrecord(content) for content in contents)
    assert [c for _, c in tfrecords.records(whole) if c is not None][-len(contents) :] == contents


@given(st.lists(st.binary(max_size=70_000), min_size=1, max_size=4), st.integers(1, 50_000))
def test_fragments_of_wandb_records_are_joined(contents: list[bytes], chunk: int) -> None:
    """Read in pieces of any length: what is not whole is offered again with more behind it."""
    data = _leveldb(contents)
    found: list[bytes | None] = []
    offset, size = 0, chunk
    while offset < len(data):
        piece = data[offset : offset + size]
        end, _ = leveldb_log.whole(piece, 0, offset)
        if end <= len(piece):
            found += [record for _, record in leveldb_log.records(piece[:end], offset)]
            offset, size = offset + end, chunk
        else:
            assert offset + size < len(data)
            size = max(2 * size, end)
    assert found == contents


@given(st.floats(width=32, allow_nan=False))
def test_a_float_of_32_bits_is_its_shortest_decimal(value: float) -> None:
    import struct

    raw = struct.pack("<f", value)
    assert struct.pack("<f", single(raw)) == raw


def _tfrecord(content: bytes) -> bytes:
    import struct

    header = struct.pack("<Q", len(content))
    checks = [struct.pack("<I", tfrecords._masked(part)) for part in (header, content)]
    return header + checks[0] + content + checks[1]


def _leveldb(contents: list[bytes]) -> bytes:
    """LevelDB's log, by its documentation."""
    import struct
    import zlib

    out = bytearray(leveldb_log.MAGIC)
    for content in contents:
        begin, rest = True, content
        while begin or rest:
            left = leveldb_log.BLOCK - len(out) % leveldb_log.BLOCK
            if left < 7:
                out += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = 1 if begin and not rest else 2 if begin else 3 if rest else 4
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            begin = False
    return bytes(out)


# -- the Trainer's history


def history(path: Path, steps: int, **more: Any) -> None:
    entries: list[dict[str, Any]] = [
        {"epoch": n / 10, "loss": n / 3, "reward": float("nan") if n == 2 else n, "step": n, "step_time": 2.0}
        for n in range(1, steps + 1)
    ]
    entries.append({"eval_loss": 0.25, "eval_runtime": 1.5, "step": steps})
    document = {"global_step": steps, "log_history": entries, "max_steps": 40, **more}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def test_of_histories_that_repeat_each_other_the_longest_is_read(tmp_path: Path) -> None:
    for steps in (5, 10, 20):
        history(tmp_path / f"checkpoint-{steps}" / "trainer_state.json", steps)
    events = parsed(tmp_path)
    assert {"key": "framework", "value": "trl"}.items() <= events[0].items()
    assert {"key": "max_steps", "value": "40"}.items() <= events[1].items()
    losses = [e for e in events if e.get("name") == "train/loss"]
    assert [e["step"] for e in losses] == list(range(1, 21))
    assert {e["file"] for e in losses} == {"checkpoint-20/trainer_state.json"}
    assert [e["value"] for e in events if e.get("name") == "eval/loss"] == [0.25]
    assert [e["value"] for e in events if e.get("name") == "train/reward"][1] == "NaN"
    lines = (tmp_path / "checkpoint-20" / "trainer_state.json").read_text().split("\n")
    assert all(lines[e["line"] - 1].strip() == "{" for e in losses)


def test_a_history_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-8" / "trainer_state.json"
    history(path, 8)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    track = followed(tmp_path)
    assert told(track) == []
    path.write_bytes(whole)
    assert len(told(track)) == 9
    track.close()


# -- W&B

_WANDB = """
import os, sys, wandb
run = wandb.init(project="sums", name="small", config={"max_steps": 9, "trainer": {"n": None}}, dir=sys.argv[1])
run.define_metric("train/global_step")
run.define_metric("*", step_metric="train/global_step", step_sync=True)
for i in range(5):
    run.log({"train/loss": 1 / (i + 1), "train/global_step": 2 * i, "train/text": "hello", "big": list(range(3)),
             "train/grad_norm": float("nan") if i == 3 else 0.5, "pad": "x" * 20_000})
run.summary["best"] = 0.9
run.finish(exit_code=int(sys.argv[2]))
"""


def wandb_run(folder: Path, exit_code: int = 0) -> Path:
    """What wandb itself writes without a network."""
    environment = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "HOME": str(folder)}
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [sys.executable, "-c", _WANDB, str(folder), str(exit_code)], check=True, env=environment, timeout=120
    )
    return next(folder.rglob("*.wandb"))


@pytest.mark.real
@pytest.mark.parametrize(("code", "life"), [(0, "finished"), (1, "failed")])
def test_wandb_files_give_history_summary_config_and_exit(code: int, life: str, tmp_path: Path) -> None:
    wandb_run(tmp_path / "run", code)
    events = parsed(tmp_path / "run")
    found = {(e.get("step"), e["name"]): e["value"] for e in events if e["type"] == "metric"}
    assert [found[step, "train/loss"] for step in range(0, 10, 2)] == [1, 0.5, 1 / 3, 0.25, 0.2]
    assert found[6, "train/grad_norm"] == "NaN"
    assert found[None, "best"] == 0.9
    assert {name for _, name in found} == {"train/loss", "train/grad_norm", "train/global_step", "best"}
    facts = {(e["key"], e["value"]) for e in events if e["type"] == "fact"}
    assert {("max_steps", "9"), ("life", life)} <= facts


@pytest.mark.real
def test_a_wandb_file_is_followed_and_its_torn_tail_waited_for(tmp_path: Path) -> None:
    whole = wandb_run(tmp_path / "written").read_bytes()
    run = tmp_path / "run"
    run.mkdir()
    path = run / "run-1.wandb"
    path.write_bytes(whole[:50])
    track = followed(run)
    found = told(track)
    for end in range(50, len(whole), 4_001):
        path.write_bytes(whole[:end])
        found += told(track)
    path.write_bytes(whole)
    found += told(track)
    track.close()
    assert [step for step, _ in found if step is not None] == [0, 2, 4, 6, 8]
