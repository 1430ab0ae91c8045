"""Other places of a run: what its configurations and its lines name is read too, within reason.

Log text is a stranger's: a place is followed if it is there, belongs to the run's user, is no home and no directory
that everybody uses, and lies in no hidden directory. What is not followed for one of these reasons is said.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

#: Facts that name a place, and what it is.
PLACES = {
    "rollout_dir": "rollouts", "validation_dir": "validation rollouts", "checkpoint_dir": "checkpoints",
    "log_dir": "logs", "log_file": "a log",
}  # fmt: skip
#: So many are followed, however many are named.
MOST_PLACES = 16


class Places:
    """The places that the facts of a run name, beside `given`, where it was said to be. `say` prints for people."""

    def __init__(self, given: Iterable[Path], say: Callable[[str], None]) -> None:
        self._given = [Path(os.path.realpath(path)) for path in given]
        self._say = say
        self._named: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        self.found: list[Path] = []

    def learn(self, facts: Mapping[str, str]) -> bool:
        """Take up what is named by now. Whether there is something new to look for."""
        new = {key: facts[key] for key in PLACES if key in facts and self._named.get(key) != facts[key]}
        self._named |= new
        self._waiting |= {value: key for key, value in new.items()}
        return bool(new)

    def look(self, configs: Iterable[Path]) -> list[Path]:
        """Places that are there now and were not before. `configs`: the run's configuration files; a relative path is
        one from the directory in which the run was started, which Hydra's tell."""
        new = []
        for text, key in list(self._waiting.items()):
            path = self._resolved(text, configs)
            if path is None:
                continue
            del self._waiting[text]
            if any(path.is_relative_to(known) for known in [*self._given, *self.found]):
                continue
            why = self._too_wide(path)
            if why is None and len(self.found) >= MOST_PLACES:
                why = f"{MOST_PLACES} places are followed already"
            if why is not None:
                self._say(f"not followed: {path}, {PLACES[key]} as the run says: {why}; name it on the command line")
                continue
            self._say(f"also follows {path}: {PLACES[key]}, as the run says")
            self.found.append(path)
            new.append(path)
        return new

    def _resolved(self, text: str, configs: Iterable[Path]) -> Path | None:
        path = Path(os.path.expanduser(text))
        bases = [Path("/")] if path.is_absolute() else [*_started_in(configs), *self._folders()]
        return next((Path(os.path.realpath(base / path)) for base in bases if os.path.exists(base / path)), None)

    def _folders(self) -> list[Path]:
        folders = [path if path.is_dir() else path.parent for path in self._given]
        return [*folders, *(folder.parent for folder in folders)]

    def _too_wide(self, path: Path) -> str | None:
        shared = {Path(os.path.realpath(p)) for p in ("/", Path.home(), tempfile.gettempdir(), "/tmp", "/var/tmp")}
        if path in shared or any(inner.is_relative_to(path) for inner in [*shared, *self._given]):
            return "it holds more than this run"
        if path.is_relative_to("/proc") or path.is_relative_to("/sys") or path.is_relative_to("/dev"):
            return "it is the system's"
        if any(part.startswith(".") for part in path.parts):
            return "it is hidden"
        try:
            owners = {os.getuid(), *(given.stat().st_uid for given in self._given if given.exists())}
            if path.stat().st_uid not in owners:
                return "it belongs to somebody else"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return None


def _started_in(configs: Iterable[Path]) -> list[Path]:
    """The directories in which Hydra was started: DIR/outputs/DATE/TIME/.hydra/config.yaml."""
    return [c.parents[4] for c in configs if c.parent.name == ".hydra" and len(c.parents) > 4]
