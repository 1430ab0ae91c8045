"""Figures that a program wrote to a file in batches, while its bars came at once: their steps."""

from __future__ import annotations

from datetime import timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rli_agent.events import Samples, Source
from rli_agent.parsers.batched import Held, Pace, steps_of
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.rulebook import packaged_rules

SOURCE = Source("train.log", "trainer", packs=("trl",))
RULES = RuleSet([load_pack(packaged_rules() / "trl.yaml")], SOURCE)


def buffered(total: int, every: int, epochs: int, room: int) -> tuple[bytes, dict[float, int], int]:
    """What lands in the file of a Trainer whose standard output is held back until `room` bytes are there, the step of
    each loss, and how often they were. tqdm writes a line and its end apart, and draws the bar anew behind both."""
    log, waiting, truth, flushed = "", "", {}, 0
    for step in range(1, total + 1):
        bar = f"\r {100 * step // total}%|##        | {step}/{total} [00:{step % 60:02}<01:00,  1.00s/it]"
        log += bar
        if step % every == 0:
            loss = step + 0.5
            truth[loss] = step
            waiting += str({"loss": loss, "grad_norm": 0.25, "reward": 0.5, "epoch": round(epochs * step / total, 2)})
            log += "\r          \r"
            if len(waiting) > room:
                log, waiting, flushed = log + waiting, "", flushed + 1
            waiting += "\n"
            log += bar
    return (log + waiting + "\n").encode(), truth, flushed


def told(log: bytes, cut: int) -> dict[float, int | None]:
    """The step of each loss, as it is read in two pieces."""
    parser = SourceParser(SOURCE, RULES, timezone.utc, 1_767_312_000.0)
    end = log.rfind(b"\n", 0, cut) + 1
    events = parser.feed(log[:end], 0, 1) + parser.feed(log[end:], end, 1 + log[:end].count(b"\n")) + parser.flush()
    figures = [event for event in events if isinstance(event, Samples)]
    return {event.values[event.shape.names.index("train/loss")]: event.step for event in figures}


@pytest.mark.real
@given(
    total=st.integers(40, 400), every=st.integers(1, 20), epochs=st.integers(1, 5), room=st.integers(0, 2_000),
    part=st.floats(0, 1),
)  # fmt: skip
@example(total=40, every=15, epochs=4, room=125, part=0.0)  # as every 20 steps of 3 epochs would look
def test_each_figure_has_the_step_at_which_it_was_logged(
    total: int, every: int, epochs: int, room: int, part: float
) -> None:
    log, truth, flushed = buffered(total, every, epochs, room)
    found = told(log, int(len(log) * part))
    assert set(found) == set(truth)
    *earlier, _ = truth  # what the program's end writes has no bar of its own
    for loss in earlier:
        assert found[loss] == truth[loss] or (found[loss] is None and not flushed)


def line(step: int | None, epoch: float, name: str = "train/loss") -> Held:
    return Held("step", 0, step, 1, 0, None, "observed", (name, "train/epoch"), (None, None), {}, f"[1.0,{epoch}]")


def test_what_the_epochs_contradict_is_not_told() -> None:
    resumed = [line(600, 5.0), line(600, 6.0)]
    assert steps_of(resumed, Pace(), True, None) == [None, 600]


def test_an_evaluation_has_the_step_of_the_line_before_it_where_the_epochs_are_one() -> None:
    batch = [line(20, 0.5), line(20, 0.5, "eval/loss"), line(20, 0.7, "eval/loss"), line(20, 1.0)]
    assert steps_of(batch, Pace(), True, None) == [10, 10, None, 20]


def test_a_known_distance_goes_on_where_the_batch_ends_between_two_lines() -> None:
    pace = Pace()
    assert steps_of([line(20, 0.5), line(20, 1.0)], pace, True, None) == [10, 20]
    assert steps_of([line(47, 1.5), line(47, 2.0)], pace, False, None) == [30, 40]


def test_a_run_that_begins_anew_is_counted_from_its_beginning() -> None:
    pace = Pace()
    assert steps_of([line(20, 0.5), line(20, 1.0)], pace, True, None) == [10, 20]
    assert steps_of([line(8, 0.2), line(8, 0.4)], pace, True, None) == [4, 8]


def test_a_batch_that_may_be_late_counts_where_the_training_would_be_of_whole_epochs() -> None:
    batch = [line(20, 0.5), line(20, 1.0)]
    assert steps_of(batch, Pace(), False, 60) == [10, 20]
    assert steps_of(batch, Pace(), False, 50) == [None, 20]
    assert steps_of(batch, Pace(), False, None) == [None, 20]
