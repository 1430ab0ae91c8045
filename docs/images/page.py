"""Makes page.png, the page of the prime-rl sample half a minute into the demo: python docs/images/page.py"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

import rli_agent.samples
from rli_agent.demo import OUTPUT
from rli_agent.player import Playback

PICTURE = Path(__file__).with_name("page.png")
#: The step at which it is taken: there was an evaluation, a checkpoint and a problem by then.
STEP = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        run, out, stop = home / "outputs", home / "out", threading.Event()
        output = run / OUTPUT["prime-rl"]
        output.mkdir(parents=True)
        watch = subprocess.Popen(
            [sys.executable, "-m", "rli_agent", "watch", str(output), "--config", os.devnull, "--state-dir",
             str(home / "state"), "--listen", "127.0.0.1:0", "--plain"],
            stdout=out.open("wb"),
        )  # fmt: skip
        player = threading.Thread(
            target=Playback(Path(rli_agent.samples.__path__[0]) / "prime-rl").play, args=(run,), kwargs={"stop": stop}
        )
        player.start()
        try:
            while not (found := re.search(r"page: (http://\S+)", out.read_text())):
                time.sleep(0.1)
            take(found[1])
        finally:
            stop.set()
            player.join()
            watch.terminate()
            watch.wait(30)


def take(address: str) -> None:
    """Open the run's page and wait for the step."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 760})
        page.goto(address)
        page.click(".run .name", timeout=60_000)
        page.wait_for_selector(f".bar[aria-valuenow='{STEP}']", timeout=120_000)
        page.wait_for_selector(".figure .spark")
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
