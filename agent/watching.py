"""`rli-agent watch`: the stages joined. Finds the run's files, follows them, commits what they say, publishes it."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path
from types import FrameType

from loguru import logger
from msgspec.structs import asdict

from rli_agent.alerts.endpoint import Endpoint, from_environment
from rli_agent.alerts.pager import Pager
from rli_agent.catalogue import Catalogue
from rli_agent.discover import Discovery, Found, Scan
from rli_agent.errors import UserError
from rli_agent.events import Event, Labels, RunFact
from rli_agent.keeping import Keeper
from rli_agent.options import WatchOptions
from rli_agent.parsing import run_files
from rli_agent.priority import step_back
from rli_agent.publish.exposition import Exposition
from rli_agent.publish.listen import ListenError, bind
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.publisher import Publisher
from rli_agent.publish.server import MetricsServer
from rli_agent.resume import earlier_events
from rli_agent.rulebook import Rulebook, packaged_rules
from rli_agent.status import RunStatus
from rli_agent.store.errors import StoreError
from rli_agent.store.location import state_dir
from rli_agent.store.registry import run_id, store_path
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore
from rli_agent.track import Track

#: Where the agent listens unless told otherwise; the next free port where this one is taken.
DEFAULT_LISTEN = "127.0.0.1:9092"
#: Bytes that all files together may give in one turn, so that none waits long; what each may give at least.
TURN, SHARE = 16 << 20, 1 << 19
#: Seconds of quiet after which a problem that waits for more lines is told.
QUIET = 1.0
#: Seconds for which what is there is still read once told to stop: a run's script ends the agent right after the run.
LAST_WORDS = 2.0
#: Seconds between two looks for new files where nothing said that there are any, and between two status lines.
RESCAN = 5.0
STATUS_EVERY = 10.0


class Watch:
    """One run being watched. `say` prints a line for people."""

    def __init__(self, options: WatchOptions, zone: tzinfo, say: Callable[[str], None]) -> None:
        self.options = options
        self._zone = zone
        self._say = say
        self._stop = threading.Event()
        self._book = Rulebook([p for p in options.paths if p.is_dir()], options.rules)
        self._complain_of_rules()
        self._discovery = self._discover()
        self._tracks: dict[Path, Track] = {}
        self._files: list[str] = []
        self._said: dict[str, str] = {}
        self._introduced: set[tuple[str, str]] = set()
        self.status = RunStatus(zone)
        self._first = True

    def _discover(self) -> Discovery:
        try:
            return Discovery(self.options.paths, self._book.packs, self.options.framework)
        except ValueError as e:
            raise UserError(str(e), "`rli-agent rules list` shows the packs") from None

    # -- one life

    def run(self) -> None:
        """Watch until told to stop (or, with `once`, until all is read). Raises UserError for what a user can mend."""
        step_back()
        gc.set_threshold(50_000, 20, 20)  # what flows through is freed by its count; looking for cycles finds none
        endpoint = from_environment(os.environ)
        self._scan = self._discovery.scan()
        self.id = run_id(self._scan.run.root)
        folder, why = state_dir(self.options.state_dir, Path.home())
        self.store = self._open_store(store_path(folder, self.id))
        catalogue = Catalogue.load(packaged_rules() / "catalogue.yaml")
        try:
            self.exposition = Exposition(self._labels(), catalogue, namespace=self.options.namespace)
        except ValueError as e:
            raise UserError(str(e)) from None
        self._keeper = Keeper(self.store, self.exposition, self.status, self._stop, self._say)
        self._pager = self._page(endpoint)
        try:
            server = self._serve()
            spans = self._export_spans()
        except UserError:
            self._keeper.close()
            raise
        try:
            self._say(f"store: {self.store.path} ({why})")
            self._take_up()
            self._adopt(self._scan)
            if self.options.once:
                self._read_all(last=True)
                if spans is not None and not self._stop.is_set():
                    spans.tick(time.time())
                self._pager.settle(time.time())
                self._say(self.status.sentence(self._last_change()))
            else:
                self._follow()
        finally:
            if server is not None:
                server.close()
            for track in self._tracks.values():
                track.close()
            self._keeper.close()

    def _page(self, endpoint: Endpoint | None) -> Pager:
        """Follow the run's life, and tell of it."""

        def labels() -> Labels:
            return tuple(asdict(self._labels()).items())

        pager = Pager(self.store, self.id, endpoint, os.environ, labels, self._last_change, self._say)
        self.status.tracker = pager.tracker
        self._keeper.participants.append(pager)
        self._keeper.publishers.append(pager)
        return pager

    def _labels(self) -> RunLabels:
        run, options = self._scan.run, self.options
        return RunLabels(
            options.project or run.project or run.name,
            options.experiment or run.experiment or run.name,
            self.id,
            run.framework or "unknown",
        )

    def stop(self) -> None:
        """End the watch after the turn that is being made; may be called from a signal handler or another thread."""
        self._stop.set()
        watcher = getattr(self, "_watcher", None)
        if watcher is not None:
            watcher.wake()

    def _open_store(self, path: Path) -> RunStore:
        try:
            return RunStore.open(path, RunRow(self.id, str(self._scan.run.root), time.time()))
        except StoreError as e:
            raise UserError(str(e)) from None

    def _serve(self) -> MetricsServer | None:
        try:
            bound = bind(self.options.listen or DEFAULT_LISTEN, self.options.listen is not None)
        except ListenError as e:
            raise UserError(str(e)) from None
        if bound is None:
            return None
        socket, notice = bound
        if notice:
            self._say(notice)
        server = MetricsServer(socket, self.exposition.render, lambda: self.status.sentence(time.time()))
        server.start()
        self._say(f"metrics: {server.url}/metrics")
        return server

    def _export_spans(self) -> Publisher | None:
        options = self.options
        if options.otlp_endpoint is None:
            return None
        from rli_agent.publish.spans.exporter import SpanExporter  # here: it brings the SDK with it

        layout = None if options.span_layout == "auto" else options.span_layout
        try:
            spans = SpanExporter(
                self.store, options.otlp_endpoint, layout, self._labels, self.exposition.own, self._stop
            )
        except ValueError as e:
            raise UserError(str(e)) from None
        self._keeper.publishers.append(spans)
        return spans

    def _take_up(self) -> None:
        """Show what the store knows from before."""
        for source, event in earlier_events(self.store):
            self.status.record([event], time.time())
            self.exposition.record([event], source)

    # -- files come and go

    def _adopt(self, scan: Scan) -> None:
        """Take in files that are new, and say what was found."""
        self._scan = scan
        self._files = run_files(scan)
        known = self.store.checkpoints()
        run = scan.run
        if self._said.get("framework") != (run.framework or ""):
            self._said["framework"] = run.framework or ""
            self._say(f"{run.root}: {run.why}")
        self.exposition.relabel(self._labels())
        now = time.time()
        facts: list[Event] = [
            RunFact(os.path.relpath(f.file, run.root), f.line or 1, 0, now, "observed", f.key, str(f.value))
            for f in scan.facts
            if self.status.facts.get(f.key) != str(f.value)
        ]
        if run.framework and self.status.facts.get("framework") != run.framework:
            facts.append(RunFact(".", 0, 0, now, "observed", "framework", run.framework, run.confidence))
        fresh = [f for f in scan.found if f.path not in self._tracks]
        for found in fresh:
            self._tracks[found.path] = Track(
                found, self._book, self._files, self._zone, self._checkpoint(known, found.source.file),
                live=not self._first, from_end=self.options.start == "end" and self._first,
            )  # fmt: skip
        self._introduce(fresh)
        for found in scan.found:
            track = self._tracks[found.path]
            if track.found != found:
                track.turn_into(found, self._book, self._files)
        gone = self._tracks.keys() - {f.path for f in scan.found}
        for path in gone:
            track = self._tracks.pop(path)
            if not path.exists():  # a file that is gone is read to its end
                self._turn([track], last=True)
            track.close()
        if fresh:
            self.store.describe([f.source for f in fresh])
        if facts:
            self._keeper.keep_facts(facts)
        if not self._tracks:
            self._tell("waiting", self._nothing_yet())
        self._first = False

    def _introduce(self, fresh: Sequence[Found]) -> None:
        """Say which files were found and why; many of one kind in one line. Steps make records as they go: once."""
        kinds: dict[tuple[str, str], list[str]] = {}
        for found in fresh:
            kind = (found.source.role, found.note)
            if found.source.reader != "records" or kind not in self._introduced:
                kinds.setdefault(kind, []).append(found.source.file)
        self._introduced |= kinds.keys()
        for (role, note), files in kinds.items():
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            self._say(f"  {role}: {files[0]}{more} ({note})")

    def _checkpoint(self, known: dict[str, Checkpoint], file: str) -> Checkpoint | None:
        return None if self.options.start == "start" and self._first else known.get(file)

    def _nothing_yet(self) -> str:
        where = ", ".join(str(p) for p in self.options.paths)
        missing = [str(p) for p in self.options.paths if not p.exists()]
        if missing:
            return f"waiting for {', '.join(missing)} to appear"
        unread = [f"{path}: {why}" for path, why in self._scan.skipped[:5]]
        more = f"; not read: {'; '.join(unread)}" if unread else ""
        return f"nothing to read in {where} yet: waiting for log files (*.log, *.out, *.txt, *.jsonl){more}"

    def _tell(self, key: str, text: str) -> None:
        if self._said.get(key) != text:
            self._said[key] = text
            self._say(text)

    def _complain_of_rules(self) -> None:
        for complaint in self._book.complaints:
            logger.error("{}", complaint)
        self._book.complaints.clear()

    # -- reading

    def _follow(self) -> None:
        from rli_agent.follow.watcher import Watcher

        self._watcher = watcher = Watcher(self.options.paths)  # before reading: what is written meanwhile counts
        try:
            self._read_all()
            looked = said = time.monotonic()
            while not self._stop.is_set():
                for note in watcher.notes:
                    self._tell(f"note {note}", note)
                changed = watcher.wait(self._patience())
                if self._stop.is_set():
                    break
                now = time.monotonic()
                known = {t.found.path for t in self._tracks.values()}
                if changed - known or now - looked >= RESCAN or not self._tracks:
                    looked = now
                    self._look_again()
                self._turn([t for p, t in self._tracks.items() if p in changed or p not in known or self._due(t)])
                self._flush_quiet()
                self._keeper.tick()
                if now - said >= STATUS_EVERY:
                    said = now
                    self._tell("status", self.status.sentence(time.time()))
        finally:
            watcher.close()
        self._turn(list(self._tracks.values()), patience=LAST_WORDS)
        self._flush_quiet(0.0)
        self._tell("status", self.status.sentence(time.time()))

    def _patience(self) -> float:
        """How long nothing needs to be done unless something changes."""
        if any(t.reader.more for t in self._tracks.values()):
            return 0.0
        return QUIET if any(t.waiting for t in self._tracks.values()) else 1.0

    def _due(self, track: Track) -> bool:
        due = track.reader.due
        return track.reader.more or (due is not None and due <= time.monotonic())

    def _look_again(self) -> None:
        if self._book.reload():
            self._complain_of_rules()
            self._discovery = self._discover()
            for track in self._tracks.values():
                track.use(self._book, self._files, track.state)
        self._complain_of_rules()
        self._adopt(self._discovery.scan())

    def _read_all(self, *, last: bool = False) -> None:
        """Read to the end of every file, in turns."""
        pending = list(self._tracks.values())
        while pending and not self._stop.is_set():
            pending = self._turn(pending, last=last)

    def _turn(self, tracks: Sequence[Track], *, last: bool = False, patience: float = 0.0) -> list[Track]:
        """Let each file give what is new, in portions; the files that have more. Told to stop, it goes on for
        `patience` seconds."""
        more = []
        end = time.monotonic() + patience
        budget = max(SHARE, TURN // max(1, len(tracks)))
        for track in tracks:
            if self._stop.is_set() and time.monotonic() >= end:
                break
            taken = track.take(budget, time.time(), last=last)
            if taken.bytes or taken.events or (taken.ended and not track.live):
                self._keeper.keep(track, taken.events, taken.ended, taken.shift)
                self._count(track, taken.bytes, taken.lines)
            if not taken.ended:
                more.append(track)
        return more

    def _flush_quiet(self, quiet: float = QUIET) -> None:
        now = time.time()
        for track in self._tracks.values():
            if track.waiting and now - track.last_read >= quiet:
                self._keeper.keep(track, track.flush())

    def _count(self, track: Track, size: int, lines: int) -> None:
        metrics = self.exposition.own
        metrics.read(track.source.role, lines, size)
        lag = track.reader.lag
        metrics.lag(track.source.file, lag, max(0.0, time.time() - track.reader.mtime) if lag else 0.0)

    def _last_change(self) -> float:
        """When the run last wrote anything: what is read once is told as of then."""
        return max((t.reader.mtime for t in self._tracks.values()), default=time.time())


def watch(options: WatchOptions, zone: tzinfo, say: Callable[[str], None]) -> None:
    """Watch a run until SIGINT or SIGTERM, or, with `once`, until all is read."""
    run = Watch(options, zone, say)

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        run.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    run.run()
