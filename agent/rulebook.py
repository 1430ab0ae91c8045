"""Which rule packs are in force: looked up in four places, loaded, reloaded when they change, the last good one
kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rli_agent.config_home import config_home
from rli_agent.errors import UserError
from rli_agent.events import Source
from rli_agent.parsers.compiled import RuleSet, holds
from rli_agent.parsers.literals import required_literals
from rli_agent.parsers.pack_files import PackError, load_pack
from rli_agent.parsers.packs import Pack
from rli_agent.shipped import packaged_rules, shipped

__all__ = ["Rulebook", "pack_files", "packaged_rules"]


def pack_files(output_dirs: Sequence[Path] = (), extra: Sequence[Path] = (), home: Path | None = None) -> list[Path]:
    """All pack files in force, in order: of two with one pack name the later wins.

    Packaged, `~/.config/rli-agent/rules/*.yaml`, `<output_dir>/.rli-agent/rules/*.yaml`, then `extra` (files or
    folders).
    """
    folders = [packaged_rules(), config_home(home) / "rules", *(d / ".rli-agent" / "rules" for d in output_dirs)]
    return [f for folder in folders for f in _yaml_in(folder)] + _named(extra)


def _named(extra: Sequence[Path]) -> list[Path]:
    return [file for path in extra for file in (_yaml_in(path) if path.is_dir() else [path])]


def _yaml_in(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [
        folder / n for n in names if n.endswith((".yaml", ".yml")) and n not in ("catalogue.yaml", "detectors.yaml")
    ]


class Rulebook:
    """The packs in force, by name; `version` counts their changes. `complaints` are the messages of packs that could
    not be loaded (newest last).

    Raises UserError if a pack of `extra` cannot be loaded, for it was asked for; `lenient`: it is a complaint as others
    are, for a watch goes on whatever becomes of a file.
    """

    def __init__(
        self, output_dirs: Sequence[Path] = (), extra: Sequence[Path] = (), home: Path | None = None, *,
        lenient: bool = False,
    ) -> None:  # fmt: skip
        self._where = (tuple(output_dirs), tuple(extra), home)
        self._loaded: dict[Path, tuple[tuple[int, int], Pack | None]] = {}
        self._sets: dict[object, RuleSet] = {}
        self._files: Sequence[str] = ()
        self._there: dict[tuple[str, ...], bool] = {}
        self.packs: dict[str, Pack] = {}
        self.version = 0
        self.complaints: list[str] = []
        if not lenient:
            _refuse_broken(_named(extra))
        self.reload()

    def reload(self) -> bool:
        """Load what is new or changed. Whether the packs in force are others than before."""
        files = pack_files(*self._where)
        changed = False
        for path in files:
            stamp = _stamp(path)
            known = self._loaded.get(path)
            if known is not None and known[0] == stamp:
                continue
            try:
                self._loaded[path] = (stamp, _load(path))
                changed = True
            except PackError as e:
                kept = known[1] if known is not None else None
                self._loaded[path] = (stamp, kept)
                self.complaints.append(f"{e}" + (" (the last good version stays in force)" if kept else ""))
        gone = [path for path in self._loaded if path not in files]
        for path in gone:
            del self._loaded[path]
        if changed or gone:
            self.packs = {p.pack: p for path in files if (p := self._loaded[path][1]) is not None}
            self._sets.clear()
            self.version += 1
            return True
        return False

    def rules_for(self, source: Source, files: Sequence[str] = ()) -> RuleSet:
        """The rule set that reads a source; shared by all sources for which the same rules hold."""
        packs = self.packs_of(source)
        if files is not self._files:
            self._files, self._there = files, {}
        held = tuple(holds(r.when, source, files, self._there) for p in packs for r in p.rules)
        layouts = tuple(holds(y.when, source, files, self._there) for p in packs for y in p.layouts)
        key = (source.packs, source.role, source.lane, source.labels, held, layouts)
        rules = self._sets.get(key)
        if rules is None:
            rules = self._sets[key] = RuleSet(packs, source, files)
        return rules

    def packs_of(self, source: Source) -> list[Pack]:
        """The packs that read a source: those it names, or all where it names none."""
        names = source.packs or tuple(self.packs)
        return sorted((self.packs[n] for n in names if n in self.packs), key=_rank)


def _load(path: Path) -> Pack:
    if path.parent != packaged_rules():
        return load_pack(path)
    return shipped(path.name, Pack, lambda: _with_literals(load_pack(path, trusted=True)))


def _with_literals(pack: Pack) -> Pack:
    """The pack with all that its rules' patterns hold, which takes long to find out."""
    for rule in pack.rules:
        rule.contains = rule.contains or list(required_literals(rule.pattern))
    return pack


def _refuse_broken(files: Sequence[Path]) -> None:
    for path in files:
        try:
            load_pack(path)
        except PackError as e:
            raise UserError(str(e), "fix the rule pack that --rules names, or leave it out") from None


def _rank(pack: Pack) -> int:
    return ("framework", "engine", "generic", "problems").index(pack.kind)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_size)
