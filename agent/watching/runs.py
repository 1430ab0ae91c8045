"""The runs that one process watches: the one that it was given, or all that lie below a directory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Set
from functools import partial
from pathlib import Path

from msgspec.structs import asdict, replace

from rli_agent.discover.runs import Place, RunFinder
from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.life.outcome import Outcome
from rli_agent.options import WatchOptions
from rli_agent.publish.exposition import Exposition, page
from rli_agent.publish.naming import clean
from rli_agent.rulebook import Rulebook
from rli_agent.status import RunStatus
from rli_agent.store.registry import run_id, store_path
from rli_agent.terminal import many
from rli_agent.watching.run import RESCAN, WatchedRun
from rli_agent.watching.setting import Setting

#: So many runs below a directory, the last written ones, are read and shown.
MOST_RUNS = 50
#: Seconds between two looks at a directory that changes, as long as it may turn out to hold several runs.
UNSURE = 1.0
#: Seconds for which a given path is taken to lead where it led: a link may be pointed elsewhere.
RESOLVED = 1.0
#: Seconds after which a run that could not be watched is tried again.
RETRY = 60.0


class Runs:
    """All runs of a process, each with a store of its own. `say` prints a line for people.

    Of a directory that holds several runs each is one (see `RunFinder`), also when it comes later. They are opened one
    by one, the last written first. One that is over is put down: what it said stays shown, but its files and its store
    are closed until it writes again. Raises UserError for what a user can mend; of several runs one that fails is said,
    and tried again later.
    """

    def __init__(self, options: WatchOptions, setting: Setting, say: Callable[[str], None]) -> None:
        self._options = options
        self._setting = setting
        self._say = say
        self._root = os.path.realpath(options.paths[0])
        self._id = options.run_id or run_id(Path(self._root))
        self._book = self._rules(p for p in options.paths if p.is_dir())
        self._finder = self._new_finder()
        self._places = self._finder.find() if self._finder is not None else []
        self.several = bool(self._places)
        self._awake: dict[str, WatchedRun] = {}
        self._shown: dict[str, tuple[Exposition, RunStatus]] = {}
        self._over: dict[str, float] = {}  # runs that were put down, and when they had last written
        self._failed: dict[str, float] = {}
        self._left_out = 0
        self._looked = time.monotonic()
        self._resolved: tuple[float, set[Path]] = (0.0, set())
        self._new = not store_path(setting.state, self._id).exists()
        if self.several:
            say(f"{options.paths[0]}: a directory of {many(len(self._places), 'run')} (as one run: --one-run)")
        self._open(self._places[0] if self.several else Place(self._root))

    # -- asked by other threads

    def render(self, openmetrics: bool) -> bytes:
        """The page of metrics."""
        return page([exposition for exposition, _ in list(self._shown.values())], openmetrics)

    def answer(self) -> str:
        """How it is, a line a run."""
        now = time.time()
        return "\n".join(self._named(path) + status.sentence(now) for path, (_, status) in list(self._shown.items()))

    def labels(self) -> dict[str, str]:
        """The labels of the run; of several, what they have in common, and the directory's name as `run`."""
        all_of_them = [asdict(run.labels()) for run in self._awake.values()]
        if not self.several:
            return all_of_them[0]
        shared = set.intersection(*(set(labels.items()) for labels in all_of_them)) if all_of_them else set()
        return {**dict(sorted(shared)), "run": self._id}

    # -- one life

    @property
    def store(self) -> Path:
        """The store, or the directory of all."""
        return self._setting.state / "runs" if self.several else self._awake[self._root].store.path

    @property
    def roots(self) -> set[Path]:
        """What is to be watched for changes, free of links."""
        elsewhere = {place for run in self._awake.values() for place in run.places}
        if self.several:
            return elsewhere.union(map(Path, self._awake))
        now = time.monotonic()
        if now >= self._resolved[0]:
            self._resolved = now + RESOLVED, {Path(os.path.realpath(path)) for path in self._options.paths}
        return elsewhere | self._resolved[1]

    @property
    def patience(self) -> float:
        """For how many seconds nothing needs to be done unless something changes."""
        if self._next() is not None:
            return 0.0
        return min((run.patience for run in self._awake.values()), default=1.0)

    def read_once(self) -> None:
        """Read each run to its end, and say how it stands."""
        while not self._setting.stop.is_set():
            for path, run in list(self._awake.items()):
                self._do(path, run.read_once)
                self._put_down(path)
            place = self._next()
            if place is None:
                return
            self._try_to_open(place)

    def begin(self) -> None:
        """Read what the run has that was opened first."""
        for path, run in self._awake.items():
            self._do(path, run.begin)

    def is_dull(self, path: Path) -> bool:
        """Whether what a file got tells nothing, so that it may be taken in later."""
        return any(run.is_dull(path) for run in self._awake.values())

    def follow(self, changed: Set[Path]) -> None:
        """Take in what changed, and do what is due: a turn of each run, and one more run opened where there is one."""
        now = time.monotonic()
        unsure = changed and self._finder is not None and not self.several
        if now - self._looked >= (UNSURE if unsure else RESCAN):
            self._looked = now
            self._look_again()
        news = self._by_run(changed)
        for path, run in list(self._awake.items()):
            self._do(path, partial(run.follow, news[path], brief=self.several))
        place = self._next()
        if place is not None and self._try_to_open(place):
            run = self._awake[place.path]
            self._do(place.path, run.begin)
            self._shown[place.path] = (run.exposition, run.status)
            self._rest()

    def finish(self, outcome: Outcome | None = None) -> None:
        """Told to stop: read what is there by now, and say how each run stands; outcome: how its process ended."""
        for path, run in list(self._awake.items()):
            self._do(path, partial(run.finish, outcome))

    def close(self) -> None:
        for path, run in self._awake.items():
            run.close()
            never = self._new and path == self._root and run.status.last_event is None
            if never and not os.path.exists(path):
                shutil.rmtree(run.store.path.parent, ignore_errors=True)  # a run that never was

    # -- which runs there are

    def _new_finder(self) -> RunFinder | None:
        paths = self._options.paths
        one = self._options.one_run or self._options.run_id is not None
        if one or len(paths) != 1 or (paths[0].exists() and not paths[0].is_dir()):
            return None
        return RunFinder(paths[0], self._book.packs)

    def _rules(self, folders: Iterable[Path], lenient: bool = False) -> Rulebook:
        book = Rulebook(list(folders), self._options.rules, lenient=lenient)
        _complain(book)
        return book

    def _look_again(self) -> None:
        if self._book.reload() and self._finder is not None:
            self._finder = self._new_finder()
        _complain(self._book)
        if self._finder is None:
            return
        places = self._finder.find()
        if places and not self.several:
            self._split()
        if not self.several:
            if self._finder.settled:
                self._finder = None  # it is one run, for good
            return
        self._places = places
        for place in places:
            if place.path in self._awake:
                self._awake[place.path].leave_out(place.without)
        self._rest()
        for path in self._shown.keys() - self._awake.keys() - {p.path for p in places[:MOST_RUNS]}:
            del self._shown[path]

    def _split(self) -> None:
        """What looked like one run turns out to be a directory of runs: each reads again what is its own."""
        self._say(f"{self._options.paths[0]}: a directory of runs, each is watched by itself (as one run: --one-run)")
        store = self._awake[self._root].store.path
        self._put_down(self._root)
        del self._shown[self._root], self._over[self._root]
        if self._new:
            shutil.rmtree(store.parent, ignore_errors=True)
        self.several = True

    def _next(self) -> Place | None:
        """The run to be opened next: of those shown, or to be shown, one that is not open and has written."""
        if not self.several:
            return None
        now = time.monotonic()
        for number, place in enumerate(self._places):
            if place.path in self._awake or place.changed <= self._over.get(place.path, 0.0):
                continue
            if now - self._failed.get(place.path, -RETRY) < RETRY:
                continue
            if number < MOST_RUNS:
                return place
            if self._left_out != len(self._places) - MOST_RUNS:
                self._left_out = len(self._places) - MOST_RUNS
                self._say(f"older runs that are left out: {self._left_out}; name a run's own directory to read it")
            break
        return None

    def _try_to_open(self, place: Place) -> bool:
        try:
            self._open(place)
        except UserError as e:
            self._fail(place.path, e)
            return False
        return True

    def _open(self, place: Place) -> None:
        options, book = self._options, self._book
        if self.several:
            options = replace(options, paths=[Path(place.path)])
            if os.path.isdir(os.path.join(place.path, ".rli-agent")) and place.path != self._root:
                book = self._rules([Path(self._root), Path(place.path)], lenient=True)
        name = self._named(place.path)
        run = WatchedRun(options, self._setting, book, place.without, lambda text: self._say(name + text))
        self._awake[place.path] = run
        self._shown.setdefault(place.path, (run.exposition, run.status))  # of one taken up again, what it showed before

    def _named(self, path: str) -> str:
        return f"{clean(os.path.relpath(path, self._root))}: " if self.several else ""

    def _do(self, path: str, work: Callable[[], None]) -> None:
        """Work on one run. Where there are several, one that fails does not stop the others."""
        try:
            work()
        except UserError as e:
            if not self.several:
                raise
            self._awake.pop(path).close()
            self._fail(path, e)

    def _fail(self, path: str, error: UserError) -> None:
        if path not in self._failed:
            self._say(f"{self._named(path)}not watched, it is tried again: {error}")
        self._failed[path] = time.monotonic()

    def _rest(self) -> None:
        """Put down what is over, or gone."""
        there = {place.path for place in self._places}
        for path in [p for p, run in self._awake.items() if run.over or p not in there]:
            self._put_down(path)

    def _put_down(self, path: str) -> None:
        run = self._awake.pop(path, None)
        if run is not None:
            run.close()
            self._over[path] = next((p.changed for p in self._places if p.path == path), 0.0)

    def _by_run(self, changed: Set[Path]) -> dict[str, set[Path]]:
        """Whose each path is: the run's with the longest root."""
        if not self.several:
            return {self._root: set(changed)}
        news: dict[str, set[Path]] = {path: set() for path in self._awake}
        roots = {str(place): path for path, run in self._awake.items() for place in [path, *run.places]}
        for path in changed:
            owner = next((roots[str(p)] for p in (path, *path.parents) if str(p) in roots), None)
            if owner is not None:
                news[owner].add(path)
        return news


def _complain(book: Rulebook) -> None:
    for complaint in book.complaints:
        logger.error("{}", complaint)
    book.complaints.clear()
