"""How long the page's questions take at 100,000 points and 50,000 intervals, over HTTP, gzip'ed.

    python benchmarks/page.py [--times 60] [--quiet]

The run goes on meanwhile: ten times a second a step is stored (with `--quiet`: nothing is). The bar: p99 at most 200 ms
for each question. `first` is the first time, when nothing is in memory yet; `cpu`: what the process worked, the first
time and usually, which other work on the machine does not change. Prints one line a question.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

from large_run import BEGIN, LINES, TRAINER, log_line, step_line, write_large_run

from rli_agent.publish.listen import bind
from rli_agent.publish.server import MetricsServer
from rli_agent.store.run_store import RunRow, RunStore
from rli_agent.watching.page import Page
from rli_agent.zone import named_zone

QUESTIONS = (
    "/api/runs", "{run}/status", "{run}/timeline", f"{{run}}/timeline?from={BEGIN + 5000}&to={BEGIN + 6000}",
    "{run}/series", "{run}/series?q=metric_1",
    "{run}/curves?metric=rl_reward_mean&metric=rl_policy_entropy&metric=rl_policy_kl&metric=rl_grad_norm",
    "{run}/curves?metric=rl_reward_mean&x=time", "{run}/curves?metric=rl_loss&from=90000&to=91000", "{run}/steps",
    "{run}/rollouts/heat", "{run}/problems", "{run}/alerts", "{run}/engines",
    "{run}/logs", f"{{run}}/logs?at={BEGIN + 50_000}&before=100&after=100",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state, run = Path(folder), "large-00000000"
        store = state / "runs" / run / "run.sqlite"
        write_large_run(store)
        zone = named_zone("UTC")
        bound = bind("127.0.0.1:0")
        assert bound is not None
        port = bound[0].getsockname()[1]
        page = Page(state, "127.0.0.1", port, zone, lambda: [store])
        server = MetricsServer(bound[0], lambda _: b"", lambda: "", page.reply)
        server.start()
        over = threading.Event()
        writer = threading.Thread(target=go_on, args=(store, over), daemon=True)
        if not args.quiet:
            writer.start()
        try:
            measure(port, (state / "page-token").read_text().strip(), f"/api/runs/{run}", args.times)
        finally:
            over.set()
            page.close()
            server.close()


def go_on(path: Path, over: threading.Event) -> None:
    store = RunStore.open(path, RunRow(path.parent.name, str(path.parent), BEGIN))
    step = LINES
    with (path.parent / TRAINER).open("a") as log:
        while not over.wait(0.1):
            log.write(log_line(step))
            log.flush()
            store.commit([step_line(step)], [])
            step += 1
    store.close()


def measure(port: int, token: str, run: str, times: int) -> None:
    spent: dict[str, list[float]] = {question: [] for question in QUESTIONS}
    worked: dict[str, list[float]] = {question: [] for question in QUESTIONS}
    size: dict[str, int] = {}
    for _ in range(times):
        for question, found in spent.items():
            began, used = time.perf_counter(), time.process_time()
            size[question] = ask(port, token, question.format(run=run))
            found.append(1000 * (time.perf_counter() - began))
            worked[question].append(1000 * (time.process_time() - used))
    for question, found in spent.items():
        later = found[1:]
        p99 = max(later) if len(later) < 100 else statistics.quantiles(later, n=100)[98]
        name = question.replace("{run}/", "")[:60]
        print(
            f"{name:<60} first {found[0]:7.1f} ms   p50 {statistics.median(later):6.1f}   p99 {p99:6.1f}   "
            f"cpu {worked[question][0]:6.1f} / {statistics.median(worked[question][1:]):5.1f}   "
            f"{size[question] / 1e3:6.1f} kB"
        )
    everything = [value for found in spent.values() for value in found[1:]]
    print(json.dumps({"p99_ms": round(statistics.quantiles(everything, n=100)[98], 1)}))


def ask(port: int, token: str, question: str) -> int:
    """Bytes of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", question, headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
    reply = connection.getresponse()
    body = reply.read()
    assert reply.status == 200, body
    connection.close()
    return len(body)


if __name__ == "__main__":
    main()
