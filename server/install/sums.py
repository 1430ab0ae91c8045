"""SHA-256 sums: read in the forms in which the vendors publish them, and compared with what is in a file."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

_SUM = re.compile(r"[0-9a-fA-F]{64}")
_LINE = re.compile(r"\\?([0-9a-fA-F]{64})\s+[ *]?(\S.*?)\s*")


def find_sum(text: str, archive: str) -> str | None:
    """The archive's sum in: `sha256sum`'s output (`SUM  NAME` lines), a lone sum, or Grafana's description of a version
    (`{"packages": [{"url": …, "sha256": …}]}`). Lower case; None where the text does not give it."""
    stripped = text.strip()
    if _SUM.fullmatch(stripped):
        return stripped.lower()
    if stripped.startswith("{"):
        return _from_packages(stripped, archive)
    for line in stripped.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found and found[2].rpartition("/")[2] == archive:
            return found[1].lower()
    return None


def _from_packages(text: str, archive: str) -> str | None:
    for package in packages(text):
        if str(package.get("url", "")).rpartition("/")[2] == archive:
            found = str(package.get("sha256", ""))
            return found.lower() if _SUM.fullmatch(found) else None
    return None


def packages(text: str) -> list[dict[str, Any]]:
    """The packages that Grafana's description of a version lists."""
    try:
        listed = json.loads(text).get("packages", [])
    except (ValueError, AttributeError, RecursionError):
        return []
    return [p for p in listed if isinstance(p, dict)] if isinstance(listed, list) else []


def is_sum(text: str) -> bool:
    return _SUM.fullmatch(text) is not None


def sum_of(path: Path) -> str:
    """Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
