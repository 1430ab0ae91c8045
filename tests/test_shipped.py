"""What ships as YAML is read once, and kept; what is kept is never another thing than what the YAML says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import rli_agent.rules
from rli_agent.catalogue import Catalogue, _packaged
from rli_agent.detect.loading import packaged
from rli_agent.parsers.compiled import CompiledRule
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.packs import Pack
from rli_agent.rulebook import Rulebook, pack_files, packaged_rules
from rli_agent.shipped import shipped


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _packaged.cache_clear()
    return tmp_path / "cache" / "rli-agent"


def read(name: str) -> Pack:
    return shipped(name, Pack, lambda: load_pack(packaged_rules() / name, trusted=True))


def refuse() -> Pack:
    raise AssertionError("it is read although it is kept")


def test_a_rulebook_from_the_cache_is_the_one_that_the_files_give(cache: Path) -> None:
    first, again = Rulebook(), Rulebook()
    assert first.packs == again.packs
    assert len(list(cache.iterdir())) == len(first.packs)
    fresh = {p.stem: load_pack(p, trusted=True) for p in pack_files() if p.parent == packaged_rules()}
    for name, pack in fresh.items():
        rules = zip(pack.rules, again.packs[name].rules, strict=True)
        assert all(CompiledRule(a, pack).literals == CompiledRule(b, pack).literals for a, b in rules)
        for rule, kept in zip(pack.rules, again.packs[name].rules, strict=True):
            kept.contains = rule.contains
        assert again.packs[name] == pack


def test_detectors_and_catalogue_from_the_cache_are_the_same() -> None:
    detectors, quantities = packaged(), list(Catalogue.load())
    _packaged.cache_clear()
    assert packaged() == detectors
    assert list(Catalogue.load()) == quantities


def test_what_is_kept_is_not_read_again() -> None:
    pack = read("verl.yaml")
    assert shipped("verl.yaml", Pack, refuse) == pack


def test_a_changed_file_is_read_again_and_its_old_self_forgotten(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(packaged_rules(), tmp_path / "rules")
    monkeypatch.setattr(rli_agent.rules, "__path__", [str(tmp_path / "rules")])
    before = read("verl.yaml")
    file = tmp_path / "rules" / "verl.yaml"
    file.write_text(file.read_text().replace("pack: verl", "pack: verd", 1))
    assert (before.pack, read("verl.yaml").pack) == ("verl", "verd")
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("junk", [b"", b"\x00\xff", b"\x81\xa4pack\x01"])
def test_junk_in_the_cache_is_replaced(cache: Path, junk: bytes) -> None:
    pack = read("verl.yaml")
    (kept,) = cache.iterdir()
    kept.write_bytes(junk)
    assert read("verl.yaml") == pack
    assert shipped("verl.yaml", Pack, refuse) == pack


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file stands where the folder would be")
    assert read("verl.yaml").pack == read("verl.yaml").pack == "verl"
