"""A program on a pseudo-terminal, its screen kept by a terminal emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping

import pyte

PATIENCE = 30.0


class Terminal:
    """`rli-agent ARGUMENTS` on a terminal of so many lines and columns. `raw` is all that it wrote."""

    def __init__(
        self, *arguments: object, lines: int = 30, columns: int = 100, env: Mapping[str, str] | None = None
    ) -> None:
        self.raw = b""
        self.status: int | None = None
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        ours, theirs = pty.openpty()
        self._fd = ours
        self._set_size(lines, columns)
        self._mode = termios.tcgetattr(theirs)
        self._theirs = theirs
        told = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        told |= {"TERM": "xterm-256color", "TZ": "UTC", **(env or {})}
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
                for number in (0, 1, 2):
                    os.dup2(theirs, number)
                os.execve(sys.executable, [sys.executable, "-m", "rli_agent", *map(str, arguments)], told)
            finally:
                os._exit(127)  # or where nothing can be executed this process would go on with the tests

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Read what it writes until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.status is None, f"ended with {self.status} before: {what}\n{self.text}"
            assert time.monotonic() < end, f"waited in vain for: {what}\n{self.text}"
            self._read(0.05)

    def shows(self, text: str) -> None:
        self.until(lambda: text in self.text, text)

    def resize(self, lines: int, columns: int) -> None:
        self._screen.resize(lines, columns)
        self._set_size(lines, columns)
        os.kill(self.pid, signal.SIGWINCH)

    def press_ctrl_c(self) -> None:
        os.write(self._fd, b"\x03")

    def ends(self) -> int:
        """Wait for the end; the exit status."""
        end = time.monotonic() + PATIENCE
        while self.status is None:
            assert time.monotonic() < end, f"it does not end\n{self.text}"
            self._read(0.05)
            self._reap()
        self._read(0.0)
        return self.status

    @property
    def as_before(self) -> bool:
        """Whether the terminal is as it was: its mode, the cursor, the main screen."""
        shown = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        main = self.raw.rfind(b"\x1b[?1049l") >= self.raw.rfind(b"\x1b[?1049h")
        return shown and main and termios.tcgetattr(self._theirs) == self._mode

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)
        os.close(self._theirs)

    def _set_size(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self, seconds: float) -> None:
        while select.select([self._fd], [], [], seconds)[0]:
            data = os.read(self._fd, 65536)
            self.raw += data
            self._stream.feed(data)
            seconds = 0.0
        self._reap()

    def _reap(self) -> None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
