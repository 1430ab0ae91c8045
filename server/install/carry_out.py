"""Carries out one step of a plan: bring the archive, hold it against its published sum, unpack it, put it in place."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.server.files import make_folder
from rli_agent.server.install import manifest
from rli_agent.server.install.fetch import Fetcher, FetchError, Progress
from rli_agent.server.install.plan import Step, Wish
from rli_agent.server.install.releases import Release
from rli_agent.server.install.sums import find_sum, sum_of
from rli_agent.server.install.unpack import ArchiveError, remove, unpack
from rli_agent.server.locate import Installed, find_inside, grafana_home
from rli_agent.server.places import Places
from rli_agent.server.programs import Program
from rli_agent.server.version import VersionError, version_of

#: A file in each directory that we installed: RL-Insight installs into the same ones.
MARK = ".installed-by-rli-agent"


class Installer:
    """Carries out steps, several at once if need be; what one leaves undone does not touch the others."""

    def __init__(self, places: Places, wish: Wish, fetcher: Fetcher) -> None:
        self._places = places
        self._wish = wish
        self._fetcher = fetcher
        # Starting a program to ask its version while another thread has one open for writing would leave a copy of
        # that descriptor in the child, and the kernel would not run what is open for writing (ETXTBSY).
        self._unpacking = threading.Lock()

    def install(self, step: Step, progress: Progress, say: Callable[[str], None]) -> Installed:
        """Raises UserError."""
        it = step.release
        assert it is not None
        try:
            archive, published, source = self._verified(it, progress)
            say(f"{it.program}: {archive.name} has the SHA-256 that {source} gives")
            with self._unpacking:
                installed = self._unpack(step.program, it, archive)
                url = it.url if self._wish.source is None else str(archive)
                manifest.record(self._places.manifest, installed, archive.name, url, published, source)
        except FetchError as e:
            raise UserError(str(e), self._way_out(it) if e.offline or e.absent else "") from None
        except ArchiveError as e:
            raise UserError(str(e), f"{_bring(it)}, and check that it arrived whole") from None
        except OSError as e:
            raise UserError(f"{e.filename or self._places.services}: {_said(e)}", _mend(e)) from None
        if self._wish.source is None:
            archive.unlink(missing_ok=True)
        return installed

    # -- the archive and its sum -------------------------------------------------------------------------------------

    def _verified(self, it: Release, progress: Progress) -> tuple[Path, str, str]:
        """The archive on this disk, its sum, and who published that. The sum comes first: without one nothing is
        downloaded."""
        if self._wish.source is not None:
            return self._brought(it, self._wish.source)
        expected, source = self._published(it)
        make_folder(self._places.downloads)
        archive = self._places.downloads / it.archive
        resumed = self._fetcher.file(it.url, archive, progress)
        found = sum_of(archive)
        if found != expected and resumed:  # the part was of another file: once more from the beginning
            archive.unlink()
            self._fetcher.file(it.url, archive, progress)
            found = sum_of(archive)
        if found != expected:
            archive.unlink()
            raise _mismatch(it.url, found, expected, source, "it was deleted")
        return archive, expected, source

    def _published(self, it: Release) -> tuple[str, str]:
        told = self._wish.sums.get(it.program)
        if told is not None:
            return told, "--sha256"
        failures = []
        for url in it.sums:
            try:
                found = find_sum(self._fetcher.text(url), it.archive)
            except FetchError as e:
                if e.offline:
                    raise
                failures.append(str(e))
                continue
            if found is not None:
                return found, url
            failures.append(f"{url} does not name {it.archive}")
        raise UserError(
            f"no published SHA-256 for {it.archive}: {'; '.join(failures)}",
            f"look it up at the vendor's, and give it with --sha256 {it.program}=SUM; nothing is installed unchecked",
        )

    def _brought(self, it: Release, folder: Path) -> tuple[Path, str, str]:
        """An archive that somebody put into a folder, and its sum beside it."""
        archive = next((folder / n for n in it.names if (folder / n).is_file()), None)
        if archive is None:
            raise UserError(f"{folder} holds no {it.archive}", _bring(it))
        told = self._wish.sums.get(it.program)
        if told is not None:
            expected, source = told, "--sha256"
        else:
            expected, source = _sum_beside(archive, it)
        found = sum_of(archive)
        if found != expected:
            raise _mismatch(str(archive), found, expected, source, "bring it again")
        return archive, expected, source

    def _way_out(self, it: Release) -> str:
        if self._wish.mirror:
            return f"the mirror must serve {it.archive} and {it.archive}.sha256 or sha256sums.txt"
        return (
            "behind a proxy set https_proxy; without a network give a folder that holds the files (--from DIR, "
            f"`--dry-run --from DIR` lists them): {it.archive} from {it.url}, and its sum from {it.sums[0]}"
        )

    # -- into its place ----------------------------------------------------------------------------------------------

    def _unpack(self, program: Program, it: Release, archive: Path) -> Installed:
        """Unpack beside the place, see that it runs and is what it says, then move it there in one go."""
        home = self._places.services / program.name
        make_folder(home)
        folder = Path(tempfile.mkdtemp(prefix=".unpack-", dir=home))
        try:
            unpack(archive, folder)
            binary = find_inside(program, folder)
            if binary is None:
                names = ", ".join(sorted(p.name for p in folder.iterdir())[:5])
                raise ArchiveError(f"{archive.name} holds no {program.binaries[0]} where it should be (it has {names})")
            binary.chmod(binary.stat().st_mode | 0o700)
            try:
                version = version_of(binary)
            except VersionError as e:
                raise ArchiveError(f"{archive.name} cannot be used: {e}") from None
            if version != it.version:
                raise ArchiveError(f"{archive.name} holds {program.title} {version}, not {it.version}")
            (folder / MARK).touch()
            place = home / str(version)
            _put(folder, place)
            inside = place / binary.relative_to(folder)
            grafana = grafana_home(inside) if program.name == "grafana" else None
            return Installed(program.name, version, inside, True, grafana)
        finally:
            remove(folder)


def _put(folder: Path, place: Path) -> None:
    """`folder` becomes `place`; what was there before goes."""
    folder.chmod(0o755)
    if place.exists():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=place.parent))
        os.rename(place, old / place.name)
        os.rename(folder, place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(folder, place)


def _sum_beside(archive: Path, it: Release) -> tuple[str, str]:
    folder = archive.parent
    beside = (f"{archive.name}.sha256", "sha256sums.txt", "SHA256SUMS", f"{it.program}-sha256sums.txt")
    for name in beside:
        try:
            text = (folder / name).read_text(errors="replace")
        except OSError:
            continue
        found = find_sum(text, archive.name)
        if found is not None:
            return found, str(folder / name)
    raise UserError(
        f"no SHA-256 for {archive.name} in {folder}",
        f"bring {it.sums[0]} as {archive.name}.sha256, or give the sum with --sha256 {it.program}=SUM",
    )


def _mismatch(what: str, found: str, expected: str, source: str, then: str) -> UserError:
    return UserError(
        f"{what} is not what was published: its SHA-256 is {found}, {source} gives {expected}; {then}",
        "a proxy or mirror may have changed it; compare with the vendor's page before you try again",
    )


def _bring(it: Release) -> str:
    return f"bring {it.archive} from {it.url}, and its sum from {it.sums[0]} as {it.archive}.sha256"


def _said(error: OSError) -> str:
    return "no space is left on its disk" if error.errno == errno.ENOSPC else error.strerror or str(error)


def _mend(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "make room, or install elsewhere with --root DIR; what came is kept, and gone on from"
    return "install elsewhere with --root DIR"
