"""What `server install` says when something is wrong, and that it leaves nothing half done."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

import pytest

from rli_agent.cli import main
from rli_agent.server.install import fetch
from rli_agent.server.install.fetch import Fetcher, FetchError

from .conftest import OURS, Mirror, Run, name_of, packed, script, tar


def tempo(server: Run, mirror: Mirror) -> str:
    """Install Tempo alone, which must fail; what was said."""
    said = server("install", *OURS, "--only", "tempo", "--mirror", mirror.url)
    assert said.code == 1, said.all
    assert "Next: rli-agent server start" not in said.out
    return said.out


def test_no_network(server: Run) -> None:
    said = server("install", *OURS, "--only", "tempo", "--mirror", "http://archives.invalid")
    assert said.code == 1
    assert "archives.invalid cannot be reached: " in said.out


def test_nobody_listens(server: Run) -> None:
    said = server("install", *OURS, "--only", "tempo", "--mirror", "http://127.0.0.1:9")
    assert said.code == 1
    assert "127.0.0.1 cannot be reached: " in said.out
    assert "Connection refused" in said.out


def test_another_sum(server: Run, mirror: Mirror, root: Path) -> None:
    mirror.offer("tempo", "2.6.1", summed=b"what the vendor built")
    said = tempo(server, mirror)
    assert f"its SHA-256 is {hashlib.sha256(mirror.files['/' + name_of('tempo', '2.6.1')]).hexdigest()}" in said
    assert f"gives {hashlib.sha256(b'what the vendor built').hexdigest()}; it was deleted" in said
    assert list((root / "services" / "_downloads").iterdir()) == []
    assert not (root / "services" / "tempo").exists()


def test_no_sum_is_published(server: Run, mirror: Mirror) -> None:
    archive = mirror.offer("tempo", "2.6.1")
    mirror.files["/sha256sums.txt"] = b"0" * 64 + b"  another.tar.gz\n"
    said = tempo(server, mirror)
    assert f"no published SHA-256 for {archive}" in said
    assert "nothing is installed unchecked" in said
    assert f"/{archive}" not in dict(mirror.asked)


def test_no_such_archive(server: Run, mirror: Mirror) -> None:
    archive = mirror.offer("tempo", "2.6.1")
    del mirror.files[f"/{archive}"]
    assert f"{mirror.url}/{archive} does not exist (HTTP 404)" in tempo(server, mirror)


@pytest.mark.parametrize("kept", [0, 200])
def test_a_damaged_archive(server: Run, mirror: Mirror, kept: int, root: Path) -> None:
    """The sum is right: it was published for what is damaged."""
    mirror.offer("tempo", "2.6.1", packed("tempo", "2.6.1", padding=5000)[:kept])
    said = tempo(server, mirror)
    assert ".tar.gz is damaged" in said or ".tar.gz is empty" in said
    assert [p.name for p in (root / "services" / "tempo").iterdir()] == []


@pytest.mark.parametrize(
    "files",
    [
        {"../../climbed": b"x"},
        {"/tmp/climbed": b"x", "../x": b"y"},
        {"link": "../../..", "link/climbed": b"x"},
        {"link": "/etc/passwd"},
    ],
    ids=["dots", "absolute", "through a link", "a link out"],
)
def test_an_archive_that_climbs_out(server: Run, mirror: Mirror, root: Path, files: dict[str, bytes | str]) -> None:
    mirror.offer("tempo", "2.6.1", tar({"tempo": script("tempo, version 2.6.1"), **files}))
    assert "would write outside of its folder" in tempo(server, mirror)
    assert list(root.parent.rglob("climbed")) == []
    assert [p.name for p in (root / "services" / "tempo").iterdir()] == []


def test_an_archive_of_another_version(server: Run, mirror: Mirror) -> None:
    mirror.offer("tempo", "2.6.1", packed("tempo", "2.6.1", says="tempo, version 2.5.0 (branch: HEAD)"))
    assert "holds Tempo 2.5.0, not 2.6.1" in tempo(server, mirror)


def test_an_archive_for_another_machine(server: Run, mirror: Mirror) -> None:
    mirror.offer("tempo", "2.6.1", tar({"tempo": b"\x7fELF\x02\x01\x01" + b"\0" * 100}))
    assert "cannot be run: it is for another kind of machine" in tempo(server, mirror)


def test_an_archive_without_the_program(server: Run, mirror: Mirror) -> None:
    mirror.offer("tempo", "2.6.1", tar({"temp": b"", "README": b""}))
    assert "holds no tempo where it should be (it has README, temp)" in tempo(server, mirror)


def test_a_folder_without_the_archive_says_what_to_bring(server: Run, tmp_path: Path) -> None:
    said = server("install", *OURS, "--only", "tempo", "--from", tmp_path)
    assert said.code == 1
    assert f"{tmp_path} holds no {name_of('tempo', '2.6.1')}" in said.out
    assert "https://github.com/grafana/tempo/releases/download/v2.6.1/SHA256SUMS" in said.out


def test_an_archive_that_was_brought_without_its_sum(server: Run, tmp_path: Path) -> None:
    (tmp_path / name_of("tempo", "2.6.1")).write_bytes(packed("tempo", "2.6.1"))
    said = server("install", *OURS, "--only", "tempo", "--from", tmp_path)
    assert said.code == 1
    assert f"no SHA-256 for {name_of('tempo', '2.6.1')} in {tmp_path}" in said.out


def test_a_full_disk(mirror: Mirror) -> None:
    """/dev/full answers every write as a full disk does."""
    archive = mirror.offer("tempo", "2.6.1")
    with pytest.raises(FetchError, match="is full"):
        Fetcher().file(f"{mirror.url}/{archive}", _Full("/dev/full"), lambda *_: None)


class _Full(type(Path())):  # type: ignore[misc]
    """A target whose part is /dev/full."""

    def with_name(self, name: str) -> Path:
        del name
        return Path("/dev/full")


def test_a_server_that_never_answers_well_is_given_up(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "FIRST_PAUSE", 0.001)
    archive = mirror.offer("tempo", "2.6.1")
    mirror.trouble[f"/{archive}"] = ["500"] * 20
    with pytest.raises(FetchError, match="the server answered 500"):
        Fetcher().file(f"{mirror.url}/{archive}", tmp_path / archive, lambda *_: None)
    assert len(mirror.asked) == fetch.TRIES


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is read-only for root")
def test_a_home_that_cannot_be_written(server: Run, mirror: Mirror, root: Path) -> None:
    mirror.offer("tempo", "2.6.1")
    root.mkdir(mode=0o500)
    said = server("install", *OURS, "--only", "tempo", "--mirror", mirror.url)
    assert said.code == 2
    assert "cannot be written: Permission denied" in said.err


def test_a_file_system_that_takes_nothing(mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    """/proc refuses new directories, to root as well."""
    mirror.offer("tempo", "2.6.1")
    assert main(["server", "install", *OURS, "--only", "tempo", "--mirror", mirror.url, "--root", "/proc/none"]) == 2
    assert "the directory /proc/none/services cannot be written" in capsys.readouterr().err


def test_a_root_that_is_a_file(server: Run, mirror: Mirror, root: Path) -> None:
    mirror.offer("tempo", "2.6.1")
    root.mkdir()
    (root / "services").write_text("")
    said = server("install", *OURS, "--only", "tempo", "--mirror", mirror.url)
    assert said.code == 2
    assert f"the directory {root / 'services'} cannot be written" in said.err


def test_two_installations_at_once(server: Run, mirror: Mirror, root: Path) -> None:
    mirror.offer("tempo", "2.6.1")
    (root / "services").mkdir(parents=True)
    with (root / "services" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = server("install", *OURS, "--only", "tempo", "--mirror", mirror.url)
    assert said.code == 2
    assert "another installation" in said.err


def test_a_broken_manifest_is_kept_aside(server: Run, mirror: Mirror, root: Path) -> None:
    mirror.offer("tempo", "2.6.1")
    (root / "services").mkdir(parents=True)
    (root / "services" / "manifest.json").write_text("{broken")
    assert server("install", *OURS, "--only", "tempo", "--mirror", mirror.url).code == 0
    assert (root / "services" / "manifest.json.broken").read_text() == "{broken"


def test_a_grafana_whose_build_number_nobody_knows(server: Run, tmp_path: Path) -> None:
    said = server("install", *OURS, "--only", "grafana", "--grafana-version", "13.9.9", "--from", tmp_path)
    assert said.code == 1
    assert f"{tmp_path} holds no grafana_13.9.9_<build>_linux_" in said.out
    assert "say it with --grafana-build" in said.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--tempo-version", "2.6"], "--tempo-version '2.6' is not a version"),
        (["--tempo-version", "1.0.0"], "Tempo 1.0.0 is too old: the stack needs 2.0.0 or later"),
        (["--grafana-build", "12"], "goes with --grafana-version"),
        (["--sha256", "tempo=12"], "give PROGRAM=SUM"),
        (["--from", "/nowhere"], "/nowhere is not a directory"),
    ],
)
def test_mistakes_in_what_was_asked_for(server: Run, arguments: list[str], what: str) -> None:
    said = server("install", *arguments)
    assert said.code == 2
    assert what in said.err
