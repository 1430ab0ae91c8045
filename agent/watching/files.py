"""The files of a run as they come and go: found, said which, each with a track of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import tzinfo
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from msgspec.structs import replace

from rli_agent.discover import NEEDS, NEWEST, UNREADABLE, Discovery, Found, Scan
from rli_agent.errors import UserError
from rli_agent.events import Source
from rli_agent.follow.rotation import TRIES, rotated_from
from rli_agent.options import WatchOptions
from rli_agent.parsers.packs import Pack
from rli_agent.parsing import run_files
from rli_agent.rulebook import Rulebook
from rli_agent.store.run_store import RunStore
from rli_agent.track import Track
from rli_agent.watching.moved import Beginning, beginnings, in_order, may_be_moved, where

#: Seconds to give a log that was rotated away and is not there again.
AWAY = 0.01
#: Readers of files of which each step, or each checkpoint, makes another one.
_BY_STEP = frozenset({"records", "table", "history"})


class RunFiles:
    """What discovery found of a run last (`scan`), and the track of each file by its path. `without`: directories below
    the paths that are other runs; `say` prints for people; `read`, `begun`: what an earlier watch has read (see
    Discovery).

    Raises UserError for a framework that no rule pack knows.
    """

    def __init__(
        self, options: WatchOptions, book: Rulebook, without: Set[str], zone: tzinfo, say: Callable[[str], None],
        read: Mapping[str, tuple[int, int]] = MappingProxyType({}), begun: Set[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._options = options
        self._zone = zone
        self._say = say
        self._book = book
        self._without = without
        self._added: list[Path] = []
        self._discovery = self._discover(read, begun)
        self.scan = self._scan()
        self.tracks: dict[Path, Track] = {}
        self._names: list[str] = []
        self._framework: str | None = None
        self._others: Mapping[str, tuple[int, int]] = {}  # the past of others, when it was decided who reads it
        self.claims: list[Track] = []  # whose files must be known to be theirs before anything is read
        self._introduced: set[tuple[str, str]] = set()
        self._first = True
        self._newest = 0.0

    def _discover(self, read: Mapping[str, tuple[int, int]], begun: Set[str]) -> Discovery:
        self._version = self._book.version
        try:
            discovery = Discovery(self._options.paths, self._book.packs, self._options.framework, read, begun)
        except ValueError as e:
            raise UserError(str(e), "`rli-agent rules list` shows the packs") from None
        discovery.leave_out(self._without)
        for place in self._added:
            discovery.add(place)
        return discovery

    def add(self, place: Path) -> None:
        """The run has another place."""
        self._added.append(place)
        self._discovery.add(place)

    def leave_out(self, directories: Set[str]) -> None:
        """These directories became runs of their own."""
        self._without = directories
        self._discovery.leave_out(directories)

    @property
    def stale(self) -> bool:
        """Whether the rules changed since the last look."""
        return self._version != self._book.version

    @property
    def pack(self) -> Pack | None:
        """The pack of the run's framework."""
        return self._book.packs.get(self.scan.run.framework or "")

    def look_again(self) -> None:
        """See which files there are by now, and take up rules that changed."""
        if self.stale:
            at_rest = self._discovery.at_rest
            self._discovery = self._discover({}, {track.found.source.file for track in self.tracks.values()})
            self._discovery.rest(at_rest)
            for track in self.tracks.values():
                track.use(self._book, self._names, track.state)
        self.scan = self._scan()

    @property
    def locked(self) -> bool:
        """Whether there are files that may not be read."""
        return any(why.startswith(UNREADABLE) for _, why in self.scan.skipped)

    @property
    def backlog(self) -> int:
        """How many files wait until others are at rest."""
        return self._discovery.backlog

    def wake(self, changed: Set[Path]) -> None:
        """These paths changed: what of them is at rest is looked at again."""
        self._discovery.wake(changed)

    def rest(self, quiet: float) -> list[Track]:
        """Let files of records rest that were read to their end, were not written for so many seconds, and are not the
        newest. Their tracks are the caller's to close."""
        records = [track for track in self.tracks.values() if track.source.reader == "records"]
        if len(records) <= NEWEST:
            return []
        records.sort(key=lambda track: track.reader.mtime)
        before = time.time() - quiet
        old = [t for t in records[:-NEWEST] if t.live and not t.is_busy and 0.0 < t.reader.mtime < before]
        self._discovery.rest({str(track.found.path) for track in old})
        return [self.tracks.pop(track.found.path) for track in old]

    def _scan(self) -> Scan:
        """What there is for this node's agent to read."""
        return self._options.nodes.share(self._discovery.scan())

    def take_in(self, store: RunStore) -> tuple[list[Source], list[Track]]:
        """Give each file that the scan found a track, from its checkpoint on. Returns the sources that are new, and
        the tracks of files that are gone: they have their end to give, and are the caller's to close."""
        scan = self.scan
        self._names = run_files(scan)
        framework = scan.run.framework or ""
        if self._framework != framework:
            self._framework = framework
            self._say(f"{scan.run.root}: {scan.run.why}")
        unsettled = store.unsettled() if self._first else set()
        kept = None if self._options.start == "start" and self._first else store
        fresh = self._begin(kept, unsettled)
        self._introduce(fresh)
        for found in self.scan.found:
            track = self.tracks.get(found.path)
            if track is not None and track.found != found:
                track.turn_into(found, self._book, self._names)
        there = {f.path for f in self.scan.found}
        away = self._away()
        gone = {p for p, t in self.tracks.items() if p not in there and t.found.source.file not in away}
        self._first = False
        if gone:
            self._others = {}
        return [f.source for f in fresh], [self.tracks.pop(path) for path in gone]

    def _begin(self, store: RunStore | None, unsettled: Set[str]) -> list[Found]:
        """Give those of the scan that are new, and not only renamed, a track."""
        at = self._settle()
        new = [f for f in self.scan.found if self._is_new(f, at)]
        tracked = {t.found.source.file for t in self.tracks.values()}
        known = {n for n in self._away() if n in tracked or (store is not None and store.checkpoint(n))}
        new += [f for name, f in self._away().items() if name in known - tracked]
        begun = [Beginning(f, store.checkpoint(f.source.file) if store else None) for f in new if not may_be_moved(f)]
        if len(begun) < len(new):
            readers = [track.reader for track in self.tracks.values() if may_be_moved(track.found)]
            begun += beginnings(
                filter(may_be_moved, new), at, store, {f.source.file for f in self.scan.found} | known, tracked,
                {file for r in readers for file in r.files},
                {(p.device, p.inode): p for r in readers for p in r.finished},
            )  # fmt: skip
            self._others = {name: file for name, file in at.items() if rotated_from(name) is not None}
        for beginning in in_order(begun):
            found = beginning.found
            track = self.tracks[found.path] = Track(
                found, self._book, self._names, self._zone, beginning.checkpoint, fixed=beginning.is_past,
                live=not self._first, settled=found.source.file not in unsettled,
                from_end=self._options.start == "end" and self._first,
            )  # fmt: skip
            if beginning.is_claim:
                self.claims.append(track)
        return [beginning.found for beginning in begun]

    def _settle(self) -> dict[str, tuple[int, int]]:
        """Look again until nothing was renamed between two looks: which file each name had at that moment. At first
        also until a log that was rotated this moment is there again: its readers go on from what it names."""
        at = where(found for found in self.scan.found if found.path not in self.tracks)
        for _ in range(TRIES):
            if not any(may_be_moved(found) and self._is_new(found, at) for found in self.scan.found):
                break
            before, self.scan = at, self._scan()
            at = where(self.scan.found)
            if self._first and self._away():
                time.sleep(AWAY)
            elif at == before:
                break
        return at

    def _is_new(self, found: Found, at: Mapping[str, tuple[int, int]]) -> bool:
        """Whether it has no track, and was not found to be read under another name."""
        name = found.source.file
        return found.path not in self.tracks and (name not in at or self._others.get(name) != at[name])

    def _away(self) -> dict[str, Found]:
        """Files whose rotated past is there while they are not: they come back, and who follows them reads their past
        up to then."""
        names = {f.source.file for f in self.scan.found}
        found: dict[str, Found] = {}
        for past in self.scan.found:
            name = rotated_from(past.source.file)
            if name is not None and name not in names and name not in found:
                path = past.path.with_name(PurePosixPath(name).name)
                found[name] = replace(past, path=path, source=replace(past.source, file=name))
        return found

    def _introduce(self, fresh: Sequence[Found]) -> None:
        """Say which files were found and why; many of one kind in one line. Of what a run makes as it goes (records,
        tables, a history at each checkpoint) the first tells of all."""
        kinds: dict[tuple[str, str], list[str]] = {}
        for found in fresh:
            kind = (found.source.role, found.note)
            if found.source.reader not in _BY_STEP or kind not in self._introduced:
                kinds.setdefault(kind, []).append(found.source.file)
        self._introduced |= kinds.keys()
        for (role, note), files in kinds.items():
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            self._say(f"  {role}: {files[0]}{more} ({note})")
        wanting = next(((path, why) for path, why in self.scan.skipped if NEEDS in why), None)
        if wanting is not None and ("", wanting[1]) not in self._introduced:
            self._introduced.add(("", wanting[1]))
            self._say(f"  not read: {wanting[0]} ({wanting[1]})")
        for path, why in self.scan.skipped:
            if why.startswith(UNREADABLE) and ("", str(path)) not in self._introduced:
                self._introduced.add(("", str(path)))
                self._say(f"  not read: {path} ({why})")

    def why_none(self) -> str:
        """Why there is nothing to read."""
        where = ", ".join(str(p) for p in self._options.paths)
        missing = [str(p) for p in self._options.paths if not p.exists()]
        if missing:
            return f"waiting for {', '.join(missing)} to appear"
        unread = [f"{path}: {why}" for path, why in self.scan.skipped[:5]]
        more = f"; not read: {'; '.join(unread)}" if unread else ""
        if self._options.once:
            return f"nothing to read in {where}: no log file (*.log, *.out, *.txt, *.jsonl){more}"
        return f"nothing to read in {where} yet: waiting for log files (*.log, *.out, *.txt, *.jsonl){more}"

    def last_change(self) -> float:
        """When the run last wrote anything that was read (Unix seconds); now, where there is nothing."""
        return self._newest or time.time()

    def was_read(self, track: Track) -> None:
        """A file was looked into."""
        self._newest = max(self._newest, track.reader.mtime)

    def close(self) -> None:
        for track in self.tracks.values():
            track.close()
