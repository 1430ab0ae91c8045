"""TensorBoard's event files, written here by tensorboardX."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from metric_files import figures, followed, in_pieces, parsed
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from rli_agent.events import Samples
from rli_agent.parsers.metric_files import tfrecords
from rli_agent.rulebook import Rulebook
from rli_agent.terminal import log_to_stderr
from rli_agent.track import Track

STEPS = range(1, 6)


def events_file(folder: Path) -> Path:
    """What tensorboardX writes of a run of five steps; histograms and texts among the scalars."""
    with SummaryWriter(str(folder)) as writer:
        for step in STEPS:
            writer.add_scalar("actor/entropy", step / 10, step, walltime=1.7e9 + step)
            writer.add_scalar("critic/rewards/mean", float("nan") if step == 4 else 1 / step, step, 1.7e9 + step)
            writer.add_histogram("weights", [1.0, 2.0, 3.0], step)
            writer.add_text("sample", "actor/entropy 5", step)
    return next(folder.iterdir())


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


def test_where_no_framework_is_known_none_says_whose_figures_those_are(tmp_path: Path) -> None:
    """prime-rl's orchestrator evaluates; of another trainer `eval/` is the trainer's."""
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("train/loss", 0.5, 1, walltime=1.7e9)
        writer.add_scalar("eval/loss", 0.6, 1, walltime=1.7e9)
    assert {(e["name"], e["labels"]["role"]) for e in parsed(tmp_path)} == {
        ("train/loss", "trainer"), ("eval/loss", "trainer"),
    }  # fmt: skip


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
            made = event.summary.value[0].tensor
            if isinstance(value, list):
                getattr(made, name).extend(value)
            else:
                setattr(made, name, value)
        writer.write(event.SerializeToString())
    writer.close()
    assert figures(tmp_path) == {(0, "loss"): 0.1, (1, "loss"): 0.5, (2, "loss"): 1e-9, (3, "loss"): -7, (4, "loss"): 3}


def test_an_event_file_is_followed_byte_by_byte(tmp_path: Path) -> None:
    whole = events_file(tmp_path / "written").read_bytes()
    found = in_pieces(tmp_path / "run", "events.out.tfevents.1.host", whole, range(100, len(whole), 37))
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
