"""The detectors are held to their bars on made-up traces: fixed seeds, other ones than those they were tuned on."""

from __future__ import annotations

import random
from collections import Counter
from types import ModuleType

import detector_traces
import other_traces
import pytest

from rli_agent.detect.engine import Alert, Engine
from rli_agent.detect.loading import packaged
from rli_agent.detect.readings import Reading
from rli_agent.replaying import TRACE_KEYS

DETECTORS = packaged()


def alerts_of(trace: detector_traces.Trace) -> list[tuple[int, Alert]]:
    """The alerts that count (index of the row, alert)."""
    engine = Engine(DETECTORS)
    found = []
    for index, (step, metrics) in enumerate(trace.rows):
        line = [Reading(TRACE_KEYS[k], k, "trainer", (), "trace", step, None, v) for k, v in metrics.items()]
        found += [(index, a) for a in engine.record(line) if a.status == "firing" and a.severity != "info"]
    return found


def score(count: int, seed: str, made: ModuleType = detector_traces) -> tuple[Counter[str], int]:
    """Failures: found, found without a false alarm before, found within 20 samples; and how many there were."""
    tally: Counter[str] = Counter()
    for label in detector_traces.LABELS:
        for number in range(count):
            trace = made.failing(random.Random(f"{seed} {label} {number}"), label)
            assert trace.onset is not None
            found = alerts_of(trace)
            hits = [i - trace.onset for i, a in found if a.detector == label and i >= trace.onset]
            early = any(i < trace.onset for i, _ in found)
            tally["found"] += bool(hits)
            tally["clean"] += bool(hits) and not early
            tally["soon"] += bool(hits) and min(hits) <= 20
    return tally, count * len(detector_traces.LABELS)


@pytest.mark.real
def test_most_failures_are_found_and_soon() -> None:
    tally, whole = score(2, "quick")
    assert tally["found"] >= 0.9 * whole
    assert tally["soon"] >= 0.7 * whole


@pytest.mark.real
def test_the_bars_hold_on_many_failing_runs() -> None:
    tally, whole = score(20, "bars")
    assert tally["found"] >= 0.92 * whole
    assert tally["clean"] >= 0.90 * whole
    assert tally["soon"] >= 0.75 * whole


@pytest.mark.real
def test_the_bars_hold_on_many_healthy_runs() -> None:
    found = [a for n in range(120) for _, a in alerts_of(detector_traces.healthy(random.Random(f"healthy {n}")))]
    assert len(found) <= 0.15 * 120
    assert not [a for a in found if a.severity == "critical"]


@pytest.mark.real
def test_the_bars_hold_on_runs_of_other_kinds() -> None:
    tally, whole = score(12, "other", other_traces)
    assert tally["found"] >= 0.92 * whole
    assert tally["clean"] >= 0.85 * whole
    assert tally["soon"] >= 0.70 * whole
    found = [a for n in range(80) for _, a in alerts_of(other_traces.healthy(random.Random(f"other {n}")))]
    assert len(found) <= 0.2 * 80
    assert not [a for a in found if a.severity == "critical"]
