"""The process that watches: the page, the file system's news, and turns of the run until it is told to stop."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from rli_agent.alerts.links import page_address
from rli_agent.alerts.opening import open_alerts
from rli_agent.catalogue import Catalogue
from rli_agent.errors import UserError
from rli_agent.hardware.machine import Machine
from rli_agent.life.outcome import Outcome
from rli_agent.memory import give_back, keep_freed
from rli_agent.options import WatchOptions
from rli_agent.priority import run_where_idle, step_back
from rli_agent.publish.listen import bind
from rli_agent.publish.server import MetricsServer
from rli_agent.server.targets import Registration, reachable
from rli_agent.store.location import state_dir
from rli_agent.watching.page import Page, stores_in
from rli_agent.watching.pipe import STDIN, Pipe, input_file
from rli_agent.watching.runs import Runs
from rli_agent.watching.setting import Setting

if TYPE_CHECKING:
    from rli_agent.publish.insight_target import InsightTarget

#: Seconds between two looks at whether the labels under which Prometheus knows this agent changed.
TICK = 1.0


class Watch:
    """What one `rli-agent watch` does. `say` prints a line for people; `opened` is told of each store."""

    def __init__(
        self, options: WatchOptions, zone: tzinfo, say: Callable[[str], None], opened: Callable[[Path], None]
    ) -> None:
        self._options = options
        self._zone = zone
        self._say = say
        self._opened = opened
        self._stop = threading.Event()
        self._wake: Callable[[], None] = lambda: None
        self._outcome: Outcome | None = None
        self._notes: set[str] = set()
        self._draining = False
        self._address: str | None = None
        self._target: Registration | None = None
        self._insight: InsightTarget | None = None
        self._page: Page | None = None
        self._stores: dict[Path, None] = {}

    def stop(self, outcome: Outcome | None = None) -> None:
        """End the watch after the turn that is being made; may be called from a signal handler or another thread.
        outcome: how the run's process ended."""
        if self._draining:
            raise KeyboardInterrupt
        self._outcome = outcome
        self._stop.set()
        self._wake()

    def run(self) -> None:
        """Watch until told to stop (or, with `once`, until all is read). Raises UserError for what a user can mend."""
        options = self._options
        step_back()
        alerts = open_alerts(None, {}) if options.private else open_alerts(options.alerts, os.environ)
        folder, why = state_dir(options.state_dir, Path.home())
        pipe = None
        if STDIN in options.paths:
            others = [path for path in options.paths if path != STDIN]
            pipe = Pipe(input_file(others, folder), 1 if options.tee else None, lambda: self._wake())
            options = replace(options, paths=[*others, pipe.path], once=False)
        catalogue = Catalogue.load()
        try:
            machine = None if options.once or options.no_host else Machine(self._say)
            setting = Setting(
                folder, catalogue, alerts, self._zone, self._stop, self._note_store, lambda: self._address, machine
            )
            self._watch(options, setting, why, pipe)
        except UserError as e:
            if pipe is not None and not pipe.over.is_set():
                self._say(f"error: {e}")
            raise
        finally:
            if pipe is not None and not pipe.over.is_set():
                self._say("standard input goes on and is ignored; end the agent once more to end it now")
                self._draining = True
                pipe.drain()

    def _watch(self, options: WatchOptions, setting: Setting, why: str, pipe: Pipe | None) -> None:
        missing = [path for path in options.paths if not path.exists()] if options.once else []
        if missing:
            raise UserError(f"{missing[0]}: no such file or directory", "without --once, watch waits for one")
        runs = Runs(options, setting, self._say)
        server = None
        try:
            server = self._serve(runs, setting.state)
            places = setting.alerts.places
            if server is not None and self._page is not None and places.page is None:
                places.page = page_address(server.url, socket.gethostname())
            self._say(f"{'stores' if runs.several else 'store'}: {runs.store}" + (f" ({why})" if why else ""))
            keep_freed()
            gc.freeze()  # code and rules stay: they are not looked through each time
            gc.set_threshold(50_000, 20, 20)  # what flows through is freed by its count; looking for cycles finds none
            if options.once:
                runs.read_once()
            else:
                self._follow(runs, pipe)
        finally:
            if self._page is not None:
                self._page.close()
            if server is not None:
                server.close()
            if self._target is not None:
                self._target.close()
            if self._insight is not None:
                self._insight.close()
            if setting.machine is not None:
                setting.machine.close()
            runs.close()

    def _note_store(self, store: Path) -> None:
        self._stores[store] = None
        self._opened(store)

    def _serve(self, runs: Runs, state: Path) -> MetricsServer | None:
        bound = bind(self._options.listen)
        if bound is None:
            return None
        listening, notice = bound
        if notice:
            self._say(notice)
        host, port = listening.getsockname()[:2]
        self._page = self._open_page(state, host, port)
        server = MetricsServer(listening, runs.render, runs.answer, None if self._page is None else self._page.reply)
        server.start()
        self._say(f"metrics: {server.url}/metrics")
        self._address = reachable(host, port)
        if self._page is not None:
            self._say(f"page: {self._page.address}")
        if not self._options.once:
            self._target = Registration(host, port)
            if self._options.otlp_endpoint is not None:
                self._insight = self._introduce(self._options.otlp_endpoint, host, port)
        return server

    def _open_page(self, state: Path, host: str, port: int) -> Page | None:
        """The page of what is watched here and, after that, of all other runs in the state directory; none where all
        that is asked for is one reading."""
        if self._options.once:
            return None
        try:
            return Page(state, host, port, self._zone, lambda: [*list(self._stores), *stores_in(state)])
        except OSError as e:
            self._say(f"no page: its token cannot be kept in {state} ({e.strerror or e})")
            return None

    def _introduce(self, endpoint: str, host: str, port: int) -> InsightTarget:
        """Have the RL-Insight server that may be behind the endpoint for spans scrape this agent."""
        from rli_agent.publish.insight_target import InsightTarget  # here: it brings requests with it

        target = InsightTarget(endpoint, host, port, self._say)
        target.start()
        return target

    def _follow(self, runs: Runs, pipe: Pipe | None) -> None:
        from rli_agent.follow.watcher import Watcher  # here: `--once` has no use for it

        watcher = Watcher(sorted(runs.roots))  # before reading: what is written meanwhile counts
        self._wake = watcher.wake
        ticked = 0.0
        try:
            runs.begin()
            give_back()
            if pipe is not None:
                pipe.start()  # now, so that it is new what comes: its lines are stamped when they are read
            else:
                run_where_idle()
            while not self._stop.is_set() and not (pipe is not None and pipe.over.is_set()):
                for note in watcher.notes:
                    if note not in self._notes:
                        self._notes.add(note)
                        self._say(note)
                changed = watcher.wait(runs.patience, runs.is_dull)
                if not self._stop.is_set():
                    runs.follow(changed)
                    watcher.watch(runs.roots)
                if self._target is not None and not 0 <= time.time() - ticked < TICK:
                    ticked = time.time()
                    self._target.tick(ticked, runs.labels())
        finally:
            watcher.close()
        if self._stop.is_set():
            runs.finish(self._outcome)
        else:
            runs.read_once()  # standard input is over, and the run with it


def watch(
    options: WatchOptions, zone: tzinfo, say: Callable[[str], None], opened: Callable[[Path], None] = lambda _: None
) -> None:
    """Watch a run until SIGINT or SIGTERM, or, with `once`, until all is read. `opened` is told of each store."""
    process = Watch(options, zone, say, opened)

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        process.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    process.run()
