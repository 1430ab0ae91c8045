"""What the store holds reaches a receiver once, whenever it is read, and not before its times are known."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from rli_agent.catalogue import Catalogue
from rli_agent.events import Event, Interval, Phase, Plan, RolloutBatch, Samples, Shape, Source
from rli_agent.publish.from_store import position_of
from rli_agent.publish.naming import Naming, RunLabels
from rli_agent.publish.remote_write import rows as reading
from rli_agent.publish.remote_write.figures import Figures
from rli_agent.publish.remote_write.message import labels_of
from rli_agent.publish.remote_write.position import Position
from rli_agent.publish.remote_write.rows import Rows
from rli_agent.publish.remote_write.series import SeriesTable
from rli_agent.rollout_statistics import RolloutStatistics
from rli_agent.store.run_store import RunStore

SHAPE = Shape(("loss",), (None,), (None,))
DAY = 1_763_600_000.0


class Reader:
    """Reads a store as an exporter does, everything that there is at a time."""

    def __init__(self, store: RunStore) -> None:
        self.unsettled: frozenset[str] = frozenset()
        self.rows = Rows(store.path, lambda: self.unsettled)
        table = SeriesTable(lambda: RunLabels("p", "e", "r", "verl"), {"job": "rli-agent", "instance": "n1"})
        self.figures = Figures(self.rows.db, Naming(Catalogue.load()), table)
        self.position = Position()

    def read(self, last: bool = True) -> list[tuple[str, int, float]]:
        """(name, milliseconds, value) of what is new."""
        found = []
        while True:
            portion = self.rows.next(self.position, last)
            found += [
                (labels_of(sample.series)["__name__"], sample.at, sample.value)
                for sample in self.figures.samples(portion)
            ]
            if portion.after == self.position:
                return found
            self.position = position_of(msgspec.json.encode(portion.after), Position)


@pytest.fixture
def reader(store: RunStore) -> Iterator[Reader]:
    reader = Reader(store)
    yield reader
    reader.rows.close()


def line(file: str, number: int, at: float | None, value: float = 0.5, shape: Shape = SHAPE) -> Samples:
    values = [value] * len(shape.names)
    return Samples(file, number, 0, at, "logged" if at else "estimated", number, shape, values, json.dumps(values))


def losses(found: list[tuple[str, int, float]]) -> list[float]:
    return [at / 1000 for name, at, _ in found if name == "rl_insight_monitor_loss"]


def test_each_line_comes_once_with_its_time(store: RunStore, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LINES", 7)
    store.commit([line("a.log", n, DAY + n) for n in range(1, 31)], [])
    assert losses(reader.read()) == [DAY + n for n in range(1, 31)]
    assert reader.read() == []
    store.commit([line("a.log", 31, DAY + 31)], [])
    assert losses(reader.read()) == [DAY + 31]


def test_a_file_that_is_being_read_waits_and_keeps_no_other_back(store: RunStore, reader: Reader) -> None:
    reader.unsettled = frozenset({"old.log"})
    store.commit([line("old.log", 1, DAY), line("new.log", 1, DAY + 1)], [])
    assert losses(reader.read()) == [DAY + 1]
    store.commit([line("old.log", 2, DAY + 2), line("new.log", 2, DAY + 3)], [])
    assert losses(reader.read()) == [DAY + 3]
    store.shift("old.log", lambda _: -86_400.0)
    reader.unsettled = frozenset()
    assert losses(reader.read()) == [DAY - 86_400, DAY + 2 - 86_400]
    store.commit([line("old.log", 3, DAY + 4)], [])
    assert losses(reader.read()) == [DAY + 4]
    assert reader.position.behind == {}


def test_lines_without_a_time_wait_for_it(store: RunStore, reader: Reader) -> None:
    store.commit([line("a.log", 1, None), line("b.log", 1, DAY)], [])
    assert losses(reader.read()) == [DAY]
    store.place("a.log", [(1, DAY - 5)])
    assert losses(reader.read()) == [DAY - 5]


def test_durations_and_steps_come_with_the_names_of_a_scrape(store: RunStore, reader: Reader) -> None:
    plan = Plan("trainer", (Phase(0, "step", "t", "step"), Phase(1, "rollout", "g", "inside")))
    shape = Shape(("t", "g"), ("s", "s"), (None, None), plan=plan)
    events: list[Event] = [
        Samples("a.log", 1, 0, DAY, "logged", 4, shape, [9.0, 3.0], "[9.0,3.0]"),
        Interval("a.log", 2, 0, "logged", "trainer", "eval", 4, DAY + 1, DAY + 3),
    ]
    store.commit(events, [])
    store.describe([Source("a.log", "trainer", "trainer")])
    assert sorted(reader.read()) == [
        ("rl_insight_monitor_g", DAY * 1000, 3.0),
        ("rl_insight_monitor_t", DAY * 1000, 9.0),
        ("rl_phase_duration_seconds", DAY * 1000, 3.0),
        ("rl_phase_duration_seconds", DAY * 1000 + 3000, 2.0),
        ("rl_step", DAY * 1000, 4.0),
        ("rl_step_duration_seconds", DAY * 1000, 9.0),
    ]


def batch(file: str, step: int, rewards: list[float]) -> RolloutBatch:
    total = RolloutStatistics(count=len(rewards))
    for reward in rewards:
        total.add("reward", reward)
    return RolloutBatch(file, 1, 0, DAY + step, "logged", step, "train", "math", total)


def test_rollouts_of_a_step_come_together_once_they_are_complete(store: RunStore, reader: Reader) -> None:
    store.commit([batch("r0.jsonl", 3, [1.0]), batch("r1.jsonl", 3, [0.0, 0.5])], [])
    means = [(at, value) for name, at, value in reader.read(last=False) if name == "rl_rollout_reward_mean"]
    assert means == [((DAY + 3) * 1000, 0.5)]
    store.commit([batch("r0.jsonl", 4, [1.0])], [])
    assert reader.read(last=False) == [], "it may grow"
    store.commit([batch("r0.jsonl", 4, [1.0, 0.0])], [])
    means = [(at, value) for name, at, value in reader.read() if name == "rl_rollout_reward_mean"]
    assert means == [((DAY + 4) * 1000, 0.5)]
