"""The same quantity in the console and in metric files: one series, each figure once, with the most digits."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX import SummaryWriter

from rli_agent.events import METRIC_FILES, Phase, Plan, Problem, Samples, Shape, Source, as_printed
from rli_agent.overlap import Overlap
from rli_agent.parsers.not_finite import not_finite
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

CONSOLE = Source("train.log", "trainer", "trainer")
BOARD = Source("events.out.tfevents.1", "metrics", "trainer", "tensorboard")
BOTH = Shape(("loss", "reward"), (None, None), (None, None), (("role", "trainer"),))
ALONE = Shape(("loss", "entropy"), (None, None), (None, None), (("role", "trainer"),))


def samples(shape: Shape, step: int, *values: float) -> Samples:
    printed = json.dumps([as_printed(v) for v in values])
    return Samples("f", step, 0, 1.0, "logged", step, shape, list(values), printed)


def new(overlap: Overlap, source: Source, *events: Samples) -> list[tuple[str, int | None]]:
    found = [e for e in overlap.sift(events, source).new if isinstance(e, Samples)]
    return [(name, e.step) for e in found for name in e.shape.names]


def test_what_the_console_told_is_not_new_in_a_file_but_the_rest_of_it_is() -> None:
    overlap = Overlap()
    assert new(overlap, CONSOLE, samples(BOTH, 1, 0.5, 1.0)) == [("loss", 1), ("reward", 1)]
    sifted = overlap.sift([samples(ALONE, 1, 0.5123, 0.3)], BOARD)
    assert [(e.shape.names, e.printed) for e in sifted.new if isinstance(e, Samples)] == [(("entropy",), "[0.3]")]
    assert [(e.shape.names, e.printed) for e in sifted.again] == [(("loss",), "[0.5123]")]
    assert new(overlap, BOARD, samples(ALONE, 2, 0.4, 0.3)) == [("loss", 2), ("entropy", 2)]
    assert new(overlap, CONSOLE, samples(BOTH, 2, 0.4, 1.0)) == [("reward", 2)]


def test_a_resumed_run_tells_its_steps_anew() -> None:
    overlap = Overlap()
    for step in (1, 2, 3, 4, 2, 3):
        assert new(overlap, CONSOLE, samples(BOTH, step, 0.5, 1.0)) == [("loss", step), ("reward", step)]
        assert new(overlap, BOARD, samples(BOTH, step, 0.5, 1.0)) == []


def test_what_is_not_finite_is_one_problem_whoever_tells_it_and_a_new_one_where_it_is_news() -> None:
    overlap = Overlap()
    nan = float("nan")

    def told(source: Source, step: int, **values: float) -> list[str]:
        shape = Shape(tuple(values), (None,) * len(values), (None,) * len(values), (("role", "trainer"),))
        said = samples(shape, step, *values.values())
        problem = not_finite(said)
        assert problem is not None
        return [e.message for e in overlap.sift([said, problem], source).new if isinstance(e, Problem)]

    assert told(CONSOLE, 1, loss=nan) == ["loss nan"]
    assert told(BOARD, 1, loss=nan, reward=1.0) == []
    assert told(BOARD, 2, loss=nan, reward=1.0) == ["loss nan"]
    assert told(BOARD, 3, loss=nan, entropy=nan) == ["loss nan, entropy nan"]
    assert told(CONSOLE, 3, loss=nan) == []


def test_histories_repeat_each_other() -> None:
    overlap = Overlap()
    first, second = (Source(f"checkpoint-{n}/trainer_state.json", reader="history") for n in (2, 4))
    assert len(new(overlap, first, *(samples(BOTH, n, 0.5, 1.0) for n in (1, 2)))) == 4
    assert new(overlap, second, *(samples(BOTH, n, 0.5, 1.0) for n in (1, 2, 3))) == [("loss", 3), ("reward", 3)]


def test_where_several_engines_answer_for_themselves_a_console_s_engine_0_is_none_of_them() -> None:
    shape = Shape(("vllm:num_requests_running",), (None,), ("rl_engine_requests_running",), (("engine", "0"),))
    event = samples(shape, 1, 7.0)
    event.step = None
    overlap = Overlap()
    assert overlap.sift([event], CONSOLE).new == [event]
    overlap.engines_asked = True
    (told,) = overlap.sift([event], CONSOLE).new
    assert isinstance(told, Samples)
    assert (told.shape.names, told.shape.metrics) == (("vllm:num_requests_running",), (None,))


def test_durations_that_only_one_of_both_lays_out_keep_their_states() -> None:
    phases = (Phase(1, "rollout", "reward", "inside"),)
    laid_out = Shape(BOTH.names, BOTH.units, BOTH.metrics, BOTH.labels, Plan("trainer", phases))
    overlap = Overlap()
    assert len(new(overlap, BOARD, samples(BOTH, 1, 0.5, 1.0))) == 2
    (event,) = (e for e in overlap.sift([samples(laid_out, 1, 0.5, 1.0)], CONSOLE).new if isinstance(e, Samples))
    assert event.shape.names == ("reward",)
    assert event.shape.plan == Plan("trainer", (Phase(0, "rollout", "reward", "inside"),))


@given(st.lists(st.tuples(st.sampled_from([CONSOLE, BOARD]), st.integers(1, 30)), max_size=60))
def test_nothing_is_lost_and_nothing_told_twice(order: list[tuple[Source, int]]) -> None:
    """Two sources that each tell every step once, in order, in any interleaving."""
    overlap = Overlap()
    at = {CONSOLE.reader: 0, BOARD.reader: 0}
    told: list[tuple[str, int | None]] = []
    for source, ahead in order:
        for step in range(at[source.reader] + 1, at[source.reader] + ahead + 1):
            told += new(overlap, source, samples(BOTH, step, 0.5, 1.0))
        at[source.reader] += ahead
    assert sorted(told) == sorted((name, step) for name in BOTH.names for step in range(1, max(at.values()) + 1))


@pytest.mark.parametrize(
    ("told", "again", "kept"),
    [
        ("0.123", "0.123456", "0.123456"), ("0.123", "0.1236", "0.123"), ("1.7e-06", "1.6667e-06", "1.6667e-06"),
        ("2", "1.75", "1.75"), ("2", "2.75", "2"), ("0.33333334", "0.3333333333333333", "0.3333333333333333"),
        ("0.5", "0.5", "0.5"), ('"NaN"', "0.5", '"NaN"'), ("0.5", '"NaN"', "0.5"), ("0", "0.0004", "0.0004"),
    ],
)  # fmt: skip
def test_digits_are_taken_over_from_the_same_figure(told: str, again: str, kept: str, tmp_path: Path) -> None:
    shape = Shape(("loss",), (None,), (None,), (("role", "trainer"),))
    store = RunStore.open(tmp_path / "run.sqlite", RunRow("r", "/r", 0.0))
    store.commit([Samples("train.log", 3, 0, 1.0, "logged", 7, shape, [0.0], f"[{told}]")], [])
    store.correct([Samples("events", 9, 0, 1.0, "logged", 7, shape, [0.0], f"[{again}]")])
    store.correct([Samples("events", 9, 0, 1.0, "logged", 8, shape, [0.0], f"[{again}]")])
    with closing(read_only(store.path)) as db:
        assert db.execute("SELECT values_json FROM lines").fetchall() == [(f"[{kept}]",)]
    store.close()


def stored(run: Path, state: Path) -> list[tuple[Any, ...]]:
    """What a watch keeps of the loss: step, value as printed, file."""
    command = [sys.executable, "-m", "rli_agent", "watch", "--once", "--listen", "none", "--state-dir"]
    command += [str(state), str(run)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (path,) = state.glob("runs/*/run.sqlite")
    db = sqlite3.connect(path)
    query = "SELECT step, printed, file FROM samples WHERE name = 'train/loss' ORDER BY step"
    found = db.execute(query).fetchall()
    db.close()
    return found


@pytest.mark.real
def test_a_watch_keeps_each_figure_once_with_all_its_digits(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    more = "'reward': '1', 'completions/mean_length': '5', 'frac_reward_zero_std': '0'"
    lines = []
    for n in range(1, 8):
        bars = "".join(f"\r {10 * i}%|█| {i}/10 [00:0{i}<00:09, 1.0s/it]" for i in (n - 1, n))
        lines.append(f"{bars}\r    \r{{'loss': '{n / 3:.4g}', {more}, 'epoch': '0.{n}'}}\n")
    (run / "train.log").write_text("".join(lines))
    first = stored(run, tmp_path / "state")
    assert [(step, text) for step, text, _ in first] == [(n, f"{n / 3:.4g}") for n in range(1, 8)]

    with SummaryWriter(str(run / "runs" / "x")) as board:
        for n in range(1, 9):
            board.add_scalar("train/loss", n / 3, n)
    second = stored(run, tmp_path / "state")
    assert [step for step, _, _ in second] == list(range(1, 9))
    assert all(abs(float(text) - step / 3) < 1e-6 for step, text, _ in second)
    assert {file for _, _, file in second[:7]} == {"train.log"}

    entries = [{"loss": n / 3, "step": n} for n in range(1, 10)]
    document = {"global_step": 9, "log_history": entries}
    (run / "checkpoint-9").mkdir()
    (run / "checkpoint-9" / "trainer_state.json").write_text(json.dumps(document, indent=2))
    third = stored(run, tmp_path / "state")
    assert [(step, float(text)) for step, text, _ in third] == [(n, n / 3) for n in range(1, 10)]
    assert BOARD.reader in METRIC_FILES
