"""Where a user's own files for the agent lie: settings, rule packs, detectors."""

from __future__ import annotations

import os
from pathlib import Path


def config_home(home: Path | None = None) -> Path:
    """`~/.config/rli-agent`, or `rli-agent` below what XDG_CONFIG_HOME names. home: the user's, otherwise as it is."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or (home or Path.home()) / ".config") / "rli-agent"
