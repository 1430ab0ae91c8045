"""Which runs lie below a directory: found by where their text lies and by what it tells, without reading whole files.

A run's directory is the one that holds its text, directly or in directories that are parts of a run by their name
(`logs`, `attempt_2`, `wandb` …). It is a run if a rule pack knows its text. What lies below it belongs to it, unless
two or more directories there are trainers' runs of their own: then it is a folder of runs that has some text itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from rli_agent.discover.look import Look, Looker
from rli_agent.discover.roles import Roles
from rli_agent.discover.tree import SETTLED, SKIPPED_DIRS, is_config, not_a_log, reader_of
from rli_agent.parsers.packs import Pack

#: Directories of a run that hold text of it, named after roles and engines: but a folder of runs may be called so, too.
_ROLE = re.compile(
    r"logs?|envs?|train(?:er)?|orchestrator|inference|infer|router|server|eval|actor|critic|ref|launcher|vllm|sglang|ray",
    re.IGNORECASE,
)
#: The same, named as frameworks, launchers and W&B do: they are never anything else.
_PART = re.compile(
    rf"{_ROLE.pattern}|std(?:out|err)|slurm|run_default|wandb|(?:offline-)?run-\d{{8}}_.*|files|attempt_\d+|session_.*"
    r"|torchrun|(?:node|rank|worker|host|replica|gpu)[-_]?\d+",
    re.IGNORECASE,
)
#: Directories of a run that hold no console text but may be huge, or that are copied from elsewhere.
_HEAP = re.compile(
    r"checkpoints?|ckpts?|checkpoint-\d+|weights|rollouts?|rollout_data|val(?:idation)?_data|broadcasts|control|configs?"
    r"|(?:global_)?step_?\d+|exp_\d+|exports?|completions|dumped_\w+|generations|tensorboard(?:_logs?)?|tb(?:_logs?)?"
    r"|data|datasets?|models?|cache|tokenizer|hf_\w+|src|tests|docs|node_modules",
    re.IGNORECASE,
)
#: Hydra's directory of a start: YYYY-MM-DD/HH-MM-SS. It belongs to the run whose console lies above it.
_START = re.compile(r".*/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d(?:/\d+)?")
_CONSOLE = (".log", ".out", ".err", ".stdout", ".stderr")
#: Levels below the root, directories in all, and newest texts of a directory that are looked at.
DEPTH, DIRECTORIES, LOOKED_AT = 6, 20_000, 8


class Place(Struct):
    """A run's directory. without: those below it that are runs of their own. changed: when its text was last written,
    in Unix seconds. told: a rule pack knows its text; trainer: that of a training framework; console: a file is called
    as consoles are."""

    path: str
    without: frozenset[str] = frozenset()
    changed: float = 0.0
    told: bool = False
    trainer: bool = False
    console: bool = False


class _Listing(Struct):
    changed: int
    read_at: float
    texts: list[str]
    dirs: list[str]
    ruled: bool


class RunFinder:
    """Finds the runs below `root`, as often as asked; only what is new or has grown is looked at again."""

    def __init__(self, root: Path, packs: Mapping[str, Pack]) -> None:
        self.root = os.path.realpath(root)
        self._roles = Roles(packs)
        self._looker = Looker(self._roles.literals)
        self._listings: dict[str, _Listing] = {}
        self._looks: dict[str, Look] = {}
        self._trainers: set[str] = set()
        self._left = 0

    def find(self) -> list[Place]:
        """The runs there are now, the one written last first. Empty where the root is one run, or none can be told."""
        self._left = DIRECTORIES
        places = self._below(self.root, DEPTH)
        if not any(p.told for p in places) or [p.path for p in places] == [self.root]:
            return []
        beside = {os.path.dirname(p.path) for p in places if p.told}
        held = [p for p in places if p.told or (p.console and os.path.dirname(p.path) in beside)]
        return sorted(held, key=lambda p: -p.changed)

    @property
    def settled(self) -> bool:
        """The root itself holds a trainer's text: it is one run, for good, if `find` gave none."""
        return self.root in self._trainers

    def _below(self, here: str, depth: int) -> list[Place]:
        listing = self._listing(here)
        if listing is None:
            return []
        below: list[Place] = []
        for folder in listing.dirs if depth else ():
            name = os.path.basename(folder)
            if _PART.fullmatch(name):
                for inner in self._folder(folder) if _ROLE.fullmatch(name) else ():
                    below += self._below(inner, depth - 1)
            elif not _HEAP.fullmatch(name):
                below += self._below(folder, depth - 1)
        texts = [*listing.texts, *self._of_parts(listing, 5)]
        if not texts and not listing.ruled:
            return below
        own = self._place(here, texts, listing.ruled)
        if sum(p.trainer and not _START.fullmatch(p.path) for p in below) >= 2:
            own.without = frozenset(p.path for p in below)
            own.told = own.told or own.console
            return [own, *below]
        own.told = own.told or any(p.told for p in below)
        own.changed = max([own.changed, *(p.changed for p in below)])
        return [own]

    def _folder(self, part: str) -> list[str]:
        """What a directory that is called like a part holds, if it holds none of its run's text."""
        listing = self._listing(part)
        if listing is None or listing.texts or any(self._of_parts(listing, 4)):
            return []
        return [d for d in listing.dirs if not _PART.fullmatch(n := os.path.basename(d)) and not _HEAP.fullmatch(n)]

    def _of_parts(self, listing: _Listing, depth: int) -> Iterator[str]:
        for folder in listing.dirs if depth else ():
            inside = self._listing(folder) if _PART.fullmatch(os.path.basename(folder)) else None
            if inside is not None:
                yield from inside.texts
                yield from self._of_parts(inside, depth - 1)

    def _listing(self, here: str) -> _Listing | None:
        """What a directory holds; from memory, if it did not change since."""
        try:
            found = os.stat(here, follow_symlinks=False)
            known = self._listings.get(here)
            if known and known.changed == found.st_mtime_ns and known.read_at - found.st_mtime > SETTLED:
                return known
            if not stat.S_ISDIR(found.st_mode) or self._left <= 0:
                return None
            self._left -= 1
            listing = self._listings[here] = _Listing(found.st_mtime_ns, time.time(), [], [], False)
            with os.scandir(here) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    _sort_in(entry, listing)
        except OSError:
            self._listings.pop(here, None)
            return None
        return listing

    def _place(self, here: str, texts: list[str], ruled: bool) -> Place:
        stats = {}
        for path in texts:
            with contextlib.suppress(OSError):
                stats[path] = os.stat(path, follow_symlinks=False)
        place = Place(here, told=ruled, console=any(path.endswith(_CONSOLE) for path in texts))
        place.changed = max((s.st_mtime for s in stats.values()), default=0.0)
        if here not in self._trainers:
            newest = sorted(stats, key=lambda p: -stats[p].st_mtime)[:LOOKED_AT]
            looks = {p: look for p in newest if (look := self._look(p, stats[p])) is not None}
            if self._roles.judge(looks, looks, str).framework is not None:
                self._trainers.add(here)  # and it stays one
                self._looks = {p: look for p, look in self._looks.items() if p not in looks}
            place.told = ruled or any(self._is_known(p, look) for p, look in looks.items())
        place.trainer = here in self._trainers
        place.told = place.told or place.trainer
        return place

    def _look(self, path: str, found: os.stat_result) -> Look | None:
        known = self._looks.get(path)
        if known is None or (known.inode, known.size) != (found.st_ino, found.st_size):
            try:
                self._looks[path] = known = self._looker.look(path, "text", True)
            except OSError:
                return None
        return None if known.refused else known

    def _is_known(self, path: str, look: Look) -> bool:
        claim = self._roles.text(path, look, None)
        return look.size > 0 and claim.sure and claim.role not in ("unknown", "job")


def _sort_in(entry: os.DirEntry[str], listing: _Listing) -> None:
    if entry.name == ".rli-agent":
        listing.ruled = True
    elif entry.name.startswith(".") or entry.is_symlink():
        return
    elif entry.is_dir(follow_symlinks=False):
        if entry.name not in SKIPPED_DIRS:
            listing.dirs.append(entry.path)
    elif reader_of(entry.path) == "text" and not (is_config(entry.path) or not_a_log(entry.path)):
        listing.texts.append(entry.path)
