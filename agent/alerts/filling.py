"""A disk that fills: told before a checkpoint finds no room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from rli_agent.alerts.pager import Pager
from rli_agent.events import Event, Source
from rli_agent.life.state import ENDS
from rli_agent.life.wording import spoken
from rli_agent.machine.disk import Room, Use, checkpoint_size, room
from rli_agent.message import Message, Severity
from rli_agent.store.run_store import RunStore
from rli_agent.terminal import sized

KIND = "disk_filling"
_NAME = "disks"
#: The fact that names the directory of checkpoints.
_CHECKPOINTS = "checkpoint_dir"
#: Directories of checkpoints beside a run's logs, where no fact names one.
_USUAL = ("checkpoints", "ckpt", "ckpts")
#: Seconds between two looks.
_EVERY = 60.0
#: Seconds between two searches for a checkpoint where none was found.
_SEARCH_EVERY = 1800.0
#: A disk that is full within so many seconds is told of; it is over when it lasts twice as long, and twice a checkpoint
#: has room.
_SOON = 6 * 3600.0
#: Less than this is too little for anything, whatever a checkpoint takes.
_LEAST = 64 << 20


class Noted(Struct):
    """What survives the agent: open incidents by directory, and how many there were."""

    open: dict[str, str] = {}
    count: int = 0


_NOTED = msgspec.json.Decoder(Noted).decode


class DiskWatch:
    """A publisher that looks at the disks on which the run writes, once a minute while the run goes on. `root` is where
    it writes; the directory of its checkpoints is what the run's facts say, relative to `root`, or lies below it."""

    def __init__(self, store: RunStore, pager: Pager, run: str, root: Path) -> None:
        self._pager = pager
        self._run = run
        self._root = root
        self._looked = -_EVERY
        self._uses: dict[int, Use] = {}
        self._step: int | None = None
        self._size: int | None = None
        self._sized = -_SEARCH_EVERY
        self._noted = store.knowledge.recall(_NAME, _NOTED, "disks") or Noted()

    def record(self, events: Sequence[Event], source: Source, now: float) -> None:
        """Nothing of it is told by lines."""

    def close(self, patience: float) -> None:
        """Nothing is under way."""

    def tick(self, now: float) -> None:
        """Look, where it is time."""
        state = self._pager.tracker.state
        if now - self._looked < _EVERY or state.life in ENDS or state.quiet:
            return
        self._looked = now
        said: list[Message] = []
        seen: set[int] = set()
        for place in self._places():
            found = room(place)
            if found is not None and found.device not in seen:
                seen.add(found.device)
                said += self._judge(place, found, now)
        if said:
            self._pager.tell(said, {_NAME: msgspec.json.encode(self._noted)})

    def _places(self) -> list[Path]:
        """Where checkpoints go, then where the run writes."""
        named = self._pager.tracker.state.facts.get(_CHECKPOINTS)
        checkpoints = [self._root / Path(named).expanduser()] if named and "${" not in named else []
        usual = [place for name in _USUAL if (place := self._root / name).is_dir()]  # it may be a link to another disk
        return [*checkpoints, *usual, self._root]

    def _judge(self, place: Path, found: Room, now: float) -> list[Message]:
        use = self._uses.setdefault(found.device, Use())
        use.add(now, found.free)
        full, needed = use.full_in(), self._needed(now) or 0
        told = self._noted.open.get(str(place))
        short = found.free < max(needed, _LEAST)
        if told is None and (short or (full is not None and full < _SOON)):
            self._noted.count += 1
            told = self._noted.open[str(place)] = f"{self._run}/{KIND}/{self._noted.count}"
            return [self._message(place, found, full, needed, short, told, now)]
        if told is not None and found.free > 2 * max(needed, _LEAST) and (full is None or full > 2 * _SOON):
            del self._noted.open[str(place)]
            title = f"{place} has room again: {sized(found.free)} free"
            return [Message(KIND, "info", title, "", now, told, self._pager.tracker.state.step, resolved=True)]
        return []

    def _needed(self, now: float) -> int | None:
        """What a checkpoint takes; measured again when there is a new one, and now and then until there is any."""
        step = self._pager.tracker.state.ckpt_step
        if step != self._step or (self._size is None and now - self._sized > _SEARCH_EVERY):
            self._step, self._sized, self._size = step, now, checkpoint_size(self._places())
        return self._size

    def _message(
        self, place: Path, found: Room, full: float | None, needed: int, short: bool, episode: str, now: float
    ) -> Message:
        parts = [f"{sized(found.free)} of {sized(found.total)} free"]
        if needed:
            fits = "does not fit" if short else "fits"
            parts.append(f"the next checkpoint of about {sized(needed)} {fits}")
        if full is not None and full < _SOON:
            parts.append(f"full in about {spoken(full)} as fast as it fills")
        severity: Severity = "critical" if short else "warning"
        values = [("free_bytes", float(found.free)), ("checkpoint_bytes", float(needed))]
        values += [("seconds_until_full", full)] if full is not None else []
        return Message(
            KIND, severity, f"disk filling at {place}: {', '.join(parts)}",
            "A checkpoint that finds no room is lost, and often the run with it.", now, episode,
            self._pager.tracker.state.step, "Delete old checkpoints or make room before the next one is written.",
            values=tuple(values),
        )  # fmt: skip
