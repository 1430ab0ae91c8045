"""Which node's agent reads a file, where a run has several nodes, each with an agent of its own.

Nobody is asked: every agent works it out from the list of nodes and the file's name, and all come to the same answer.
Files on a file system that the nodes share are divided; of files on a node's own disk each agent reads all that it has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from rli_agent.discover.found import Found, Scan
from rli_agent.follow.filesystems import is_network
from rli_agent.follow.rotation import rotated_from

#: Whose files the nodes see: one tree that all share, or each its own; by the type of the file system, if not said.
Files: TypeAlias = Literal["auto", "shared", "own"]
#: Roles whose files are divided. All others tell of the run as a whole, whose steps and end one agent judges.
DIVIDED = frozenset({"env", "inference", "router"})
#: Nodes of a list; a longer one is a mistake.
MOST = 10_000
_NAMES = re.compile(r"(?:[\w.-]|\[[\d,-]+\])+", re.ASCII)
_LIST = re.compile(rf"{_NAMES.pattern}(?:\s*,\s*{_NAMES.pattern})*", re.ASCII)
_RANGES = re.compile(r"([^\[\]]*)\[([^\[\]]+)\]")
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


class Nodes(Struct, frozen=True):
    """The nodes of a run by name, the first of which reads what tells of the whole run; `own` is this one's; `files`:
    whose files they see. roles: only files of these are read (empty: of all)."""

    names: tuple[str, ...] = ()
    own: str = ""
    files: Files = "auto"
    roles: frozenset[str] = frozenset()

    @property
    def leads(self) -> bool:
        """Whether this agent reads what tells of the run as a whole."""
        first = not self.names or self.own == self.names[0]
        return first and (not self.roles or "trainer" in self.roles)

    def share(self, scan: Scan) -> Scan:
        """The same scan with those files alone that this node's agent reads."""
        if not self.names and not self.roles:
            return scan
        owners = self.owners(scan)
        mine = [f for f in scan.found if owners.get(f.source.file, "") in (self.own or None, None)]
        return replace(scan, found=[self._taken(f) for f in mine])

    def owners(self, scan: Scan) -> Mapping[str, str | None]:
        """Who reads each file, by the file's name. None: whoever has it. What `roles` leaves out is not there."""
        divided = bool(self.names) and self.shared(scan.run.root)
        named = _names_in_paths(self.names)

        def owner(found: Found) -> str | None:
            if not divided:
                return None
            if found.source.role not in DIVIDED and not found.problems_only:
                return self.names[0]
            name = _unrotated(found.source.file)
            match = named.search(name) if named is not None else None
            if match is not None:
                return match[0]
            return self.names[int.from_bytes(sha256(name.encode()).digest()[:8], "big") % len(self.names)]

        asked = [found for found in scan.found if not self.roles or found.source.role in self.roles]
        return {found.source.file: owner(found) for found in asked}

    def shared(self, root: Path) -> bool:
        """Whether all nodes see the same files there."""
        return self.files == "shared" or (self.files == "auto" and is_network(root))

    def _taken(self, found: Found) -> Found:
        """Another node's trainer repeats what the first one's says: only its problems count."""
        labels = dict(found.source.labels)
        again = {labels.get("node", "0"), labels.get("rank", "0")} != {"0"}
        if self.names and not self.leads and found.source.role == "trainer" and again:
            return replace(found, problems_only=True)
        return found


def nodes_of(listed: str | None, own: str | None, files: Files, roles: Iterable[str], host: str) -> Nodes:
    """What the user says of nodes. listed: all of them, as SLURM writes a list; own: this node's name; `host`, where it
    is not said. Raises ValueError."""
    names = tuple(dict.fromkeys(expanded(listed))) if listed else ()
    said = own or host
    name = next((name for name in names if _short(name) == _short(said)), "" if names else said)
    if names and not name:
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise ValueError(f"this node is called {said}, which is none of {shown}")
    return Nodes(names, name if names or own else "", files, frozenset(roles))


def expanded(text: str) -> list[str]:
    """The names of a list as SLURM writes it (SLURM_JOB_NODELIST): `login,node[01-03,7]-ib`. Raises ValueError."""
    if _LIST.fullmatch(text.strip()) is None:
        raise ValueError(f"{text[:200]!r} is not a list of nodes such as node[01-04],login")
    found: list[str] = []
    for part in _NAMES.findall(text):
        found += _expanded(part)
        if len(found) > MOST:
            raise ValueError(f"more than {MOST:,} nodes")
    return found


def _expanded(part: str) -> list[str]:
    match = _RANGES.search(part)
    if match is None:
        return [part]
    names = []
    for piece in match[2].split(","):
        numbers = _RANGE.fullmatch(piece)
        if numbers is None or not 0 <= int(numbers[2] or numbers[1]) - int(numbers[1]) < MOST:
            raise ValueError(f"{piece[:50]!r} is not a range of nodes such as 01-04")
        last = int(numbers[2] or numbers[1])
        names += [f"{match[1]}{number:0{len(numbers[1])}}" for number in range(int(numbers[1]), last + 1)]
    ends = _expanded(part[match.end() :])
    if len(names) * len(ends) > MOST:
        raise ValueError(f"more than {MOST:,} nodes")
    return [name + end for name in names for end in ends]


def _names_in_paths(names: Sequence[str]) -> re.Pattern[str] | None:
    """Finds a node's name in a path, as a word; a name of digits alone says nothing."""
    words = sorted((re.escape(name) for name in names if not name.isdecimal()), key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(words)})(?![A-Za-z0-9])") if words else None


def _short(name: str) -> str:
    """A host's name without its domain."""
    return name.partition(".")[0].lower()


def _unrotated(name: str) -> str:
    """What a file was called before it was rotated: the past of a file is read with it."""
    while (before := rotated_from(name)) is not None:
        name = before
    return name


def host_name() -> str:
    """This machine, as SLURM calls it, else by its own word."""
    return os.environ.get("SLURMD_NODENAME") or os.uname().nodename
