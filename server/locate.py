"""Which binaries are on this machine: installed by us (or RL-Insight), or by the system's packages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from rli_agent.server.places import Places
from rli_agent.server.programs import Program
from rli_agent.server.version import Version, VersionError, version_of

Prefer = Literal["system", "managed"]


class Installed(Struct, frozen=True):
    """A binary that can be used. `managed`: it lies in the services folder. `home`: Grafana's directory with `conf`
    and `public`."""

    program: str
    version: Version
    binary: Path
    managed: bool
    home: Path | None = None


class Search(Struct):
    """What was found of a program: usable binaries, best first, and why others are not."""

    found: list[Installed] = []
    refused: list[str] = []


def look_for(program: Program, places: Places, prefer: Prefer = "managed", named: Path | None = None) -> Search:
    """Every binary of the program that is recent enough; `named` is the only one looked at where it is given."""
    search = Search()
    seen: set[Path] = set()
    where = [(named, False)] if named else [*_managed(program, places), *_of_the_system(program)]
    for binary, managed in where:
        real = binary.resolve()
        if real in seen:
            continue
        seen.add(real)
        found = _examine(program, binary, managed)
        if isinstance(found, str):
            search.refused.append(found)
        else:
            search.found.append(found)
    search.found.sort(key=lambda i: (i.managed == (prefer == "managed"), i.version), reverse=True)
    return search


def find_inside(program: Program, folder: Path) -> Path | None:
    """The program's binary in the folder into which its archive was unpacked."""
    for name in program.binaries:
        for pattern in program.inside:
            for place in sorted(folder.glob(pattern)) if pattern else [folder]:
                if (place / name).is_file():
                    return place / name
    return None


def grafana_home(binary: Path) -> Path | None:
    """The directory that has both `conf` and `public`, which Grafana wants as --homepath."""
    real = binary.resolve()
    for candidate in (*real.parents[:3], Path("/usr/share/grafana")):
        if (candidate / "conf").is_dir() and (candidate / "public").is_dir():
            return candidate
    return None


def _examine(program: Program, binary: Path, managed: bool) -> Installed | str:
    if not binary.is_file():
        return f"{binary} does not exist"
    try:
        version = version_of(binary)
    except VersionError as e:
        return str(e)
    if version < program.minimum:
        return f"{binary} is {version}, older than {program.minimum}"
    home = None
    if program.name == "grafana":
        home = grafana_home(binary)
        if home is None:
            return f"{binary} has no directory with conf and public beside it"
    return Installed(program.name, version, binary, managed, home)


def _managed(program: Program, places: Places) -> Iterator[tuple[Path, bool]]:
    folder = places.services / program.name
    try:
        versions: Sequence[Path] = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return
    for version in versions:
        binary = find_inside(program, version)
        if binary is not None:
            yield binary, True


def _of_the_system(program: Program) -> Iterator[tuple[Path, bool]]:
    for name in program.binaries:
        on_path = shutil.which(name)
        if on_path is not None:
            yield Path(on_path), False
        for folder in program.system:
            if (Path(folder) / name).is_file():
                yield Path(folder) / name, False
