"""Many agents that push into one Prometheus: python benchmarks/push_load.py [MINUTES [AGENTS [SERIES [SECONDS]]]]

By default 200 agents of 500 series push every 10 s for a minute, as `watch --remote-write` does it, each over a
connection of its own, spread over the interval. Starts a Prometheus of its own (on PATH). Prints one JSON object: what
was sent, how long a push took, the CPU of both sides (1: a core), the memory and disk of Prometheus, and how many
samples it holds: it must be all that were sent.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

from rli_agent.publish.naming import RunLabels
from rli_agent.publish.remote_write.delivery import Delivery
from rli_agent.publish.remote_write.page import PageSamples
from rli_agent.publish.remote_write.receiver import Receiver
from rli_agent.publish.remote_write.series import SeriesTable
from rli_agent.publish.remote_write.target import Access

#: Threads that push: each push waits for the disk of Prometheus.
THREADS = 8
#: Seconds that a Prometheus may take to start and to end.
PATIENCE = 30.0


class Agent:
    """What one agent sends: a page whose values change from push to push."""

    def __init__(self, number: int, series: int, url: str) -> None:
        labels = RunLabels("load", "push", f"run-{number:04}", "verl")
        table = SeriesTable(lambda: labels, {"job": "rli-agent", "instance": f"node-{number:04}"}, series)
        self._page = PageSamples(table)
        self._delivery = Delivery(Receiver(url, Access()).send)
        self._names = [f'rl_insight_monitor_figure_{n}{{role="trainer"}}' for n in range(series)]
        self.took: list[float] = []
        self.sent = self.failed = 0

    def push(self, value: float) -> None:
        text = "\n".join(f"{name} {value + n}" for n, name in enumerate(self._names))
        begun = time.monotonic()
        outcome = self._delivery.deliver(self._page.samples(text, int(time.time() * 1000)))
        self.took.append(time.monotonic() - begun)
        self.sent += outcome.taken
        self.failed += outcome.refused + (outcome.later is not None)


@contextmanager
def prometheus(folder: Path) -> Iterator[tuple[str, int]]:
    """Its URL and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1m}\n")
    line = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"]  # fmt: skip
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while not _ready(f"http://127.0.0.1:{port}/-/ready"):
            assert process.poll() is None, "prometheus ended"
            assert time.monotonic() < end, "prometheus does not become ready"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def held(url: str, name: str, seconds: float) -> int:
    """Samples that Prometheus holds under this name."""
    query = urllib.parse.quote(f"sum(count_over_time({name}[{int(seconds)}s]))")
    with urllib.request.urlopen(f"{url}/api/v1/query?query={query}", timeout=60) as answer:
        found = json.load(answer)["data"]["result"]
    return int(found[0]["value"][1]) if found else 0


def cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(minutes: float, count: int, series: int, every: float) -> None:
    with tempfile.TemporaryDirectory() as name, prometheus(Path(name)) as (url, process):
        agents = [Agent(number, series, f"{url}/api/v1/write") for number in range(count)]
        begun, cpu, theirs = time.monotonic(), time.process_time(), cpu_of(process)
        rounds, late = round(minutes * 60 / every), 0.0
        with ThreadPoolExecutor(THREADS) as pool:
            for turn in range(rounds):
                for number, agent in enumerate(agents):
                    due = begun + turn * every + number * every / count
                    time.sleep(max(0.0, due - time.monotonic()))
                    late = max(late, time.monotonic() - due)
                    pool.submit(agent.push, float(turn))
        took = time.monotonic() - begun
        cpu, theirs = time.process_time() - cpu, cpu_of(process) - theirs
        memory = memory_of(process)
        disk = sum(path.stat().st_size for path in Path(name, "data").rglob("*") if path.is_file())
        sent = sum(agent.sent for agent in agents)
        times = quantiles([one for agent in agents for one in agent.took], n=100)
        figures = {
            "agents": count, "series": count * series, "seconds": round(took), "sent": sent,
            "samples_a_second": round(sent / took), "failed": sum(agent.failed for agent in agents),
            "push_ms_median": round(times[49] * 1e3, 1), "push_ms_p99": round(times[98] * 1e3, 1),
            "latest_s": round(late, 2), "our_cpu": round(cpu / took, 2), "our_us_a_sample": round(cpu / sent * 1e6, 2),
            "prometheus_cpu": round(theirs / took, 2), "prometheus_mb": memory >> 20, "disk_mb": disk >> 20,
            "held": sum(held(url, f"rl_insight_monitor_figure_{n}", took + 60) for n in range(series)),
        }  # fmt: skip
    print(json.dumps(figures))
    assert figures["held"] == sent == rounds * count * series, "samples are missing"


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    defaults = [1.0, 200, 500, 10.0]
    minutes, count, series, every = [*given, *defaults[len(given) :]]
    main(minutes, int(count), int(series), every)
