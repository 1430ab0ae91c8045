"""Metrics that are missing because something is switched off in the trainer: which, and what switches them on."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rli_agent.discover.configs import setting
from rli_agent.parsers.packs import Pack


def switched_off(pack: Pack, names: Collection[str], configs: Sequence[Path], root: Path) -> Iterator[str]:
    """A sentence for each switch of a framework that leaves a run without metrics, as its configuration or the
    framework's default says. names: the native names that the run has."""
    for switch in pack.switches:
        if _any(switch.metrics, names) or (switch.where and not _any(switch.where, names)):
            continue
        stated = setting(configs, switch.config) if switch.config else None
        missing = f"not printed by this run: {', '.join(switch.metrics)}"
        if stated is None:
            if switch.default == "off":
                yield f"{missing}; to get it, set {switch.set}"
            continue
        value, file, line = stated
        if any(value == off and isinstance(value, bool) == isinstance(off, bool) for off in switch.off):
            said = f"{os.path.relpath(file, root)}:{line} has {value}"
            yield f"{missing}; to get it, set {switch.set} ({said})"


def _any(globs: Sequence[str], names: Collection[str]) -> bool:
    return any(name == glob or fnmatchcase(name, glob) for glob in globs for name in names)
