"""What a scrape costs at the series limit, and what taking an event over costs the reader.

    python benchmarks/scrape.py [--series 20000] [--scrapes 200]

Every value changes between two scrapes, which is the worst case. Three layouts: many series a name, one series a name
(the usual case: names are the framework's keys), and the latter over HTTP with gzip, as Prometheus asks for it.
Bar: p99 at 20,000 series at most 120 ms.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import urllib.request
from collections.abc import Callable

from rli_agent.catalogue import Catalogue
from rli_agent.events import Samples, Shape, Source
from rli_agent.publish.exposition import Exposition, RunLabels
from rli_agent.publish.listen import bind
from rli_agent.publish.server import MetricsServer

RUN = RunLabels("math-rl", "qwen3-4b-grpo-lr1e-6", "2026-11-21-0907-qwen3", "verl")
KEYS = 500


def shapes(series: int, per_name: int) -> list[Shape]:
    """Lines of 500 keys, with as many different keys that each has `per_name` series."""
    made = []
    for i in range(series // KEYS):
        base = i // per_name * KEYS
        names = tuple(f"training/group_{base + k:05d}/some_key/mean@{k % 32}" for k in range(KEYS))
        labels = (("environment", f"env-{i % per_name:03d}"),) if per_name > 1 else ()
        made.append(Shape(names, (None,) * KEYS, (None,) * KEYS, labels))
    return made


def feed(exposition: Exposition, made: list[Shape], turn: int) -> None:
    source = Source("logs/trainer.log", "trainer", "trainer")
    events = [
        Samples(source.file, i, 0, 1.7e9 + turn, "logged", turn, s, [1 / (turn + i + k + 3) for k in range(KEYS)], "")
        for i, s in enumerate(made)
    ]
    exposition.record(events, source)


def measure(what: str, exposition: Exposition, made: list[Shape], scrape: Callable[[], int], scrapes: int) -> None:
    times = []
    size = 0
    for turn in range(scrapes):
        feed(exposition, made, turn)
        start = time.perf_counter()
        size = scrape()
        times.append((time.perf_counter() - start) * 1000)
    cuts = statistics.quantiles(times[1:], n=100)
    print(
        f"{what:<34} p50 {cuts[49]:6.1f} ms   p99 {cuts[98]:6.1f} ms   first {times[0]:6.1f} ms   {size / 1e6:5.2f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--scrapes", type=int, default=200)
    args = parser.parse_args()
    catalogue = Catalogue.load()
    gc.set_threshold(50_000, 20, 20)  # as `watch` does
    # The agent's own series come on top of the run's.
    room = args.series + 100
    for what, per_name in (("render, 20 series a name", 20), ("render, 1 series a name", 1)):
        exposition = Exposition(RUN, catalogue, series_limit=room)
        made = shapes(args.series, per_name)
        measure(what, exposition, made, lambda e=exposition: len(e.render(True)), args.scrapes)  # type: ignore[misc]

    sock, _ = bind("127.0.0.1:0") or (None, "")
    assert sock
    server = MetricsServer(sock, exposition.render, lambda: "benchmark")
    server.start()

    def over_http() -> int:
        request = urllib.request.Request(f"{server.url}/metrics", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as reply:
            return len(reply.read())

    measure("HTTP with gzip, 1 series a name", exposition, made, over_http, args.scrapes)
    server.close()

    source = Source("logs/trainer.log", "trainer", "trainer")
    values = [0.5] * 45
    events = [Samples(source.file, i, 0, 1.7e9, "logged", i, made[i % 4], values, "") for i in range(100_000)]
    start = time.perf_counter()
    for i in range(0, len(events), 1000):
        exposition.record(events[i : i + 1000], source)
    micros = (time.perf_counter() - start) / len(events) * 1e6
    print(f"record, 45 values an event         {micros:6.2f} µs an event, {micros / 45 * 1e3:.1f} ns a value")


if __name__ == "__main__":
    main()
