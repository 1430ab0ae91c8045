"""What an archive may write, with tarfile's own filter and where Python has none yet."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path

import pytest

from rli_agent.server.install.unpack import ArchiveError, unpack


@pytest.fixture(autouse=True, params=["as this Python has it", "no filter"])
def filters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no filter":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def archive(folder: Path, *members: tuple[str, bytes, str | int]) -> Path:
    """Members of a type, with where a link points or a file's mode."""
    path = folder / "program.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, more in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if isinstance(more, str):
                member.linkname, member.mode = more, 0o6777
            else:
                member.mode, member.size = more, 1 if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"x"))
    return path


def test_what_stays_inside_is_unpacked_and_written_by_nobody_else(tmp_path: Path) -> None:
    into = tmp_path / "in"
    into.mkdir()
    files: list[tuple[str, bytes, str | int]] = [
        ("program-1", tarfile.DIRTYPE, 0o555), ("program-1/tool", tarfile.REGTYPE, 0o6777),
        ("program-1/also", tarfile.SYMTYPE, "tool"), ("program-1/same", tarfile.LNKTYPE, "program-1/tool"),
        ("program-1/up", tarfile.SYMTYPE, "../program-1/tool"), ("./plain", tarfile.REGTYPE, 0o000),
    ]  # fmt: skip
    unpack(archive(tmp_path, *files), into)
    assert {path.name for path in into.rglob("*")} == {"program-1", "tool", "also", "same", "up", "plain"}
    assert all((into / name).read_bytes() == b"x" for name in ("program-1/also", "program-1/same", "program-1/up"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (into / "program-1/tool", into / "plain")}
    assert modes == {"tool": 0o755, "plain": 0o600}
    assert (into / "program-1/tool").stat().st_uid == tmp_path.stat().st_uid


@pytest.mark.parametrize(
    "member",
    [
        ("../out", tarfile.REGTYPE, 0o644), ("a/../../out", tarfile.REGTYPE, 0o644),
        ("/tmp/out", tarfile.REGTYPE, 0o644),
        ("link", tarfile.SYMTYPE, "../out"), ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("link", tarfile.LNKTYPE, "../program.tar.gz"), ("pipe", tarfile.FIFOTYPE, 0o644),
        ("disk", tarfile.BLKTYPE, 0o644), ("terminal", tarfile.CHRTYPE, 0o644), ("../in-it", tarfile.REGTYPE, 0o644),
    ],
    ids=lambda member: f"{member[0]} {member[1].decode()}",
)  # fmt: skip
def test_what_leads_out_and_devices_are_refused(tmp_path: Path, member: tuple[str, bytes, str | int]) -> None:
    into = tmp_path / "in"
    into.mkdir()
    with pytest.raises(ArchiveError, match="outside of its folder"):
        unpack(archive(tmp_path, member), into)
    assert list(into.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"in", "program.tar.gz"}


def test_a_link_that_was_unpacked_before_leads_nowhere_else(tmp_path: Path) -> None:
    into = tmp_path / "in"
    into.mkdir()
    (into / "way").symlink_to(tmp_path)
    with pytest.raises(ArchiveError, match="outside of its folder"):
        unpack(archive(tmp_path, ("way/out", tarfile.REGTYPE, 0o644)), into)
    assert not (tmp_path / "out").exists()
