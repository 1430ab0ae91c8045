"""A trainer is started and watched: its output goes into a log, signals and its exit code pass through."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from types import FrameType

from msgspec.structs import replace

from rli_agent.errors import UserError
from rli_agent.life.outcome import Outcome
from rli_agent.options import WatchOptions
from rli_agent.watching.process import Watch

#: A terminal sends these to all processes in its foreground; others are sent to the trainer's first process alone.
_TO_ALL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
#: Who passes one of these on wants the run to end.
_TO_END = frozenset({signal.SIGINT, signal.SIGTERM})
_PASSED = (*_TO_ALL, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
#: Seconds between two looks at a log that is echoed.
_PAUSE = 0.1
#: Seconds for which the command's last output may still be written before how it ended is said.
_LAST_WORDS = 2.0


def execute(
    command: Sequence[str], log: Path, options: WatchOptions, zone: tzinfo, say: Callable[[str], None],
    opened: Callable[[Path], None], echo: bool, environment: Mapping[str, str],
) -> int:  # fmt: skip
    """Run a command, its output in `log`, and watch what `options` say until it ends; its exit code, 128 + N where
    signal N ended it.

    How it ended is how the run ended: it is kept, told and said last. Who passed SIGINT or SIGTERM on has cancelled it.
    The command writes into the file itself, in a session of its own: whatever becomes of the agent, it goes on. Should
    the watch fail, that is said, and the command is waited for. echo: what it writes is written to standard output too.
    environment: variables that the command gets besides. Raises UserError where it cannot be started.
    """
    options = replace(options, launched=time.time())
    trainer = _start(command, log, environment)
    cancelled = threading.Event()

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        send = os.killpg if number in _TO_ALL else os.kill
        if trainer.poll() is None:
            if number in _TO_END:
                cancelled.set()
            send(trainer.pid, number)

    for number in _PASSED:
        signal.signal(number, pass_on)
    watch = Watch(options, zone, say, opened)
    echoing = [threading.Thread(target=_echo, args=(log, trainer), daemon=True)] if echo else []

    def wait() -> None:
        status = trainer.wait()
        for thread in echoing:
            thread.join(_LAST_WORDS)
        watch.stop(Outcome(Path(command[0]).name, status, cancelled.is_set()))

    threads = [*echoing, threading.Thread(target=wait, daemon=True)]
    for thread in threads:
        thread.start()
    try:
        watch.run()
    except UserError as error:
        say(f"the run is not watched: {error}")
    for thread in threads:
        thread.join()
    return trainer.returncode if trainer.returncode >= 0 else 128 - trainer.returncode


def _start(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        out = log.open("xb")
    except OSError as error:
        raise UserError(f"{log} cannot be made: {error.strerror}", "give another file with --log") from None
    with out:
        try:
            return subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **environment}
            )
        except OSError as error:
            log.unlink()
            raise UserError(f"{command[0]} cannot be started: {error.strerror}", "see that it is on PATH") from None


def _echo(log: Path, trainer: subprocess.Popen[bytes]) -> None:
    """Write to standard output what comes into the log, until the trainer is over and all is written."""
    pause = threading.Event()
    with log.open("rb", buffering=0) as file:
        over = False
        while True:
            data = file.read(1 << 16)
            try:
                while data:
                    data = data[os.write(1, data) :]
                    data = data or file.read(1 << 16)
            except OSError:  # nobody reads it any more
                return
            if over:
                return
            over = trainer.poll() is not None
            pause.wait(0.0 if over else _PAUSE)
