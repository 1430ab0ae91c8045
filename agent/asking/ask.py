"""How is this run? From its store, or from its logs; nothing is changed or left behind."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import tzinfo
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from rli_agent.alerts.opening import open_alerts
from rli_agent.answer.reader import StoreReader
from rli_agent.answer.report import Report
from rli_agent.catalogue import Catalogue
from rli_agent.discover import Scan
from rli_agent.discover.runs import RunFinder
from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.machine.host import look
from rli_agent.options import WatchOptions
from rli_agent.parsing import discover, locked, refuse_missing, why_nothing
from rli_agent.reporters.journal import append, is_empty
from rli_agent.reporters.markdown import entry
from rli_agent.rulebook import Rulebook
from rli_agent.store.location import state_dir
from rli_agent.store.registry import is_held, run_at, run_id, store_path
from rli_agent.store.retention import copy_store
from rli_agent.terminal import many
from rli_agent.watching.run import WatchedRun
from rli_agent.watching.runs import MOST_RUNS
from rli_agent.watching.setting import Setting


class Asked(Struct, frozen=True):
    """A run that is asked about. `store`: where its store is, or would be; `without`: what lies below its paths and is
    not its own."""

    options: WatchOptions
    book: Rulebook
    store: Path
    without: frozenset[str] = frozenset()

    @property
    def watched(self) -> bool:
        """Whether an agent keeps its store up to date now."""
        return self.store.is_file() and is_held(self.store)

    def scan(self) -> Scan:
        """What its paths hold now."""
        return discover(self.options.paths, self.book, self.options.framework)


class _NoPatience(threading.Event):
    """Never set, but waiting for it ends at once: who asks is told that there is no room, instead of being kept."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return True


def runs_in(options: WatchOptions) -> list[Asked]:
    """The run in `options.paths`, or, where they are one directory of several, each of them, the one written last
    first. Whatever else the options ask for, they are read once, and nobody is told. Raises UserError."""
    options = replace(options, once=True, private=True)
    home, _ = state_dir(options.state_dir, Path.home())
    _refuse_gone(options.paths, home)
    refuse_missing(options.paths)
    book = Rulebook([p for p in options.paths if p.is_dir()], options.rules)
    for complaint in book.complaints:
        logger.error("rule pack left out: {}", complaint)
    alone = len(options.paths) == 1 and options.paths[0].is_dir() and not options.one_run
    places = RunFinder(options.paths[0], book.packs).find()[:MOST_RUNS] if alone else []
    if not places:
        root = discover(options.paths, book, options.framework).run.root
        return [Asked(options, book, store_path(home, run_at(home, root)))]
    return [
        Asked(replace(options, paths=[path]), book, store_path(home, run_id(path)), place.without)
        for place in places
        for path in (Path(place.path),)
    ]


def _refuse_gone(paths: Sequence[Path], home: Path) -> None:
    """Raise UserError where a run that was watched is not there any more."""
    for path in paths:
        store = store_path(home, run_id(path))
        if store.is_file() and not path.exists():
            raise UserError(f"{path} is gone", f"what was read of it is kept: rli-agent diagnose {store}")


def only_run(options: WatchOptions) -> Asked:
    """The run in `options.paths`. Raises UserError, also where they hold several."""
    runs = runs_in(options)
    if len(runs) > 1:
        names = "\n".join(f"  {run.options.paths[0]}" for run in runs[:20])
        raise UserError(f"{options.paths[0]} holds {many(len(runs), 'run')}:\n{names}", "name one of them")
    return runs[0]


@contextmanager
def store_of(run: Asked, zone: tzinfo) -> Iterator[tuple[Path, bool]]:
    """The store of a run, with all that its logs say by now, and whether an agent watches it.

    An agent that watches keeps its store up to date. Otherwise the logs are read here, on from a copy of the store if
    there is one, in a place that is gone afterwards. Raises UserError.
    """
    if run.watched:
        yield run.store, True
        return
    with scratch_state(run.store) as scratch:
        yield _read_logs(run, scratch, zone), False


@contextmanager
def scratch_state(store: Path) -> Iterator[Path]:
    """A state directory that is gone afterwards, with a copy of this store in it, if there is one."""
    with tempfile.TemporaryDirectory(prefix="rli-agent-", ignore_cleanup_errors=True) as scratch:
        if store.is_file():
            copy = store_path(Path(scratch), store.parent.name)
            copy.parent.mkdir(parents=True)
            copy_store(store, copy)
        yield Path(scratch)


def _read_logs(run: Asked, scratch: Path, zone: tzinfo) -> Path:
    """What `watch --once` reads, with nobody told of it."""
    catalogue = Catalogue.load()
    setting = Setting(scratch, catalogue, open_alerts(None, {}), zone, _NoPatience())
    watched = WatchedRun(run.options, setting, run.book, run.without, lambda _: None)
    try:
        watched.read_once()
    finally:
        watched.close()
    return watched.store.path


def ask(run: Asked, zone: tzinfo, job: str | None = None) -> Report:
    """How the run is now, and what this machine knows of it. `job`: its id in SLURM. Raises UserError."""
    with store_of(run, zone) as (path, watched), closing(StoreReader(path, zone)) as reader:
        report = reader.report(time.time(), watched)
    if report.health == "Unknown":
        report = unread(report, run)
    elif report.progress.step is None and not run.watched:
        report = _locked(report, run)
    host = look(Path(report.run.root), zone, job, [file.file for file in report.files])
    return replace(report, processes=host.processes, gpus=host.gpus, job=host.job)


def unread(report: Report, run: Asked) -> Report:
    """The same, saying why nothing could be read."""
    reasons = why_unread(run)
    return replace(report, answer=reasons[0], reasons=reasons)


def _locked(report: Report, run: Asked) -> Report:
    """The same; where a file may not be read, no step need be missing: it is named first."""
    reasons = locked(run.scan())
    if not reasons:
        return report
    health = "Degraded" if report.health == "Healthy" else report.health
    return replace(report, health=health, answer=f"{reasons[0]}; {report.answer}", reasons=[*reasons, *report.reasons])


def why_unread(run: Asked) -> list[str]:
    """Why nothing could be read, a sentence a file."""
    return why_nothing(run.scan())


def note_down(report: Report, path: Path) -> None:
    """Append an entry to a STATUS.md; the first one says what the run is. Raises UserError."""
    if report.health == "Unknown":  # the form of the file has no word for it
        raise UserError(report.answer, "name the run's output directory, or its log files; nothing was written")
    try:
        append(path, entry(report, launch=is_empty(path)))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}", "name another file") from None
