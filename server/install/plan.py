"""What an installation will do, decided before anything is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.server.install.fetch import Fetcher, FetchError
from rli_agent.server.install.releases import GRAFANA_VERSIONS, Release, mirrored, release
from rli_agent.server.install.sums import packages
from rli_agent.server.locate import Installed, Prefer, look_for
from rli_agent.server.places import Places
from rli_agent.server.programs import Program
from rli_agent.server.version import Version


class Wish(Struct, frozen=True):
    """What the user asked for. `versions`: exact ones, by program. `current`: the newer set. `builds`: Grafana's, by
    version. `source`: a folder that holds the archives. `sums`: SHA-256 by program, told by the user. `also`: programs
    that are optional."""

    arch: str
    only: Sequence[str] = ()
    current: bool = False
    versions: Mapping[str, Version] = {}
    builds: Mapping[str, str] = {}
    prefer: Prefer = "system"
    source: Path | None = None
    mirror: str | None = None
    sums: Mapping[str, str] = {}
    also: Sequence[str] = ()


class Step(Struct, frozen=True):
    """One program: `use` what is there, or install `release`. `problem`: why neither is possible. `refused`: binaries
    that were found and will not do."""

    program: Program
    version: Version
    use: Installed | None = None
    release: Release | None = None
    problem: str = ""
    refused: Sequence[str] = ()


def make_plan(programs: Sequence[Program], places: Places, wish: Wish, fetcher: Fetcher) -> list[Step]:
    """A step for each program that was asked for. Asks the network only for the name of a Grafana archive that is not
    known here."""
    asked = [p for p in programs if p.name in (*wish.only, *wish.also) or not (wish.only or p.optional)]
    return [_step(p, places, wish, fetcher) for p in asked]


def _step(program: Program, places: Places, wish: Wish, fetcher: Fetcher) -> Step:
    exact = wish.versions.get(program.name)
    wanted = exact or (program.current if wish.current else program.reference)
    if wanted < program.minimum:
        raise UserError(f"{program.title} {wanted} is too old: the stack needs {program.minimum} or later")
    search = look_for(program, places, wish.prefer)
    use = next((i for i in search.found if _enough(i, exact, wanted, wish)), None)
    if use is not None:
        return Step(program, use.version, use=use, refused=search.refused)
    it = release(program, wanted, wish.arch, wish.builds.get(str(wanted)))
    if it is None:
        return _unknown_build(program, wanted, wish, fetcher, search.refused)
    return Step(program, wanted, release=mirrored(it, wish.mirror) if wish.mirror else it, refused=search.refused)


def _enough(it: Installed, exact: Version | None, wanted: Version, wish: Wish) -> bool:
    """Whether an installed program does. Any that is recent enough, unless a version or the newer set was asked for."""
    if wish.prefer == "managed" and not it.managed:
        return False
    if exact is not None:
        return it.version == exact
    return it.version >= wanted if wish.current or wish.prefer == "managed" else True


def _unknown_build(program: Program, version: Version, wish: Wish, fetcher: Fetcher, refused: Sequence[str]) -> Step:
    """The name of Grafana's archive carries a number that only Grafana knows."""
    page = f"https://grafana.com/grafana/download/{version}"
    mend = f"say it with --grafana-build (it stands in the archive's name on {page})"
    if wish.source is not None:
        return _in_folder(program, version, wish, wish.source, mend, refused)
    try:
        listed = packages(fetcher.text(f"{GRAFANA_VERSIONS}/{version}"))
    except FetchError as e:
        what = f"the build number of Grafana {version} is not known here, and Grafana cannot be asked: {e}; {mend}"
        return Step(program, version, problem=what, refused=refused)
    prefix, suffix = f"grafana_{version}_", f"_linux_{wish.arch}.tar.gz"
    for package in listed:
        name = str(package.get("url", "")).rpartition("/")[2]
        if name.startswith(prefix) and name.endswith(suffix):
            it = release(program, version, wish.arch, name[len(prefix) : -len(suffix)])
            assert it is not None
            return Step(program, version, release=mirrored(it, wish.mirror) if wish.mirror else it, refused=refused)
    what = f"Grafana lists no archive of {version} for linux {wish.arch}"
    return Step(program, version, problem=what, refused=refused)


def _in_folder(program: Program, version: Version, wish: Wish, folder: Path, mend: str, refused: Sequence[str]) -> Step:
    for path in sorted(folder.glob(f"grafana_{version}_*_linux_{wish.arch}.tar.gz")):
        build = path.name.removeprefix(f"grafana_{version}_").removesuffix(f"_linux_{wish.arch}.tar.gz")
        return Step(program, version, release=release(program, version, wish.arch, build), refused=refused)
    what = f"{folder} holds no grafana_{version}_<build>_linux_{wish.arch}.tar.gz; {mend}"
    return Step(program, version, problem=what, refused=refused)
