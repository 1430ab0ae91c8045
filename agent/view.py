"""Runs on a terminal, drawn again every second from their stores."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path

from msgspec.structs import replace
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from rli_agent.answer.reader import StoreReader
from rli_agent.answer.report import URGENCY, Report
from rli_agent.machine.host import Host, look
from rli_agent.reporters.screen import answer, answer_of, render, standard_output
from rli_agent.store.errors import StoreError
from rli_agent.store.registry import is_held
from rli_agent.terminal import plain
from rli_agent.terminal import say as print_line

#: Seconds between two frames; more where a frame is dear, so that drawing takes a processor's SHARE at most.
EVERY, SHARE = 1.0, 0.05
#: Seconds after which the machine's processes and GPUs are looked at again.
HOST_EVERY = 30.0
#: Seconds that the terminal gets to take the last frame.
PATIENCE = 5.0
#: What the agent said that is shown, and runs that are shown beside the one in full.
_SAID, _RUNS = 4, 20


class Shown:
    """One run on the screen."""

    def __init__(self, store: Path, zone: tzinfo) -> None:
        self._store = store
        self._reader = StoreReader(store, zone)
        self._zone = zone
        self._host: Host | None = None
        self._looked: float | None = None

    def report(self, now: float) -> Report:
        """How it is. Raises StoreError."""
        return self._reader.report(now, watched=is_held(self._store))

    def with_host(self, report: Report, now: float) -> Report:
        """The same, with what this machine knows of it; not the first time, since asking its programs takes a while."""
        if self._looked is None:
            self._looked = 0.0
        elif now - self._looked >= HOST_EVERY:
            self._host = look(Path(report.run.root), self._zone, None, [file.file for file in report.files])
            self._looked = now
        host = self._host
        return report if host is None else replace(report, processes=host.processes, gpus=host.gpus, job=host.job)

    def close(self) -> None:
        self._reader.close()


class View:
    """Draws the runs whose stores it was told of. `say` and `opened` may be called from any thread."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._console = standard_output()
        self._said: deque[str] = deque(maxlen=_SAID)
        self._page = ""
        self._stores: deque[Path] = deque()
        self._runs: dict[Path, Shown] = {}
        self._last: Report | None = None
        #: Nothing is drawn any more: what is said is printed.
        self.over = False

    def say(self, text: str) -> None:
        """A line of the agent's own."""
        if self.over:
            print_line(text)
            return
        if text.startswith("page: "):
            self._page = plain(text)  # it stays in sight
        else:
            self._said.append(plain(text))

    def opened(self, store: Path) -> None:
        """A run's store is there to be read."""
        if store not in self._stores:
            self._stores.append(store)

    def run(self, stop: threading.Event) -> None:
        """Draw until told to stop; the terminal is then as it was, and the last answer stands on it."""
        try:
            with Live(
                console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False,
                vertical_overflow="crop",
            ) as live:  # fmt: skip
                while not stop.is_set():
                    began = time.thread_time()
                    live.update(self.frame(time.time()), refresh=True)
                    stop.wait(max(EVERY, (time.thread_time() - began) / SHARE))
        finally:
            self.over = True
            for shown in self._runs.values():
                shown.close()
        if self._last is not None:
            self._console.print(answer(self._last))

    def frame(self, now: float) -> RenderableType:
        """All that is shown at a moment: the run that needs a look most, then the others in a line each."""
        for store in list(self._stores):
            if store not in self._runs:
                with suppress(StoreError):  # not written yet
                    self._runs[store] = Shown(store, self._zone)
        reports, troubles = [], []
        for store, shown in list(self._runs.items()):
            if not store.exists():  # what looked like one run turned out to be several
                self._stores.remove(store)
                self._runs.pop(store).close()
                continue
            try:
                reports.append((shown.report(now), shown))
            except StoreError as error:
                troubles.append(plain(str(error)))
        rest = [Text(trouble, "red") for trouble in troubles]
        lines = [*_address(self._page, self._console.width), *list(self._said)]
        rest += [Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in lines]
        parts: list[RenderableType] = []
        if reports:
            reports.sort(key=lambda one: (URGENCY[one[0].health], -(one[0].progress.last_written_at or 0.0)))
            first, shown = reports[0]
            self._last = first
            room = self._console.height - len(rest) - len(reports[1:])
            parts.append(render(shown.with_host(first, now), self._zone, self._console, room))
            parts += [_other(report) for report, _ in reports[1 : _RUNS + 1]]
        return Group(*parts, *rest)


def _address(page: str, width: int) -> list[str]:
    """The lines of the page's address, which is never cut: half a token opens nothing. Where a line is too short for
    what stands around it, that goes below, and the word before it goes."""
    lines = [page]
    if len(page) > width:
        address, _, from_elsewhere = page.removeprefix("page: ").partition(" ")
        lines = [page.partition(" (")[0] if len(address) + len("page: ") <= width else address, from_elsewhere]
    return [line[at : at + width] for line in lines for at in range(0, len(line), width)]


def _other(report: Report) -> Text:
    line = answer_of(report)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


class Background:
    """A view in a thread of its own, for as long as `with` lasts."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self._view.run(self._stop)
        except Exception as error:  # the watch goes on without it
            self._view.say(f"the run cannot be drawn any more: {type(error).__name__}: {error}")

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)  # a terminal may be held (Ctrl-S)
