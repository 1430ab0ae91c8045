"""What was installed: `services/manifest.json`, in RL-Insight's form with the sum added."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rli_agent.errors import UserError
from rli_agent.server.files import write_whole
from rli_agent.server.locate import Installed


def read(path: Path) -> dict[str, dict[str, Any]]:
    """What is recorded of each program. A file that cannot be read counts as none: it is a record, what is installed is
    found by looking."""
    try:
        services = json.loads(path.read_text()).get("services", {})
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return {k: v for k, v in services.items() if isinstance(v, dict)} if isinstance(services, dict) else {}


def record(path: Path, it: Installed, archive: str, url: str, sha256: str, sum_from: str) -> None:
    """Note one installed program. `sum_from`: where the sum that it was held against was published."""
    _keep_broken(path)
    services = read(path)
    services[it.program] = {
        "version": str(it.version),
        "binary_path": str(it.binary),
        "homepath": str(it.home) if it.home else None,
        "installed_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "archive": archive,
        "source_url": url,
        "sha256": sha256,
        "sha256_from": sum_from,
    }
    _write(path, services)


def forget(path: Path, folders: Sequence[Path]) -> None:
    """Take out what was installed below these folders."""
    services = read(path)
    kept = {n: s for n, s in services.items() if not _below(Path(str(s.get("binary_path"))), folders)}
    if kept != services:
        _write(path, kept)


def _below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _write(path: Path, services: dict[str, dict[str, Any]]) -> None:
    try:
        write_whole(path, json.dumps({"services": services}, indent=2) + "\n")
    except OSError as e:
        raise UserError(f"{path} cannot be written: {e.strerror or e}") from None


def _keep_broken(path: Path) -> None:
    """Whoever broke the file may want to mend it."""
    try:
        json.loads(path.read_text())
    except OSError:
        pass
    except ValueError:
        path.replace(path.with_name("manifest.json.broken"))
