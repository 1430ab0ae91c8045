"""The bundle as a file: a tar, packed with gzip, that says of itself what is in it and what was cut."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rli_agent.bundle.contents import Cut, Piece


def manifest(pieces: Sequence[Piece], cut: Cut, about: dict[str, Any]) -> str:
    """The list of contents, with their sizes and sums, and of what was cut."""
    files = [
        {
            "name": piece.name, "about": piece.about, "bytes": len(data := piece.text.encode()),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for piece in pieces
    ]  # fmt: skip
    left = {
        "secrets": cut.secrets, "prompt_lines": cut.prompt_lines, "prompt_texts": cut.prompt_texts,
        "without_room": cut.without_room, "unread": cut.unread,
    }  # fmt: skip
    return json.dumps({**about, "files": files, "cut": left}, indent=1, ensure_ascii=False) + "\n"


def write(path: Path, folder: str, pieces: Sequence[Piece], when: float) -> int:
    """Write the pieces into `path`, below one folder; the file's size. Raises OSError."""
    names: set[str] = set()
    with path.open("xb") as file:
        path.chmod(0o600)
        with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
            for piece in pieces:
                name, number = piece.name, 1
                while name in names:
                    number += 1
                    name = f"{piece.name}.{number}"
                names.add(name)
                data = piece.text.encode()
                info = tarfile.TarInfo(f"{folder}/{name}")
                info.size, info.mtime, info.mode = len(data), int(when), 0o600
                archive.addfile(info, io.BytesIO(data))
    return path.stat().st_size
