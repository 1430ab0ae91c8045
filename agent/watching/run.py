"""One run being watched: its files read, what they say kept and published."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Set
from contextlib import closing
from pathlib import Path

from rli_agent.discover import root_of
from rli_agent.errors import UserError
from rli_agent.events import Event, RunFact
from rli_agent.journal import logger
from rli_agent.keeping import Keeper
from rli_agent.life.outcome import LAUNCHER, Outcome
from rli_agent.life.state import ENDS
from rli_agent.life.wording import where
from rli_agent.machine.files import lived
from rli_agent.options import WatchOptions
from rli_agent.publish.exposition import Exposition
from rli_agent.publish.naming import RunLabels, labels_of
from rli_agent.resume import earlier_events, problem_counts
from rli_agent.rulebook import Rulebook
from rli_agent.status import RunStatus
from rli_agent.store.connection import read_only
from rli_agent.store.errors import StoreError
from rli_agent.store.keep import keep
from rli_agent.store.registry import files_begun, rollouts_read, run_id, store_path
from rli_agent.store.run_store import RunRow, RunStore
from rli_agent.track import Track
from rli_agent.watching.files import RunFiles
from rli_agent.watching.missing import Missing
from rli_agent.watching.parts import Parts
from rli_agent.watching.places import Places
from rli_agent.watching.setting import Setting
from rli_agent.watching.telling import Telling
from rli_agent.watching.turns import CATCH_UP, QUIET, Turns

#: Seconds by which a file system's clock may be behind ours.
CLOCK = 1.0
#: Seconds for which what is there is still read once told to stop: a run's script ends the agent right after the run.
LAST_WORDS = 2.0
#: Seconds between two looks for new files where nothing said that there are any; LONGEST once one found nothing
#: changed, or twice as many from look to look where a file may not be read, as nothing says when it may. At least 400
#: times what a look takes.
RESCAN, LONGEST = 5.0, 60.0
#: Seconds between two looks at what time alone changes.
TICK = 0.25
#: Seconds between two looks where something changed that is not read.
SHORTEST = 0.1
#: Seconds after its last change before a file of records may rest.
RESTING = 60.0
#: Seconds between two looks at what is older or more than is to be kept.
PRUNE_EVERY = 600.0
#: Seconds of silence after which a run that ended is over, and one that said nothing of its end.
QUIET_AFTER_END, QUIET_FOR_GOOD = 600.0, 86_400.0


class WatchedRun:
    """A run that a process watches, its store open. Raises UserError for what a user can mend.

    `without` are directories below its paths that are runs of their own; `say` prints a line for people. All methods
    belong to the thread that reads; `exposition` and `status` may be asked by others.
    """

    def __init__(
        self, options: WatchOptions, setting: Setting, book: Rulebook, without: Set[str], say: Callable[[str], None]
    ) -> None:
        self._options = options
        self._stop = setting.stop
        self._say = say
        self._looked = self._tick_at = 0.0
        self._rescan, self._pause, self._unknown = RESCAN, SHORTEST, False
        self.status = RunStatus(setting.zone)
        self._pruned = 0.0
        try:
            self._keep = keep(options.keep)
        except ValueError as e:
            raise UserError(f"--keep {e}", "such as --keep 30d --keep 2GB") from None
        self.id = options.run_id or run_id(root_of(options.paths[0]))
        store = store_path(setting.state, self.id)
        goes_on = options.start != "start"
        read, begun = (rollouts_read(store), files_begun(store)) if goes_on else ({}, frozenset())
        self._files = RunFiles(options, book, without, setting.zone, say, read, begun)
        self._places = Places(options.paths, say)
        try:
            self._labelled = self.labels()
            self.exposition = Exposition(self._labelled, setting.catalogue, namespace=options.namespace)
        except ValueError as e:
            raise UserError(str(e)) from None
        self.store = RunStore.open(store, RunRow(self.id, str(self._files.scan.run.root), time.time()))
        setting.opened(self.store.path)
        self._keeper = Keeper(self.store, self.exposition, self.status, setting.stop, say)
        launched = options.launched is not None  # of a run that this process started it is known how it ended
        self._missing = None if launched else Missing(self._files.scan.run.root, self._keeper)
        self._telling = Telling(self._files, self.status, self.store, options.nodes, say)
        self._turns = turns = Turns(self._files, self._keeper, setting.stop)
        try:
            parts = Parts(
                options, setting, book, self.id, self._files, self._keeper, self.labels, lambda: turns.unsettled, say
            )
        except BaseException:
            self._keeper.close()
            raise
        self._engines, self._pager, self._lookout = parts.engines, parts.pager, parts.lookout
        self._exporters = parts.exporters

    def labels(self) -> RunLabels:
        """What all series and spans of the run carry."""
        run, options = self._files.scan.run, self._options
        return labels_of(
            run, self.id, options.project, options.experiment, host=options.nodes.own, told=self.status.facts
        )

    # -- one life

    def begin(self) -> None:
        """Show what the store knows from before, and read what there is."""
        self._take_up()
        self._read(bulk=False)
        self._relabel()
        self._turns.owe(track for track in self._files.tracks.values() if track.is_bulk)
        self._looked = time.monotonic()
        self._let_send()  # now: a run that is over is put down before anything else is asked of it

    def _let_send(self) -> None:
        """What stood in the files has been read, and its times are known."""
        if not self._stop.is_set():
            for exporter in self._exporters:
                exporter.tick(time.time())

    def read_once(self) -> None:
        """Read all that there is and will be, send it, and say how the run stands; also after `begin`."""
        if self._looked:
            self._look_again()
        else:
            self._take_up()
        self._read(last=True)
        before = 0
        while self._files.backlog != before and not self._stop.is_set():
            before = self._files.backlog
            self._look_again(quiet=0.0)
            self._read(last=True)
        if self._places.learn(self.status.facts):  # what the lines name, and what the lines there name
            self._look_again()
            self._read(last=True)
        self._let_send()
        self._lookout.settle(time.time())
        self._pager.settle(time.time())
        now = time.time()
        self.status.looks_back(self._files.last_change(), now)
        if self.status.reached is None:
            self.status.was_written_in(lived(self._files.scan.run.root / self._pager.tracker.state.telling))
        self._say(self._telling.sentence(now))

    def _take_up(self) -> None:
        with closing(read_only(self.store.path)) as db:
            self.exposition.count_on(problem_counts(db))
            for source, event in earlier_events(db):
                self.status.record([event], time.time())
                self.exposition.record([event], source)
                self._keeper.overlap.sift([event], source)
                if self._engines is not None:
                    self._engines.record([event], source, 0.0)
        if self._options.launched is not None:
            self._launched(self._options.launched)
        self._take_in()

    def _launched(self, when: float) -> None:
        """The agent has started the run: where no older file is read, all that is read is news."""
        paths = [found.path for found in self._files.scan.found]
        if all(not path.exists() or path.stat().st_mtime > when - CLOCK for path in paths):
            self._pager.tracker.state.attached = True
        self._keeper.keep_told([RunFact(".", 0, 0, when, "observed", "life", "starting")], LAUNCHER)

    def _read(self, *, last: bool = False, bulk: bool = True) -> None:
        """Read to the end of every file, those written last after the others: what a scheduler wrote when it ended the
        run is not outlived by steps that stood there before. `last`: nothing more will come. `bulk`: also of what may
        wait, in turns."""
        tracks = self._files.tracks.values()
        for track in sorted((track for track in tracks if not track.is_bulk), key=_written):
            while not self._stop.is_set() and self._turns.take([track], last=last, most=CATCH_UP):
                pass
        pending = [track for track in tracks if bulk and track.is_bulk]
        while pending and not self._stop.is_set():
            pending = self._turns.take(pending, last=last)
        self._telling.what_is_silent(last=last)

    def is_dull(self, path: Path) -> bool:
        """Whether what a file got tells nothing, so that it may be taken in later."""
        track = self._files.tracks.get(path)
        return track is not None and track.is_dull()

    def follow(self, changed: Set[Path], brief: bool = False) -> None:
        """Take in what changed, and do what is due. `brief`: say how it stands where step or life changed."""
        now = time.monotonic()
        ticks = now >= self._tick_at
        self._turns.take(self._turns.due(self._to_read(changed, now, ticks), now))
        if self._missing is not None and not self._turns.waits:  # what is not read yet may tell of its end
            self._missing.notice(bool(changed), self._pager.tracker.state)
        if ticks:
            self._tick_at = now + TICK
            self._tick(now)
            self._telling.answer_if_due(brief)

    def _to_read(self, changed: Set[Path], now: float, ticks: bool) -> list[Track]:
        """The files that changed, of those that are known after a look for others, if one is due."""
        tracks = self._files.tracks
        found = [track for track in map(tracks.get, changed) if track is not None]
        if changed:
            self._rescan = RESCAN
            self._files.wake(changed)
        # What is not read may change all the time: a look takes at most a twentieth of it.
        self._unknown = self._unknown or len(found) < len(changed)
        named = ticks and self._places.learn(self.status.facts)
        wait = self._pause if self._unknown or not tracks else max(self._rescan, 20 * self._pause)
        if self._files.backlog and not self._turns.owes:  # what was read may rest once its records are summed up
            wait = min(wait, max(QUIET, self._pause / 5))
        if not (named or now - self._looked >= wait or self._files.stale):
            return found
        self._unknown = False
        known, places = set(tracks), len(self.places)
        self._look_again()
        if changed or tracks.keys() - known or len(self.places) > places:
            self._rescan = RESCAN  # what came into a directory before it was watched has no event
        elif tracks:
            self._rescan = min(2 * self._rescan, LONGEST) if self._files.locked else LONGEST
        self._looked = time.monotonic()
        self._pause = max(SHORTEST, 20 * (self._looked - now))
        return [track for path, track in tracks.items() if path in changed or path not in known]

    def _tick(self, now: float) -> None:
        """What waits for time to pass, and what need not be looked at with each line."""
        self._turns.flush_quiet()
        self._relabel()
        if self._engines is not None:
            self._keeper.overlap.engines_asked = self._engines.answering > 1
            for source, samples in self._engines.take():
                self._keeper.keep_told(samples, source)
        self._keeper.tick()
        self._prune(now)

    def _prune(self, now: float) -> None:
        days, size = self._keep
        if (days is None and size is None) or now - self._pruned < PRUNE_EVERY:
            return
        self._pruned = now
        try:
            self.store.prune(days, size)
        except StoreError as e:
            logger.warning("{}; nothing was deleted, it is tried again", e)

    def finish(self, outcome: Outcome | None = None) -> None:
        """Told to stop: read what is there by now, and say how the run stands. outcome: how its process ended."""
        if outcome is not None:
            self._look_again()
        self._turns.take(list(self._files.tracks.values()), patience=LAST_WORDS)
        self._turns.flush_quiet(0.0)
        if outcome is None:
            self._telling.answer()
            return
        self._keeper.keep_told(outcome.events(time.time()), LAUNCHER)
        self._lookout.settle(time.time())
        self._pager.settle(time.time())
        self._telling.what_is_silent(last=True)
        state = self._pager.tracker.state
        self._say(f"{state.life}: {outcome.text} {where(state)}")

    def leave_out(self, directories: Set[str]) -> None:
        """Directories below the run's paths became runs of their own."""
        self._files.leave_out(directories)

    @property
    def over(self) -> bool:
        """Whether it ended and has been quiet for a while, or has not written for a day."""
        quiet = time.time() - self._files.last_change()
        return quiet > (QUIET_AFTER_END if self.status.life in ENDS else QUIET_FOR_GOOD)

    def close(self) -> None:
        """Close the files, let publishers finish, close the store."""
        self._files.close()
        self._keeper.close()

    @property
    def patience(self) -> float:
        """For how many seconds nothing needs to be done unless something changes."""
        if self._turns.waits:
            return 0.0
        return min(QUIET, max(0.0, self._looked + self._pause - time.monotonic())) if self._unknown else QUIET

    # -- files and what they say

    @property
    def places(self) -> list[Path]:
        """Where the run writes beside the paths that were given."""
        return self._places.found

    def _look_again(self, quiet: float = RESTING) -> None:
        for track in self._files.rest(quiet):
            track.close()
            self._turns.forget(track)
        for place in self._places.look(self._files.scan.configs):
            self._files.add(place)
        self._files.look_again()
        self._take_in()

    def _take_in(self) -> None:
        """Make what the last scan found true: tracks, labels, facts."""
        files, run = self._files, self._files.scan.run
        fresh, gone = files.take_in(self.store)
        self._relabel()
        for track in gone:
            if not track.found.path.exists():  # a file that is gone is read to its end
                self._turns.take([track], last=True)
            track.close()
            self._turns.forget(track)
        if fresh:
            self.store.describe(fresh)
        if files.claims:
            self.store.commit([], [track.checkpoint for track in files.claims])
            files.claims.clear()
        now = time.time()
        facts: list[Event] = [
            RunFact(os.path.relpath(f.file, run.root), f.line or 1, 0, now, "observed", f.key, str(f.value))
            for f in files.scan.facts
            if self._options.nodes.leads and self.status.facts.get(f.key) != str(f.value)
        ]
        if run.framework and self.status.facts.get("framework") != run.framework:
            facts.append(RunFact(".", 0, 0, now, "observed", "framework", run.framework, run.confidence))
        if facts:
            self._keeper.keep_facts(facts)
        if not files.tracks:
            self._telling.tell("waiting", files.why_none())

    def _relabel(self) -> None:
        """Call the series as the run is called by now."""
        labels = self.labels()
        if labels != self._labelled:
            self._labelled = labels
            self.exposition.relabel(labels)


def _written(track: Track) -> float:
    """When its file was last written to."""
    try:
        return track.found.path.stat().st_mtime
    except OSError:  # gone, or not there yet
        return 0.0
