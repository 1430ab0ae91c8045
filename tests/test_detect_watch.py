"""The detectors beside a run that is being written: alerts become messages and rows, once each, whatever happens."""

from __future__ import annotations

import json
import random
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from agent_process import Command, attached, query
from prime_rl_logs import clock
from receivers import until

from rli_agent.alerts.lookout import Lookout, Noted
from rli_agent.alerts.opening import open_alerts
from rli_agent.alerts.pager import Pager
from rli_agent.detect.loading import packaged
from rli_agent.events import Event, Labels, Samples, Shape, Source
from rli_agent.message import Curve
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

DETECTORS = packaged()
TRAINER = Source("logs/trainer.log", "trainer", "trainer")
ORCHESTRATOR = Source("logs/orchestrator.log", "orchestrator", "orchestrator")


class Watched:
    """A store with the participants that a watch has, without processes around it."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.said: list[str] = []
        self.store = RunStore.open(folder / "run.sqlite", RunRow("r", "/runs/r", 0.0))
        labels: Labels = (("run", "r"),)
        self.pager = Pager(
            self.store, "r", open_alerts(None, {}), {}, lambda: labels, lambda: 1000.0, self.said.append
        )  # fmt: skip
        self.lookout = Lookout(self.store, "r", DETECTORS, self.pager, fresh=fresh)

    def commit(self, events: list[Event], source: Source = TRAINER, now: float = 1000.0) -> None:
        self.lookout.prepare(events, source, now)
        with self.store.transaction():
            self.store.commit(events, [])
            self.lookout.write()
            self.pager.write()
        for publisher in (self.lookout, self.pager):
            publisher.record(events, source, now)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        db = read_only(self.store.path)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def messages(self) -> list[tuple[str, str, int]]:
        kinds = "SELECT kind, severity, resolved FROM messages WHERE kind NOT IN ('started', 'nan') ORDER BY id"
        return self.rows(kinds)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    opened: list[Watched] = []

    def start(**options: bool) -> Watched:
        if opened:
            opened[-1].store.close()
        opened.append(Watched(tmp_path, **options))
        return opened[-1]

    yield start
    opened[-1].store.close()


def line(step: int, source: Source = TRAINER, **figures: float) -> Samples:
    names = tuple(figures)
    shape = Shape(names, (None,) * len(names), names)
    values = list(figures.values())
    return Samples(source.file, step, 0, 100.0 + 10 * step, "logged", step, shape, values, json.dumps(values))


def kl(start: int, count: int, level: float, seed: int = 0) -> list[Event]:
    rng = random.Random(seed)
    return [line(step, rl_policy_kl=level * rng.uniform(0.9, 1.1)) for step in range(start, start + count)]


def test_an_alert_becomes_a_message_and_a_row_and_so_does_its_end(watched: Callable[..., Watched]) -> None:
    run = watched()
    run.lookout.tick(1000.0)
    for event in kl(0, 60, 0.05) + kl(60, 10, 0.2, 1):
        run.commit([event])
    assert run.messages() == [("kl_explosion", "warning", 0)]
    assert run.lookout.active == {"kl_explosion": "warning"}
    (row,) = run.rows("SELECT detector, severity, step, resolved_step, series, role FROM alerts")
    assert row == ("kl_explosion", "warning", row[2], None, "rl_policy_kl", "trainer")
    for event in kl(70, 20, 0.05, 2):
        run.commit([event])
    assert run.messages()[1:] == [("kl_explosion", "info", 1)]
    assert run.rows("SELECT resolved_step > step FROM alerts") == [(1,)]
    assert run.lookout.active == {}


def test_a_message_carries_the_curve_and_what_else_changed(watched: Callable[..., Watched]) -> None:
    run = watched()
    run.lookout.tick(1000.0)
    rng = random.Random(3)
    for step in range(70):
        far = step >= 60
        figures = {"rl_policy_kl": 0.2 if far else 0.05, "rl_grad_norm": 3.0 if far else 0.5, "rl_policy_loss": 0.01}
        run.commit([line(step, TRAINER, **{name: value * rng.uniform(0.9, 1.1) for name, value in figures.items()})])
    ((text, curve, limit),) = run.rows(
        "SELECT text, curve, json_extract(values_json, '$.limit') FROM outbox WHERE kind = 'kl_explosion'"
    )
    drawn = msgspec.json.decode(curve, type=Curve)
    assert (drawn.series, drawn.limit) == ("rl_policy_kl", limit)
    assert drawn.steps == tuple(range(drawn.steps[-1] + 1))  # type: ignore[operator]
    assert drawn.values[-1] > drawn.limit > drawn.values[10]  # type: ignore[operator]
    others = text.partition("At the same time: ")[2]
    assert re.match(r"rl_grad_norm 0\.[45]\d* → [23]\.\d+\.$", others)
    assert "rl_policy_loss" not in others


def test_what_gets_graver_is_told_again(watched: Callable[..., Watched]) -> None:
    run = watched()
    run.lookout.tick(1000.0)
    for event in kl(0, 60, 0.05) + kl(60, 10, 0.2, 1) + kl(70, 10, 5.0, 2):
        run.commit([event])
    assert run.messages() == [("kl_explosion", "warning", 0), ("kl_explosion", "critical", 0)]
    assert run.rows("SELECT severity FROM alerts") == [("critical",)]


def test_an_incident_is_one_message_and_all_its_alerts_are_rows(watched: Callable[..., Watched]) -> None:
    run = watched()
    run.lookout.tick(1000.0)
    rng = random.Random(1)
    for step in range(80):
        wild = 3.0 if step >= 60 else 1.0
        kl, length = (level * rng.uniform(0.95, 1.05) * wild for level in (0.05, 300))
        run.commit([line(step, rl_policy_kl=kl, rl_response_length_mean_tokens=length)])
    assert len(run.messages()) == 1
    assert {d for (d,) in run.rows("SELECT detector FROM alerts")} == {"kl_explosion", "length_explosion"}
    assert run.rows("SELECT count(DISTINCT incident) FROM alerts") == [(1,)]


def test_what_was_over_before_the_agent_came_is_a_row_and_no_message(watched: Callable[..., Watched]) -> None:
    run = watched()
    run.commit(kl(0, 60, 0.05) + kl(60, 15, 0.2, 1) + kl(75, 30, 0.05, 2))
    run.lookout.tick(1000.0)
    assert run.messages() == []
    assert run.rows("SELECT detector, resolved_step IS NOT NULL FROM alerts") == [("kl_explosion", 1)]


def test_what_still_lasts_when_the_agent_comes_is_told(watched: Callable[..., Watched]) -> None:
    run = watched()
    run.commit(kl(0, 60, 0.05) + kl(60, 10, 0.2, 1))
    assert run.messages() == []
    run.lookout.settle(1000.0)
    assert run.messages() == [("kl_explosion", "warning", 0)]


def test_files_read_one_after_the_other_are_judged_in_the_order_of_time(watched: Callable[..., Watched]) -> None:
    """The entropy falls while the reward climbs, which only the other file tells."""
    run = watched()
    rng = random.Random(2)
    fall = [0.4 * (0.9 ** max(0, step - 60)) * rng.uniform(0.97, 1.03) for step in range(90)]
    run.commit([line(step, rl_policy_entropy=value) for step, value in enumerate(fall)])
    climb = [0.2 + 0.008 * step + 0.005 * rng.random() for step in range(90)]
    run.commit([line(s, ORCHESTRATOR, rl_reward_mean=v) for s, v in enumerate(climb)], ORCHESTRATOR)
    run.lookout.tick(1000.0)
    assert run.rows("SELECT detector FROM alerts") == []


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_anywhere_tells_nothing_twice_and_loses_nothing(watched: Callable[..., Watched], seed: int) -> None:
    rng = random.Random(seed)
    run = watched()
    for number, event in enumerate(kl(0, 60, 0.05) + kl(60, 12, 0.2, 1) + kl(72, 20, 0.05, 2)):
        run.commit([event])
        if number == 5:
            run.lookout.tick(1000.0)
        if rng.random() < 0.1:
            run = watched()
            run.lookout.tick(1000.0)
    assert run.messages() == [("kl_explosion", "warning", 0), ("kl_explosion", "info", 1)]


def test_reading_all_again_tells_nothing_again(watched: Callable[..., Watched]) -> None:
    run = watched()
    events = kl(0, 60, 0.05) + kl(60, 10, 0.2, 1)
    for fresh in (False, True):
        run = watched(fresh=fresh)
        run.commit(events)
        run.lookout.tick(1000.0)
    assert run.messages() == [("kl_explosion", "warning", 0)]


def test_memory_of_another_version_is_dropped_with_a_word(watched: Callable[..., Watched]) -> None:
    run = watched()
    run.store.knowledge.set("detectors", b"\xc1 nonsense")
    again = watched()
    assert again.lookout.engine.state.histories == []
    assert Noted().attached is False


@pytest.mark.real
def test_a_watch_tells_of_a_spiking_gradient_also_when_it_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    rng = random.Random(3)

    def step(number: int, level: float) -> str:
        return (
            f"{clock(30000 + 6 * number)} SUCCESS Step {number} | 5.5s | Loss 0.0100 | Entropy 0.41 "
            f"| Mismatch KL 0.0005 | Grad. Norm {level * rng.uniform(0.9, 1.1):.4f} | LR 3.00e-06 "
            "| Throughput 20000 tokens/s | MFU 27.1% | Peak Mem. 41.3 GiB\n"
        )

    log.write_text(f"{clock(29990)}    INFO Starting training loop (max_steps=900)\n")
    with log.open("a") as out:
        out.writelines(step(n, 0.01) for n in range(1, 41))
    state = ("watch", "--state-dir", tmp_path / "state", "--listen", "127.0.0.1:0", log.parents[1])
    agent = Command(tmp_path, *state)
    told = "SELECT kind, resolved FROM messages WHERE kind = 'grad_spike'"
    try:
        until(lambda: attached(tmp_path), "the agent to be attached")
        with log.open("a") as out:
            out.writelines(step(n, 1.0) for n in range(41, 56))
        until(lambda: query(tmp_path, told) == [("grad_spike", 0)], "the alert")
        url = next(w for w in agent.output.split() if w.startswith("http://"))
        with urllib.request.urlopen(url, timeout=10) as page:
            shown = page.read().decode()
        assert 'detector="grad_spike",severity="warning"' in shown
        agent.kill()
        with log.open("a") as out:
            out.writelines(step(n, 0.01) for n in range(56, 90))
        agent = Command(tmp_path, *state)
        until(lambda: query(tmp_path, told) == [("grad_spike", 0), ("grad_spike", 1)], "its end")
    finally:
        agent.kill()
