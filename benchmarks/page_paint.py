"""How soon the page stands there, and how smooth it is, on a run of 100,000 points and 50,000 intervals.

    python benchmarks/page_paint.py

A verl-like log of 5,000 steps, 20 figures and 10 phases each, is read by a real `rli-agent watch`; then Chromium opens
the run's page over 10 Mbit/s with 20 ms of latency, with an empty cache and once more with what it has kept. Told are
medians, in milliseconds from the navigation: the first paint, the sentence that answers, the timeline with all its
intervals, six curves of 5,000 points; and a frame while the timeline is zoomed. Bar: the first paint, the answer and
the curves within a second.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

STEPS = 5000
ROUNDS = 5
CHROMIUM = "/usr/bin/chromium"
FIGURES = (
    "critic/rewards/mean", "critic/rewards/max", "actor/entropy", "actor/kl_loss", "actor/pg_loss", "actor/grad_norm",
    "actor/pg_clipfrac", "actor/ppo_kl", "actor/lr", "response_length/mean", "response_length/clip_ratio",
    "perf/throughput",
)  # fmt: skip
PHASES = ("gen", "reward", "old_log_prob", "ref", "values", "adv", "update_critic", "update_actor", "update_weights")


def write_log(path: Path) -> None:
    """A console log as verl prints it, one line a step."""
    chance = random.Random(7)
    with path.open("w") as out:
        for step in range(1, STEPS + 1):
            figures = [f"{name}:{chance.gauss(1, 0.2):.6f}" for name in FIGURES]
            seconds = [chance.uniform(0.2, 2) for _ in PHASES]
            times = [f"timing_s/{name}:{value:.6f}" for name, value in zip(PHASES, seconds, strict=True)]
            times.append(f"timing_s/step:{sum(seconds):.6f}")
            pairs = " - ".join([*figures, *times, f"training/global_step:{step}"])
            out.write(f"(TaskRunner pid=4242) step:{step} - {pairs}\n")


def watch(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A watch of the log, once all of it is read; the page's address."""
    run, out = folder / "run", folder / "out"
    run.mkdir()
    write_log(run / "train.log")
    process = subprocess.Popen(
        [sys.executable, "-m", "rli_agent", "watch", str(run), "--config", os.devnull, "--state-dir",
         str(folder / "state"), "--listen", "127.0.0.1:0", "--plain"],
        stdout=out.open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    end = time.monotonic() + 300
    while not re.search(rf"step {STEPS}\b", out.read_text()):
        if time.monotonic() > end or process.poll() is not None:
            raise SystemExit(f"the log was not read:\n{out.read_text()}")
        time.sleep(0.2)
    found = re.search(r"page: (http://\S+)", out.read_text())
    if found is None:
        raise SystemExit(f"no page:\n{out.read_text()}")
    return process, found[1]


#: Waits until an element has what it should, and gives the time of it.
WHEN = """([selector, wanted]) => new Promise((done, fail) => {
  setTimeout(() => fail(`${selector} never had ${wanted}`), 30000);
  const look = () => {
    const found = document.querySelector(selector);
    if (found && (found.textContent + JSON.stringify(found.dataset)).includes(wanted)) {
      requestAnimationFrame(() => setTimeout(() => done(performance.now())));
    } else setTimeout(look, 4);
  };
  look();
})"""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
ZOOM = """async () => {
  const canvas = document.querySelector('canvas');
  const box = canvas.getBoundingClientRect();
  const frames = [];
  for (let index = 0; index < 40; index += 1) {
    const begin = performance.now();
    const deltaY = index < 20 ? -60 : 60;
    canvas.dispatchEvent(new WheelEvent('wheel', {deltaY, clientX: box.x + 700, cancelable: true}));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    frames.push(performance.now() - begin);
  }
  return frames;
}"""


def opened(context: Any, address: str, place: str, *, cached: bool) -> Any:
    """A place of the page, being loaded over a slow line."""
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    if not cached:
        network.send("Network.clearBrowserCache")
    line = {"offline": False, "latency": 20, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8}
    network.send("Network.emulateNetworkConditions", line)
    page.goto(f"{address.split('/?')[0]}/#{place}", wait_until="commit")
    return page


def measure(context: Any, address: str) -> tuple[dict[str, float], list[float], str]:
    """One round: milliseconds of each thing, those of frames, and how many intervals there are."""
    entry = context.new_page()
    entry.goto(address)  # sets the cookie
    run = json.loads(entry.evaluate("fetch('api/runs').then(a => a.text())"))["runs"][0]["run"]["id"]
    entry.close()
    times: dict[str, float] = {}
    for cached in (False, True):
        kind = "cached" if cached else "empty cache"
        page = opened(context, address, f"/run/{run}/now", cached=cached)
        times[f"answer, {kind}"] = page.evaluate(WHEN, [".answer", f"step {STEPS}"])
        times[f"timeline, {kind}"] = page.evaluate(WHEN, ["#interval-count", "interval"])
        times[f"first paint, {kind}"] = page.evaluate(FIRST_PAINT)
        intervals = page.inner_text("#interval-count")
        frames = page.evaluate(f"({ZOOM})()")
        page.close()
        page = opened(context, address, f"/run/{run}/curves", cached=cached)
        times[f"curves, {kind}"] = page.evaluate(WHEN, [".card", '"points":"'])
        page.close()
    return times, frames, intervals


def main() -> None:
    rounds: list[dict[str, float]] = []
    frames: list[float] = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        process, address = watch(Path(name))
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for _ in range(ROUNDS):
                context = browser.new_context(viewport={"width": 1360, "height": 900})
                times, zoomed, intervals = measure(context, address)
                rounds.append(times)
                frames += zoomed
                context.close()
            browser.close()
        finally:
            process.terminate()
            process.wait(30)
    print(f"{STEPS * (len(FIGURES) + len(PHASES))} points, {intervals}")
    for what in rounds[0]:
        values = [times[what] for times in rounds]
        print(f"{what:30} {statistics.median(values):7.0f} ms   largest {max(values):7.0f} ms")
    print(f"{'a frame while zooming':30} {statistics.median(frames):7.1f} ms   largest {max(frames):7.1f} ms")


if __name__ == "__main__":
    main()
