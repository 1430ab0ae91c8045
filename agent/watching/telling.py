"""What a watch says of a run to people: how it goes, and which files give nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from rli_agent.discover.nodes import Nodes
from rli_agent.status import RunStatus
from rli_agent.store.run_store import RunStore
from rli_agent.switches import switched_off
from rli_agent.watching.files import RunFiles
from rli_agent.watching.silent import SilentFiles

#: Seconds between two status lines.
STATUS_EVERY = 10.0


class Telling:
    """Says each thing once. `say` prints a line."""

    def __init__(
        self, files: RunFiles, status: RunStatus, store: RunStore, nodes: Nodes, say: Callable[[str], None]
    ) -> None:
        self._files = files
        self._status = status
        self._store = store
        self._nodes = nodes
        self._say = say
        self._said: dict[str, str] = {}
        self._stood: tuple[int | None, str] | None = None
        self._answered = time.monotonic()
        self._silent = SilentFiles()
        self._explained = False

    def tell(self, key: str, text: str) -> None:
        """Say it, unless it was the last that was said of this."""
        if self._said.get(key) != text:
            self._said[key] = text
            self._say(text)

    def what_is_silent(self, *, last: bool = False) -> None:
        """Files and figures that give nothing, and why. `last`: nothing more will be read."""
        for text in self._silent.news(self._files.tracks.values(), last=last):
            self._say(text)
        pack = self._files.pack
        if pack is not None and pack.switches and not self._explained and self._status.step_seconds() is not None:
            self._explained = True
            scan = self._files.scan
            for text in switched_off(pack, self._store.names(), scan.configs, scan.run.root):
                self._say(text)

    def answer_if_due(self, brief: bool) -> None:
        """How it stands: once there is anything to say, and every now and then. `brief`: where step or life changed."""
        now = time.monotonic()
        stands = (self._status.step, self._status.life)
        first = self._stood is None and self._status.last_event is not None
        if (first or now - self._answered >= STATUS_EVERY) and not (brief and stands == self._stood):
            self._answered = now
            self.answer()

    def answer(self) -> None:
        """How it stands, if that is not what was said last."""
        self.what_is_silent()
        self._stood = (self._status.step, self._status.life)
        self.tell("status", self.sentence(time.time()))

    def sentence(self, now: float) -> str:
        """How the run is; of a part of it, whose steps another node's agent follows, what is read of it here."""
        nodes, files = self._nodes, self._files.tracks
        if nodes.leads:
            return self._status.sentence(now)
        lines = sum(track.reader.position.line - 1 for track in files.values())
        first = f"; {nodes.names[0]} follows the run's steps" if nodes.names else ""
        return f"{nodes.own or 'a part of the run'}: {len(files)} files, {lines:,} lines read{first}"
