from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rli_agent.store import location
from rli_agent.store.location import state_dir


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Directories that count as NFS; no scratch but what a test names."""
    found: list[Path] = []
    monkeypatch.setattr(location, "is_network", lambda path: any(path.is_relative_to(one) for one in found))
    monkeypatch.setattr(location, "file_system_type", lambda _: "nfs4")
    for name in ("SLURM_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    return found


def test_what_is_asked_for_is_taken(tmp_path: Path, remote: list[Path]) -> None:
    asked = tmp_path / "asked"
    assert state_dir(asked, tmp_path) == (asked, "")
    remote.append(tmp_path)
    place, why = state_dir(asked, tmp_path)
    assert place == asked
    assert "nfs4" in why
    assert "better give" in why


def test_a_local_home_is_the_place(tmp_path: Path, remote: list[Path]) -> None:
    assert remote == []
    place = tmp_path / ".rl-insight"
    assert state_dir(None, tmp_path) == (place, "")
    assert not place.exists()


def test_a_home_elsewhere_gives_the_first_local_scratch(
    tmp_path: Path, remote: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, slurm, scratch = (tmp_path / name for name in ("home", "slurm", "scratch"))
    for folder in (home, slurm, scratch):
        folder.mkdir()
    remote.append(home)
    monkeypatch.setenv("SLURM_TMPDIR", str(slurm))
    monkeypatch.setenv("TMPDIR", str(scratch))
    own = f"rl-insight-{os.getuid()}"
    place, why = state_dir(None, home)
    assert place == slurm / own
    assert f"{home} is on nfs4" in why
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    remote.append(slurm)
    assert state_dir(None, home)[0] == scratch / own
    assert state_dir(None, home)[0] == scratch / own  # there already, and ours


@pytest.mark.parametrize("trap", ["open to others", "link", "file"])
def test_a_directory_that_others_may_write_is_not_used(
    tmp_path: Path, remote: list[Path], monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    home, bad, good = (tmp_path / name for name in ("home", "bad", "good"))
    for folder in (home, bad, good):
        folder.mkdir()
    remote.append(home)
    monkeypatch.setenv("SLURM_TMPDIR", str(bad))
    monkeypatch.setenv("TMPDIR", str(good))
    own = f"rl-insight-{os.getuid()}"
    if trap == "open to others":
        (bad / own).mkdir()
        (bad / own).chmod(0o777)
    elif trap == "link":
        (bad / own).symlink_to(good)
    else:
        (bad / own).touch()
    assert state_dir(None, home)[0] == good / own


def test_a_home_that_cannot_be_written_is_not_the_place(
    tmp_path: Path, remote: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remote == []
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "file").touch()
    place, why = state_dir(None, tmp_path / "file" / "home")
    assert place == tmp_path / f"rl-insight-{os.getuid()}"
    assert "cannot be written" in why


def test_no_place_at_all_is_said(tmp_path: Path, remote: list[Path]) -> None:
    remote.append(Path("/"))
    place, why = state_dir(None, tmp_path)
    assert place == tmp_path / ".rl-insight"
    assert "give a local directory with --state-dir" in why
