"""Which run is this, and which of its files plays which role?

Reads at most the first and last 64 KiB of the 200 most recent files, and 4 KiB of the others. The walk follows no link:
a file that a link shows a second time (prime-rl's logs/latest) is one file, under its own path.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

from msgspec import Struct

from rli_agent.discover.configs import BadConfig, ConfigFact, config_facts, read_config
from rli_agent.discover.look import ENDS, NEEDS, UNREADABLE, Look, Looker
from rli_agent.discover.roles import Claim, Roles, Verdict, original
from rli_agent.discover.tree import RECORDS, Entry, Tree, reader_of
from rli_agent.events import METRIC_FILES, Reader, Source
from rli_agent.parsers.api_events import MARK
from rli_agent.parsers.packs import Pack

__all__ = [
    "NEEDS", "NEWEST", "UNREADABLE", "BadConfig", "ConfigFact", "Discovery", "Found", "Run", "Scan", "config_facts",
    "read_config", "reader_of", "root_of",
]  # fmt: skip

#: So many files, the last changed ones, are looked at thoroughly.
MOST_RECENT = 200
#: Of files of records, of which there may be a hundred thousand, so many of the newest are shown always, and so many of
#: the oldest at a time: the others wait until these are at rest.
NEWEST, OLDEST = 1000, 4000
_METRICS: dict[Reader, str] = {
    "tensorboard": "TensorBoard's events", "wandb": "W&B's file", "history": "the Trainer's history",
    "events": "written by rli_agent.api",
}  # fmt: skip


class Run(Struct, frozen=True):
    """A run. root: the first path given, or its directory. confidence: in the framework, 0 to 1; why: a sentence."""

    root: Path
    paths: tuple[Path, ...]
    name: str
    framework: str | None
    confidence: float
    why: str
    project: str | None = None
    experiment: str | None = None


class Found(Struct, frozen=True):
    """A file to be read. path is absolute and free of links; note says why it has its role.

    problems_only: it repeats another file's metrics and states (a second node's console): only its problems count.
    """

    source: Source
    path: Path
    note: str
    problems_only: bool = False


class Scan(Struct, frozen=True):
    """What a look at the run's paths gave. facts: what its configuration files state, for the run's framework."""

    run: Run
    found: list[Found]
    skipped: list[tuple[Path, str]]
    configs: list[Path]
    facts: list[ConfigFact]


class Discovery:
    """Looks at the paths of one run, as often as asked; only what is new or has grown is looked at again.

    framework: the name of a framework's pack, where the user says it. Raises ValueError where no such pack is known.
    read: files of records that were read to their end before, inode and bytes by name; those that are still so rest,
    and others wait where there are many. None: all are shown.
    """

    def __init__(
        self, paths: Sequence[Path], packs: Mapping[str, Pack], framework: str | None = None,
        read: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:  # fmt: skip
        if not paths:
            raise ValueError("no path given")
        self._roles = Roles(packs)
        known = self._roles.frameworks
        if framework is not None and framework not in known:
            raise ValueError(f"no framework's pack is called {framework!r}; known: {', '.join(known) or 'none'}")
        self._forced = framework
        self._given = [Path(os.path.abspath(p)) for p in paths]
        self._roots = [os.path.realpath(p) for p in paths]
        self._tree = Tree(list(dict.fromkeys(self._roots)))
        self._added: set[str] = set()
        self._looker = Looker(self._roles.literals)
        self._looks: dict[str, Look] = {}
        self._claims: dict[str, tuple[str | None, Look, Claim]] = {}
        self._names: dict[str, str] = {}
        self._read = None if read is None else dict(read)
        #: Files that wait to be shown.
        self.backlog = 0
        self._facts: tuple[object, list[ConfigFact], dict[Path, str]] | None = None

    def add(self, path: Path) -> None:
        """Another place of the run: its files are called after it."""
        self._given.append(Path(os.path.abspath(path)))
        self._roots.append(os.path.realpath(path))
        self._tree.roots.append(self._roots[-1])
        self._added.add(self._roots[-1])

    def leave_out(self, directories: Set[str]) -> None:
        """Directories below the paths that are no business of this run, absolute and free of links."""
        self._tree.without = directories

    @property
    def at_rest(self) -> Set[str]:
        """The files that are left out, by their paths."""
        return self._tree.at_rest

    def rest(self, paths: Set[str]) -> None:
        """Nothing more is expected of these files: they are left out until `wake`."""
        self._tree.rest(paths)
        for path in paths:
            self._names.pop(path, None)

    def wake(self, changed: Iterable[Path]) -> None:
        """Of these paths, show those again that are at rest."""
        if self._tree.at_rest:
            self._tree.wake(self._tree.at_rest.intersection(map(str, changed)))

    def _shown(self, entries: list[Entry]) -> list[Entry]:
        """Leave out what rests or waits, where there is much of it."""
        records = [e for e in entries if e.path.endswith(RECORDS)]
        if self._read is None or len(records) <= NEWEST:
            self.backlog = 0
            return entries
        records.sort(key=lambda e: e.mtime)
        resting = self._read_before(records[:-NEWEST])
        self.rest(resting)
        waiting = [e.path for e in records[:-NEWEST] if e.path not in resting][OLDEST:]
        self.backlog = len(waiting)
        resting.update(waiting)
        return [e for e in entries if e.path not in resting]

    def _read_before(self, records: list[Entry]) -> set[str]:
        """Those that are as they were when an earlier watch had read them."""
        if not self._read:
            return set()
        self._name([e.path for e in records])
        return {e.path for e in records if self._read.pop(self._names[e.path], None) == (e.inode, e.size)}

    def scan(self) -> Scan:
        """Find what there is now. A later scan may give a file another role, other packs, or leave it out (a twin)."""
        entries, others, left_out = self._tree.walk()
        skipped = dict(left_out)
        entries = self._shown(entries)
        self._look_at(entries, skipped)
        self._name([e.path for e in entries])
        texts = {e.path: self._looks[e.path] for e in entries if e.path in self._looks and reader_of(e.path) == "text"}
        paths = dict.fromkeys([e.path for e in entries] + others)
        verdict = self._verdict(texts, paths)
        claims = self._claim(entries, verdict.framework, skipped)
        found = self._found(claims, paths.keys(), verdict.framework, skipped)
        if self.backlog:  # what nobody reads must not hold up the others
            self.rest({path for path in skipped if path in self._looks and path.endswith(RECORDS)})
        configs = _in_order([e for e in entries if e.config])
        facts = self._stated(configs, verdict.framework, skipped)
        return Scan(
            self._run(verdict, claims, {f.key: f.value for f in facts}),
            found, [(Path(p), why) for p, why in skipped.items()], [Path(e.path) for e in configs], facts,
        )  # fmt: skip

    def _look_at(self, entries: Sequence[Entry], skipped: dict[str, str]) -> None:
        recent = {e.path for e in heapq.nlargest(MOST_RECENT, entries, key=lambda e: e.mtime)}
        looks = {}
        for entry in entries:
            known = self._looks.get(entry.path)
            unsettled = known is None or known.size == 0 or self._unsure(entry.path)
            if known is not None and (unsettled or entry.path in recent) and not entry.refresh():
                continue
            if known is None or _worth_another(known, entry, unsettled):
                try:
                    look = self._looker.look(entry.path, reader_of(entry.path), entry.path in recent)
                except FileNotFoundError:
                    continue
                except OSError as e:
                    skipped[entry.path] = f"{UNREADABLE}: {e.strerror or e}"
                    continue
                known = _with_earlier(look, known)
            looks[entry.path] = known
        self._looks = looks

    def _unsure(self, path: str) -> bool:
        claim = self._claims.get(path)
        return claim is not None and not claim[2].sure

    def _name(self, paths: Sequence[str]) -> None:
        """Names stay what they were when a file was first seen: events carry them."""
        taken = set(self._names.values())
        for path in paths:
            if path in self._names:
                continue
            given, root = next((g, r) for g, r in zip(self._given, self._roots, strict=True) if _within(path, r))
            below = path[len(root.rstrip("/")) + 1 :]
            name = given.name if path == root else f"{given.name}/{below}" if root in self._added else below
            name = os.fsencode(name).decode(errors="replace")
            for longer in (f"{given.name}/{name}", path):
                if name in taken:
                    name = longer
            self._names[path] = name
            taken.add(name)

    def _verdict(self, texts: Mapping[str, Look], paths: Iterable[str]) -> Verdict:
        verdict = self._roles.judge(texts, paths, self._called)
        if self._forced is not None:
            return Verdict(self._forced, 1.0, f"{self._forced}: as the user says", verdict.weights)
        return verdict

    def _called(self, path: str) -> str:
        """How a file is called to people; also one that is not read."""
        root = next((r for r in self._roots if _within(path, r)), "/")
        return self._names.get(path) or os.path.relpath(path, root)

    def _claim(self, entries: Sequence[Entry], framework: str | None, skipped: dict[str, str]) -> dict[str, Claim]:
        claims: dict[str, tuple[str | None, Look, Claim]] = {}
        for entry in entries:
            look = self._looks.get(entry.path)
            if look is None or (entry.config and entry.path not in self._roots):
                continue
            if look.refused is not None:
                skipped[entry.path] = look.refused
                continue
            known = self._claims.get(entry.path)
            if known is None or known[0] != framework or known[1] is not look:
                known = (framework, look, self._asked(entry.path, look, framework))
            claims[entry.path] = known
        self._claims = claims
        return {path: claim for path, (_, _, claim) in claims.items()}

    def _asked(self, path: str, look: Look, framework: str | None) -> Claim:
        reader = _made_of(path, look)
        if reader in METRIC_FILES:
            return Claim("metrics", _METRICS[reader], "trainer", pack=framework, sure=look.size > 0)
        ask = self._roles.records if reader in ("records", "table") else self._roles.text
        return ask(path, look, framework)

    def _found(
        self, claims: Mapping[str, Claim], paths: Set[str], framework: str | None, skipped: dict[str, str]
    ) -> list[Found]:
        found = []
        cache: dict[tuple[str, str], list[str]] = {}
        longest = self._longest(claims)
        for path, claim in claims.items():
            look = self._looks[path]
            if claim.ignore:
                skipped[path] = f"{claim.note}: not read"
                continue
            begun = look.size > 0 and (look.whole or look.keys)  # the first record may stand there in part
            if not begun and (not claim.sure or claim.role == "unknown"):
                skipped[path] = "empty so far"
                continue
            twin = longest.get(path) or original(path, claim, claims, self._looks, paths, cache)
            if twin is not None and not claim.problems_only:
                skipped[path] = f"repeats {self._called(twin)}"
                continue
            note = f"{claim.note}; for problems only: repeats {self._called(twin)}" if twin else claim.note
            reader = _made_of(path, look)
            own = (claim.pack,) if claim.pack else ()
            packs = self._roles.readers(framework, claim) if reader == "text" else own
            if reader == "events":
                packs = (*own, *self._roles.generic)  # a program's own names may be anybody's
            source = Source(self._names[path], claim.role, claim.lane or claim.role, reader, packs, claim.labels)
            found.append(Found(source, Path(path), note, twin is not None))
        return sorted(found, key=lambda f: f.source.file)

    def _longest(self, claims: Iterable[str]) -> dict[str, str]:
        """Each checkpoint repeats the whole history: those that are not the longest of their place, and which is."""
        places: dict[str, list[str]] = {}
        for path in claims:
            if reader_of(path) == "history":
                folder = os.path.dirname(path)
                at_checkpoint = os.path.basename(folder).startswith("checkpoint-")
                places.setdefault(os.path.dirname(folder) if at_checkpoint else folder, []).append(path)
        shorter: dict[str, str] = {}
        for paths in places.values():
            best = max(paths, key=lambda p: (self._looks[p].step, self._looks[p].size))
            shorter |= {path: best for path in paths if path != best}
        return shorter

    def _stated(self, configs: Sequence[Entry], framework: str | None, skipped: dict[str, str]) -> list[ConfigFact]:
        wanted = self._roles.configs.get(framework, {}) if framework else {}
        state = (framework, [(e.path, e.size, e.mtime) for e in configs])
        if self._facts is None or self._facts[0] != state:
            broken: dict[Path, str] = {}
            facts = config_facts([Path(e.path) for e in configs], wanted, broken) if wanted else []
            self._facts = (state, facts, broken)
        skipped |= {str(path): f"a configuration {why}" for path, why in self._facts[2].items()}
        return self._facts[1]

    def _run(self, verdict: Verdict, claims: Mapping[str, Claim], facts: Mapping[str, str]) -> Run:
        first = Path(self._roots[0])
        runs = {c.run for c in claims.values() if c.run}
        name = runs.pop() if len(runs) == 1 else (first.name if first.is_dir() or not first.exists() else first.stem)
        return Run(
            root_of(first), tuple(self._given), name or "run", verdict.framework, round(verdict.confidence, 3),
            verdict.why, facts.get("project"), facts.get("experiment") or name or None,
        )  # fmt: skip


def root_of(path: Path) -> Path:
    """The directory of a run whose first path this is, free of links."""
    first = Path(os.path.realpath(path))
    return first if first.is_dir() or not first.exists() else first.parent


def _in_order(configs: list[Entry]) -> list[Entry]:
    """The shallow ones first; of directories at one depth (a Hydra directory a start) the last written one."""
    newest: dict[str, float] = {}
    for entry in configs:
        folder = os.path.dirname(entry.path)
        newest[folder] = max(entry.mtime, newest.get(folder, 0.0))
    return sorted(configs, key=lambda e: (e.path.count("/"), -newest[os.path.dirname(e.path)], e.path))


def _worth_another(known: Look, entry: Entry, unsettled: bool) -> bool:
    """Whether the file may tell more by now. One larger than what is read of it must have grown by a quarter."""
    if known.inode != entry.inode or entry.size < known.size:
        return True
    settled = known.refused is None and not unsettled and reader_of(entry.path) not in ("text", "history")
    if entry.size == known.size or settled:
        return False
    return entry.size < 2 * ENDS or entry.size * 4 > known.size * 5


def _with_earlier(look: Look, known: Look | None) -> Look:
    """What was seen of a growing file holds on, also when it is no longer near either end."""
    if known is None or known.inode != look.inode or look.size < known.size or known.hits <= look.hits:
        return look
    return Look(look.size, look.inode, look.refused, look.hits | known.hits, look.keys, look.whole)


def _made_of(path: str, look: Look) -> Reader:
    """What a file is made of, by its name; events in a file that their writer's user named, by the first line."""
    return "events" if look.keys is not None and MARK in look.keys else reader_of(path)


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
