"""What the files of a run are called: in events, in the store, and to people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


class Names:
    """Names by path. One stays what it was when its file was first seen: events carry it.

    given: the run's paths as they were given; roots: the same, free of links. A file is called by its place below the
    root that it lies in, one below a root that was added later with that root's own name before.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.given = [Path(os.path.abspath(p)) for p in paths]
        self.roots = [os.path.realpath(p) for p in paths]
        self._added: set[str] = set()
        self._names: dict[str, str] = {}

    def add(self, path: Path) -> str:
        """Another place of the run, whose files are called after it. Returns its root."""
        root = os.path.realpath(path)
        self.given.append(Path(os.path.abspath(path)))
        self.roots.append(root)
        self._added.add(root)
        return root

    def __getitem__(self, path: str) -> str:
        return self._names[path]

    def forget(self, path: str) -> None:
        """The file is not shown any more: its name is free."""
        self._names.pop(path, None)

    def give(self, paths: Sequence[str]) -> None:
        """Name those files below the roots that have no name yet; no two get the same."""
        taken = set(self._names.values())
        for path in paths:
            if path in self._names:
                continue
            given, root = next((g, r) for g, r in zip(self.given, self.roots, strict=True) if _within(path, r))
            below = path[len(root.rstrip("/")) + 1 :]
            name = given.name if path == root else f"{given.name}/{below}" if root in self._added else below
            name = os.fsencode(name).decode(errors="replace")
            for longer in (f"{given.name}/{name}", path):
                if name in taken:
                    name = longer
            self._names[path] = name
            taken.add(name)

    def called(self, path: str) -> str:
        """How a file is called to people; also one that is not read."""
        root = next((r for r in self.roots if _within(path, r)), "/")
        return self._names.get(path) or os.path.relpath(path, root)


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
