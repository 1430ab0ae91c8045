"""Where the stack keeps its things, below one directory (default ~/.rl-insight).

`services/` has RL-Insight's form, and what it installed there is found and used. The rest lies apart from RL-Insight's
own files in `server/`, so that neither overwrites the other's configuration nor opens the other's data.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from msgspec import Struct


class Places(Struct, frozen=True):
    """The directory of one stack; see the properties. Nothing is made by asking for a path."""

    root: Path

    @property
    def services(self) -> Path:
        """Installed programs: `<program>/<version>/`."""
        return self.root / "services"

    @property
    def downloads(self) -> Path:
        return self.services / "_downloads"

    @property
    def manifest(self) -> Path:
        """What was installed, when, from where, with which SHA-256."""
        return self.services / "manifest.json"

    @property
    def server(self) -> Path:
        return self.root / "server"

    @property
    def config(self) -> Path:
        """Rendered configurations. Written at every start."""
        return self.server / "config"

    @property
    def logs(self) -> Path:
        return self.server / "logs"

    @property
    def data(self) -> Path:
        return self.server / "data"

    @property
    def state(self) -> Path:
        """What runs, as JSON; see supervise/state.py."""
        return self.server / "state.json"

    @property
    def lock(self) -> Path:
        return self.server / "lock"

    @property
    def password(self) -> Path:
        """Grafana's admin password, for this user's eyes alone."""
        return self.server / "grafana-password"

    @property
    def settings(self) -> Path:
        """The user's settings, where no other file is named."""
        return self.root / "server.yaml"

    @property
    def targets(self) -> Path:
        """Scrape targets that agents of this machine write. The root may be a home directory that machines share, and
        an agent listens on its own machine's loopback: one folder a machine."""
        host = re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname()) or "localhost"
        return self.server / "targets" / host


def default_root() -> Path:
    """What RLI_AGENT_SERVER_ROOT names, else ~/.rl-insight."""
    named = os.environ.get("RLI_AGENT_SERVER_ROOT")
    return Path(named).expanduser().absolute() if named else Path.home() / ".rl-insight"
