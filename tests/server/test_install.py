"""`server install` from beginning to end, against a web server with archives in the vendors' layouts."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from .conftest import OURS, Mirror, Run, name_of, packed, script, tar

REFERENCE = {"prometheus": "2.54.1", "tempo": "2.6.1", "grafana": "13.0.0"}


def manifest(root: Path) -> dict[str, dict[str, str]]:
    services: dict[str, dict[str, str]] = json.loads((root / "services" / "manifest.json").read_text())["services"]
    return services


def leftovers(root: Path) -> list[str]:
    """What an installation must not leave behind."""
    marks = (".unpack-", ".old-", ".part", ".tmp")
    return [p.name for p in root.rglob("*") if any(mark in p.name for mark in marks)]


def test_the_reference_set_is_installed_and_recorded(server: Run, mirror: Mirror, root: Path) -> None:
    for name, version in REFERENCE.items():
        mirror.offer(name, version)
    said = server("install", *OURS, "--mirror", mirror.url)
    assert said.code == 0, said.all
    assert "ready to start: prometheus, tempo, grafana" in said.out
    for name, version in REFERENCE.items():
        noted = manifest(root)[name]
        assert noted["version"] == version
        assert os.access(noted["binary_path"], os.X_OK)
        assert Path(noted["binary_path"]).is_relative_to(root / "services" / name / version)
        assert noted["sha256"] == hashlib.sha256(mirror.files["/" + name_of(name, version)]).hexdigest()
        assert noted["sha256_from"] == f"{mirror.url}/sha256sums.txt"
    assert Path(manifest(root)["grafana"]["homepath"]).name == "grafana-13.0.0"
    assert leftovers(root) == []


def test_the_current_set_has_newer_versions(server: Run, mirror: Mirror, root: Path) -> None:
    for name, version in (("prometheus", "3.5.5"), ("tempo", "3.0.3"), ("grafana", "13.2.2")):
        mirror.offer(name, version)
    said = server("install", *OURS, "--set", "current", "--mirror", mirror.url)
    assert said.code == 0, said.all
    assert manifest(root)["tempo"]["version"] == "3.0.3"


def test_what_is_recent_enough_is_used_and_not_downloaded(
    server: Run, mirror: Mirror, tmp_path: Path, root: Path
) -> None:
    there = tmp_path / "bin" / "tempo"
    there.write_bytes(script("tempo, version 2.0.0 (branch: HEAD)"))
    there.chmod(0o755)
    said = server("install", "--only", "tempo", "--mirror", mirror.url)
    assert (said.code, mirror.asked) == (0, [])
    assert f"tempo        2.0.0    is there: {there}" in said.out
    mirror.offer("tempo", "2.6.1")
    assert server("install", *OURS, "--only", "tempo", "--mirror", mirror.url).code == 0
    assert manifest(root)["tempo"]["version"] == "2.6.1"


def test_what_is_too_old_is_named_and_replaced(server: Run, mirror: Mirror, tmp_path: Path) -> None:
    there = tmp_path / "bin" / "tempo"
    there.write_bytes(script("tempo, version 1.5.0 (branch: HEAD)"))
    there.chmod(0o755)
    mirror.offer("tempo", "2.6.1")
    said = server("install", *OURS, "--only", "tempo", "--mirror", mirror.url)
    assert f"not used: {there} is 1.5.0, older than 2.0.0" in said.out
    assert "tempo: 2.6.1 is installed" in said.out


def test_installing_twice_downloads_once(server: Run, mirror: Mirror) -> None:
    mirror.offer("tempo", "2.6.1")
    assert server("install", *OURS, "--only", "tempo", "--mirror", mirror.url).code == 0
    asked = list(mirror.asked)
    assert server("install", *OURS, "--only", "tempo", "--mirror", mirror.url).code == 0
    assert mirror.asked == asked


def test_a_dry_run_tells_all_and_does_nothing(server: Run, root: Path) -> None:
    said = server("install", *OURS, "--dry-run")
    assert "https://github.com/prometheus/prometheus/releases/download/v2.54.1/prometheus-2.54.1.linux-" in said.out
    assert "https://github.com/grafana/tempo/releases/download/v2.6.1/tempo_2.6.1_linux_" in said.out
    assert "https://dl.grafana.com/grafana/release/13.0.0/grafana_13.0.0_24384745231_linux_" in said.out
    assert not root.exists()


def test_one_that_fails_does_not_undo_the_others(server: Run, mirror: Mirror, root: Path) -> None:
    mirror.offer("prometheus", "2.54.1")
    mirror.offer("tempo", "2.6.1", content=b"no archive")
    mirror.offer("grafana", "13.0.0")
    said = server("install", *OURS, "--mirror", mirror.url)
    assert said.code == 1
    assert "tempo: NOT installed: tempo_2.6.1" in said.out
    assert "When that is fixed: rli-agent server install --only tempo" in said.out
    assert set(manifest(root)) == {"prometheus", "grafana"}
    assert leftovers(root) == []


@pytest.mark.parametrize("trouble", ["cut:50000", "503", "429"])
def test_a_download_that_breaks_off_goes_on(server: Run, mirror: Mirror, trouble: str) -> None:
    archive = mirror.offer("tempo", "2.6.1", packed("tempo", "2.6.1", padding=100_000))
    mirror.trouble[f"/{archive}"] = [trouble]
    said = server("install", *OURS, "--only", "tempo", "--mirror", mirror.url)
    assert said.code == 0, said.all
    asked = [r for p, r in mirror.asked if p == f"/{archive}"]
    assert asked == ["", "bytes=49152-" if trouble == "cut:50000" else ""]


def test_half_a_download_of_another_time_is_gone_on_from(server: Run, mirror: Mirror, root: Path) -> None:
    archive = mirror.offer("tempo", "2.6.1")
    downloads = root / "services" / "_downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{archive}.part").write_bytes(mirror.files[f"/{archive}"][:100])
    assert server("install", *OURS, "--only", "tempo", "--mirror", mirror.url).code == 0
    assert (f"/{archive}", "bytes=100-") in mirror.asked


@pytest.mark.parametrize("part", [b"of another file", b"x" * 100_000], ids=["shorter", "longer"])
def test_a_part_of_something_else_is_thrown_away(server: Run, mirror: Mirror, root: Path, part: bytes) -> None:
    archive = mirror.offer("tempo", "2.6.1")
    downloads = root / "services" / "_downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{archive}.part").write_bytes(part)
    said = server("install", *OURS, "--only", "tempo", "--mirror", mirror.url)
    assert said.code == 0, said.all


def test_a_proxy_is_used(server: Run, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.offer("tempo", "2.6.1")
    monkeypatch.setenv("http_proxy", mirror.url)
    said = server("install", *OURS, "--only", "tempo", "--mirror", "http://archives.example/all")
    assert said.code == 0, said.all


def test_without_a_network_a_folder_of_archives_is_enough(server: Run, root: Path, tmp_path: Path) -> None:
    brought = tmp_path / "brought"
    brought.mkdir()
    for name, version in REFERENCE.items():
        archive = brought / name_of(name, version)
        archive.write_bytes(packed(name, version))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        (brought / f"{archive.name}.sha256").write_text(f"{digest}  {archive.name}\n")
    said = server("install", *OURS, "--from", brought)
    assert said.code == 0, said.all
    assert {n: m["version"] for n, m in manifest(root).items()} == REFERENCE
    assert len(list(brought.iterdir())) == 6  # what somebody brought stays


def test_a_dry_run_says_which_files_to_bring(server: Run, tmp_path: Path) -> None:
    said = server("install", *OURS, "--dry-run", "--from", tmp_path)
    for url in (
        "https://github.com/prometheus/prometheus/releases/download/v2.54.1/sha256sums.txt",
        "https://github.com/grafana/tempo/releases/download/v2.6.1/SHA256SUMS",
    ):
        assert url in said.out


def test_a_sum_may_be_told(server: Run, tmp_path: Path) -> None:
    archive = tmp_path / name_of("tempo", "2.6.1")
    archive.write_bytes(packed("tempo", "2.6.1"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    told = ("--sha256", f"tempo={digest.upper()}")
    assert server("install", *OURS, "--only", "tempo", "--from", tmp_path, *told).code == 0


@pytest.mark.real
def test_debians_prometheus_in_the_vendors_layout_is_installed(server: Run, mirror: Mirror, root: Path) -> None:
    binary = Path("/usr/bin/prometheus")
    top = name_of("prometheus", "2.42.0").removesuffix(".tar.gz")
    content = tar({f"{top}/{n}": Path(f"/usr/bin/{n}").read_bytes() for n in ("prometheus", "promtool")})
    archive = mirror.offer("prometheus", "2.42.0", content)
    mirror.trouble[f"/{archive}"] = ["cut:5000000"]
    said = server("install", *OURS, "--only", "prometheus", "--prometheus-version", "2.42.0", "--mirror", mirror.url)
    assert said.code == 0, said.all
    assert Path(manifest(root)["prometheus"]["binary_path"]).stat().st_size == binary.stat().st_size
