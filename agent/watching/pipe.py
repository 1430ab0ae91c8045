"""`rli-agent watch -`: what comes down a pipe is kept in a file, and that file is watched like any other.

Whoever writes into the pipe must not notice: what comes is taken until its end, also where it cannot be kept, because a
trainer whose pipe is full stands still, and one whose pipe is closed dies at its next line.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.store.registry import input_path, run_id

#: The path on the command line that means standard input.
STDIN = Path("-")
_BLOCK = 1 << 16


class Pipe:
    """Takes what comes from the descriptor `source` into the file `path`; with `copy_to`, a descriptor, passes it on.

    `news` is called when its end was reached. The file is made; if it was there it is appended to. Raises UserError.
    """

    def __init__(self, path: Path, copy_to: int | None, news: Callable[[], None], source: int = 0) -> None:
        self.path = path
        #: The end was reached and all is in the file.
        self.over = threading.Event()
        self._copy_to = copy_to
        self._news = news
        self._source = source
        self._troubled = False
        self._wanted = True
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}", "give --state-dir") from None
        self._thread = threading.Thread(target=self._run, name="standard input", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def drain(self) -> None:
        """Nobody watches any more: take the rest, and wait for the end."""
        self._wanted = False
        if self._thread.ident is None:
            self._thread.start()
        self._thread.join()

    def _run(self) -> None:
        try:
            while block := self._next():
                self._pass_on(block)
                if self._wanted:
                    self._keep(block)
        finally:
            self.over.set()
            self._news()

    def _next(self) -> bytes:
        try:
            return os.read(self._source, _BLOCK)
        except OSError as error:
            logger.error("standard input cannot be read ({}): it counts as ended", error.strerror)
            return b""

    def _keep(self, block: bytes) -> None:
        try:
            with open(self.path, "ab") as file:
                file.write(block)
            self._troubled = False
        except OSError as error:
            if not self._troubled:
                logger.error("standard input is lost, {} cannot be written: {}", self.path, error.strerror)
            self._troubled = True

    def _pass_on(self, block: bytes) -> None:
        while block and self._copy_to is not None:
            try:
                block = block[os.write(self._copy_to, block) :]
            except OSError as error:
                logger.warning("standard output is closed ({}): standard input is no longer passed on", error.strerror)
                self._copy_to = None


def input_file(paths: Sequence[Path], state: Path) -> Path:
    """Where the input is kept: of the run in these paths, or, where there are none, of the current directory."""
    place = paths[0] if paths else Path.cwd()
    return input_path(state, run_id(place)) / f"{Path(os.path.realpath(place)).name or 'run'}.log"
