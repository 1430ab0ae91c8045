"""Debian's Chromium, looking at the page of a real watch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent

import rli_agent.samples
from rli_agent.demo import OUTPUT
from rli_agent.player import Playback

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = Path(__file__).parents[1] / "build" / "screenshots"
#: A phone's and a desk's window.
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1360, "height": 900}
#: Milliseconds that a page gets for anything.
PATIENCE = 20_000


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: `make system` installs it on Debian")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """The page of an agent, opened by the address that it printed. `complaints`: what the browser wrote on its console;
    `requests`: what the page asked for; `dialogs`: boxes that it opened."""

    def __init__(self, browser: Any, agent: Agent, *, dark: bool = False, phone: bool = False) -> None:
        agent.says(r"page: http://\S+\?token=\w+")
        found = re.search(r"page: ((http://[^/]+)/\S+)", agent.output)
        assert found is not None
        self.address, self.origin = found[1], found[2]
        self.context = browser.new_context(
            viewport=PHONE if phone else DESK, color_scheme="dark" if dark else "light", timezone_id="UTC"
        )
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda answer: self.complaints.append(answer.url) if answer.status >= 400 else None)
        self.page.on("dialog", self._asked)
        self.page.goto(self.address)
        self.page.wait_for_selector(".run .name")

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, tab: str = "now", run: str = "", query: str = "") -> Any:
        """A tab of a run, of the only one if none is named."""
        name = run or str(self.page.evaluate("fetch('api/runs').then(a => a.json()).then(a => a.runs[0].run.id)"))
        self.page.evaluate("place => { location.hash = place; }", f"/run/{name}/{tab}{query}")
        self.page.wait_for_selector(f".tabs a[data-tab={tab}][aria-current]")
        return self.page

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def until(self, expression: str, argument: object = None, timeout: int = PATIENCE) -> None:
        """Wait until a JavaScript expression holds."""
        self.page.wait_for_function(expression, arg=argument, timeout=timeout)

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def close(self) -> None:
        self.context.close()

    def behaved(self) -> None:
        """It complained of nothing, asked nobody else, and opened no box."""
        elsewhere = [url for url in self.requests if not url.startswith(f"{self.origin}/")]
        assert (self.complaints, self.dialogs, elsewhere) == ([], [], []), (self.complaints, self.dialogs, elsewhere)


def finished(sample: str, target: Path) -> Path:
    """A sample run as it stands there when it is over, its files last written when its last rollout ended."""
    playback = Playback(Path(rli_agent.samples.__path__[0]) / sample)
    playback.play(target, speed=1e6, rewrite=False)
    records = "".join(path.read_text() for path in target.rglob("traces.jsonl"))
    last = max(map(float, re.findall(r'"end": ?(1[5-9]\d{8}\.\d+)', records)), default=None)
    for path in target.rglob("*"):
        if last and path.is_file():
            os.utime(path, (last, last))
    return target / OUTPUT.get(sample, ".")
