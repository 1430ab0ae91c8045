"""CPU seconds to keep 25,000 metric lines of 45 values and 250,000 intervals: python benchmarks/store_write.py

The bar is 1.2 s (user + system, one process), the events being there already. Prints one JSON object.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rli_agent.events import Event, Interval, Samples, Shape, TimeIs
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore

LINES, VALUES, STATES, A_COMMIT = 25_000, 45, 10, 1000
FILE = "logs/trainer.log"


def batches(time_is: TimeIs) -> Iterator[list[Event]]:
    """The events, a commit's worth at a time; "estimated" ones are laid out relative to lines without a time."""
    draw = random.Random(1)
    names = tuple(f"actor/metric_{i}/mean" for i in range(VALUES))
    shape = Shape(names, (None,) * VALUES, (None,) * VALUES, (("role", "trainer"),))
    states = [("step" if i == 0 else f"state_{i}", f"timing/state_{i}") for i in range(STATES)]
    for first in range(0, LINES, A_COMMIT):
        events: list[Event] = []
        for step in range(first, first + A_COMMIT):
            values = [draw.random() * 1000 for _ in range(VALUES)]
            line, offset = step * 20 + 1, step * 1500
            at = 1.76e9 + step * 30 if time_is == "logged" else None
            printed = json.dumps(values, separators=(",", ":"))
            events.append(Samples(FILE, line, offset, at, time_is, step, shape, values, printed))
            end = at or 0.0
            for number, (state, key) in enumerate(states):
                start = end - 20 + number
                events.append(Interval(FILE, line, offset, time_is, "trainer", state, step, start, start + 1, 1.0, key))
        yield events


def seconds(what: Callable[[], object]) -> float:
    before = time.process_time()
    what()
    return time.process_time() - before


def measure(folder: Path, time_is: TimeIs) -> dict[str, float]:
    path = folder / f"{time_is}.sqlite"
    store = RunStore.open(path, RunRow("bench", str(folder), 0.0))
    spent = 0.0
    for number, events in enumerate(batches(time_is), start=1):
        end = number * A_COMMIT * 1500
        done = Checkpoint(FILE, 1, 2, end, number * A_COMMIT * 20, b"fingerprint", b"state", 0.0)
        spent += seconds(lambda: store.commit(events, [done]))  # noqa: B023 (called at once)
    found = {"commit": spent}
    if time_is == "logged":
        found["shift"] = seconds(lambda: store.shift(FILE, lambda _: 86400.0))
        found["latest"] = seconds(lambda: list(store.latest()))
    else:
        found["marks"] = seconds(lambda: list(store.marks(FILE)))
        found["place"] = seconds(lambda: store.place(FILE, ((line, 1.76e9) for line, _, _ in store.marks(FILE))))
    found["close"] = seconds(store.close)
    found["megabytes"] = path.stat().st_size / 1e6
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        figures: dict[str, object] = {kind: measure(Path(name), kind) for kind in ("logged", "estimated")}
    figures["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    json.dump(figures, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
