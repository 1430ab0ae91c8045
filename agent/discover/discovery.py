"""Which run is this, and which of its files plays which role?

Reads at most the first and last 64 KiB of the 200 most recent files, and 4 KiB of the others. The walk follows no link:
a file that a link shows a second time (prime-rl's logs/latest) is one file, under its own path.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence, Set
from pathlib import Path

from rli_agent.discover.configs import ConfigFact, config_facts
from rli_agent.discover.copies import copies
from rli_agent.discover.found import Found, Run, Scan
from rli_agent.discover.look import Look
from rli_agent.discover.looks import Looks
from rli_agent.discover.names import Names
from rli_agent.discover.roles import Claim, Roles, Verdict, original
from rli_agent.discover.tree import RECORDS, Entry, Tree, reader_of
from rli_agent.events import METRIC_FILES, Reader, Source
from rli_agent.parsers.api_events import MARK
from rli_agent.parsers.packs import Pack

#: Of files of records, of which there may be a hundred thousand, so many of the newest are shown always, and so many of
#: the oldest at a time: the others wait until these are at rest.
NEWEST, OLDEST = 1000, 4000
_METRICS: dict[Reader, str] = {
    "tensorboard": "TensorBoard's events", "wandb": "W&B's file", "history": "the Trainer's history",
    "events": "written by rli_agent.api",
}  # fmt: skip


class Discovery:
    """Looks at the paths of one run, as often as asked; only what is new or has grown is looked at again.

    framework: the name of a framework's pack, where the user says it. Raises ValueError where no such pack is known.
    read: files of records that were read to their end before, inode and bytes by name; those that are still so rest,
    and others wait where there are many. None: all are shown. begun: names of the files of which something was read
    before: none of them is left for a copy.
    """

    def __init__(
        self, paths: Sequence[Path], packs: Mapping[str, Pack], framework: str | None = None,
        read: Mapping[str, tuple[int, int]] | None = None, begun: Container[str] = (),
    ) -> None:  # fmt: skip
        if not paths:
            raise ValueError("no path given")
        self._roles = Roles(packs)
        known = self._roles.frameworks
        if framework is not None and framework not in known:
            raise ValueError(f"no framework's pack is called {framework!r}; known: {', '.join(known) or 'none'}")
        self._forced = framework
        self._names = Names(paths)
        self._tree = Tree(list(dict.fromkeys(self._names.roots)))
        self._looks = Looks(self._roles.literals)
        self._claims: dict[str, tuple[str | None, Look, Claim]] = {}
        self._given: dict[str, tuple[object, Found]] = {}  # what each path was last given as, and what made it so
        self._read = None if read is None else dict(read)
        self._begun = begun
        #: Files that wait to be shown.
        self.backlog = 0
        self._facts: tuple[object, list[ConfigFact], dict[Path, str]] | None = None

    def add(self, path: Path) -> None:
        """Another place of the run: its files are called after it."""
        self._tree.roots.append(self._names.add(path))

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
            self._names.forget(path)

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
        self._names.give([e.path for e in records])
        return {e.path for e in records if self._read.pop(self._names[e.path], None) == (e.inode, e.size)}

    def scan(self) -> Scan:
        """Find what there is now. A later scan may give a file another role, other packs, or leave it out (a twin)."""
        entries, others, left_out = self._tree.walk()
        skipped = dict(left_out)
        entries = self._shown(entries)
        self._looks.renew(entries, self._unsure, skipped)
        looks = self._looks.by_path
        self._names.give([e.path for e in entries])
        texts = {e.path: looks[e.path] for e in entries if e.path in looks and reader_of(e.path) == "text"}
        paths = dict.fromkeys([e.path for e in entries] + others)
        verdict = self._verdict(texts, paths)
        claims = self._claim(entries, verdict.framework, skipped)
        begun = {path for path in texts if path in self._given or self._names[path] in self._begun}
        twins = _longer_histories(claims, looks) | _copied(claims, texts, entries, begun)
        found = self._found(claims, paths.keys(), twins, verdict.framework, skipped)
        if self.backlog:  # what nobody reads must not hold up the others
            self.rest({path for path in skipped if path in looks and path.endswith(RECORDS)})
        configs = _in_order([e for e in entries if e.config])
        facts = self._stated(configs, verdict.framework, skipped)
        return Scan(
            self._run(verdict, claims, {f.key: f.value for f in facts}),
            found, [(Path(p), why) for p, why in skipped.items()], [Path(e.path) for e in configs], facts,
        )  # fmt: skip

    def _unsure(self, path: str) -> bool:
        claim = self._claims.get(path)
        return claim is not None and not claim[2].sure

    def _verdict(self, texts: Mapping[str, Look], paths: Iterable[str]) -> Verdict:
        verdict = self._roles.judge(texts, paths, self._names.called)
        if self._forced is not None:
            return Verdict(self._forced, 1.0, f"{self._forced}: as the user says", verdict.weights)
        return verdict

    def _claim(self, entries: Sequence[Entry], framework: str | None, skipped: dict[str, str]) -> dict[str, Claim]:
        claims: dict[str, tuple[str | None, Look, Claim]] = {}
        for entry in entries:
            look = self._looks.by_path.get(entry.path)
            if look is None or (entry.config and entry.path not in self._names.roots):
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
        self, claims: Mapping[str, Claim], paths: Set[str], twins: Mapping[str, str], framework: str | None,
        skipped: dict[str, str],
    ) -> list[Found]:  # fmt: skip
        given: dict[str, tuple[object, Found]] = {}
        looks = self._looks.by_path
        cache: dict[tuple[str, str], list[str]] = {}
        for path, claim in claims.items():
            look = looks[path]
            if claim.ignore:
                skipped[path] = f"{claim.note}: not read"
                continue
            begun = look.size > 0 and (look.whole or look.keys)  # the first record may stand there in part
            if not begun and (not claim.sure or claim.role == "unknown"):
                skipped[path] = "empty so far"
                continue
            twin = twins.get(path) or original(path, claim, claims, looks, paths, cache)
            if twin is not None and not claim.problems_only:
                skipped[path] = f"repeats {self._names.called(twin)}"
                continue
            note = f"{claim.note}; for problems only: repeats {self._names.called(twin)}" if twin else claim.note
            reader = _made_of(path, look)
            own = (claim.pack,) if claim.pack else ()
            packs = self._roles.readers(framework, claim) if reader == "text" else own
            if reader == "events":
                packs = (*own, *self._roles.generic)  # a program's own names may be anybody's
            made_of = (self._names[path], claim, reader, packs, note, twin is not None)
            known = self._given.get(path)
            if known is None or known[0] != made_of:
                source = Source(self._names[path], claim.role, claim.lane or claim.role, reader, packs, claim.labels)
                known = (made_of, Found(source, Path(path), note, twin is not None))
            given[path] = known
        self._given = given
        return sorted((found for _, found in given.values()), key=lambda f: f.source.file)

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
        first = Path(self._names.roots[0])
        runs = {c.run for c in claims.values() if c.run}
        name = runs.pop() if len(runs) == 1 else (first.name if first.is_dir() or not first.exists() else first.stem)
        return Run(
            root_of(first), tuple(self._names.given), name or "run", verdict.framework, round(verdict.confidence, 3),
            verdict.why, facts.get("project"), facts.get("experiment") or name or None,
        )  # fmt: skip


def root_of(path: Path) -> Path:
    """The directory of a run whose first path this is, free of links."""
    first = Path(os.path.realpath(path))
    return first if first.is_dir() or not first.exists() else first.parent


def _copied(
    claims: Mapping[str, Claim], texts: Mapping[str, Look], entries: Sequence[Entry], read: Container[str]
) -> dict[str, str]:
    """Of consoles that are known by what they hold, which other one each repeats. What a pack knows by its place and
    name, it knows the twins of too."""
    consoles: dict[str, dict[str, Look]] = {}
    for path, look in texts.items():
        claim = claims.get(path)
        if claim is not None and not (claim.base or claim.twin_of or claim.ignore):
            consoles.setdefault(claim.role, {})[path] = look
    by_path = {entry.path: entry for entry in entries}
    return {part: whole for alike in consoles.values() for part, whole in copies(alike, by_path, read).items()}


def _longer_histories(paths: Iterable[str], looks: Mapping[str, Look]) -> dict[str, str]:
    """Each checkpoint repeats the whole history: of those that are not the longest of their place, which one is."""
    places: dict[str, list[str]] = {}
    for path in paths:
        if reader_of(path) == "history":
            folder = os.path.dirname(path)
            at_checkpoint = os.path.basename(folder).startswith("checkpoint-")
            places.setdefault(os.path.dirname(folder) if at_checkpoint else folder, []).append(path)
    shorter: dict[str, str] = {}
    for histories in places.values():
        best = max(histories, key=lambda p: (looks[p].step, looks[p].size))
        shorter |= {path: best for path in histories if path != best}
    return shorter


def _in_order(configs: list[Entry]) -> list[Entry]:
    """The shallow ones first; of directories at one depth (a Hydra directory a start) the last written one."""
    newest: dict[str, float] = {}
    for entry in configs:
        folder = os.path.dirname(entry.path)
        newest[folder] = max(entry.mtime, newest.get(folder, 0.0))
    return sorted(configs, key=lambda e: (e.path.count("/"), -newest[os.path.dirname(e.path)], e.path))


def _made_of(path: str, look: Look) -> Reader:
    """What a file is made of, by its name; events in a file that their writer's user named, by the first line."""
    return "events" if look.keys is not None and MARK in look.keys else reader_of(path)
