"""`rli-agent server start`: in the foreground, or left behind with a supervisor of its own."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.server.files import make_folder, try_lock
from rli_agent.server.places import Places
from rli_agent.server.processes import end, process
from rli_agent.server.programs import NAMES
from rli_agent.server.supervise.child import Child
from rli_agent.server.supervise.preparing import Ready, Wanted, prepare
from rli_agent.server.supervise.state import Options, State, read_state, supervised, survivors
from rli_agent.server.supervise.supervisor import Supervisor
from rli_agent.terminal import log_to_stderr

Say = Callable[[str], None]
#: Ends what the supervisor tells the command that left it behind.
_OVER = "\0"


def start(places: Places, wanted: Wanted, options: Options, say: Say, *, detach: bool) -> int:
    """Start the stack. 0: all that was to start is ready, or was running already; 1: some of it is not."""
    make_folder(places.server)
    lock = _lock(places)
    if lock is None:
        return _already(places, wanted, say)
    _end_survivors(places, say)
    ready = prepare(places, wanted, say)
    if detach:
        return _leave_behind(places, ready, options, say)
    return _supervise(places, ready, options, say, lambda ok: _greet(ready, places, say, ok, "Ctrl-C ends them"))


def _lock(places: Places) -> int | None:
    try:
        return try_lock(places.lock)
    except OSError as e:
        raise UserError(f"{places.lock} cannot be locked: {e.strerror or e}") from None


def _already(places: Places, wanted: Wanted, say: Say) -> int:
    """Somebody holds the lock: the stack runs, or is being started."""
    state = read_state(places.state)
    if state is None or not supervised(state):
        raise UserError(f"another start of the stack in {places.root} is under way", "wait for it")
    missing = [n for n in (*wanted.only, *wanted.also) if n not in state.services]
    if missing:
        mend = "rli-agent server restart, with these options, starts it anew"
        raise UserError(f"the stack runs already, without {' and '.join(missing)}", mend)
    say(f"the stack runs already (supervisor: process {state.supervisor.pid}); see rli-agent server status")
    return 0


def _end_survivors(places: Places, say: Say) -> None:
    """A supervisor that was killed leaves its programs running, with nobody to watch over them."""
    for name, service in survivors(read_state(places.state)).items():
        assert service.process is not None
        say(f"{name} (process {service.process.pid}) was left by a supervisor that is gone; it is ended first")
        end(service.process, service.launch.patience)


def _supervise(
    places: Places, ready: Ready, options: Options, say: Say,
    settled: Callable[[bool], None],
) -> int:  # fmt: skip
    me = process(os.getpid())
    assert me is not None
    state = State(me, time.time(), options, {}, ready.left_out)
    children = [Child(launch, lock) for launch, lock in zip(ready.launches, ready.locks, strict=True)]
    return Supervisor(places, state, children, say, settled).run()


def _leave_behind(places: Places, ready: Ready, options: Options, say: Say) -> int:
    """Fork a supervisor into a session of its own, and repeat what it says until no program is starting any more."""
    reading, writing = os.pipe()
    log = places.logs / "supervisor.log"
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() == 0:
        os.close(reading)
        os._exit(_supervisor_alone(places, ready, options, writing, log))
    os.close(writing)
    ok = False
    with open(reading, encoding="utf-8", errors="replace") as pipe:
        for line in pipe:
            if line.startswith(_OVER):
                ok = line.rstrip("\n") == _OVER + "ok"
                break
            say(line.rstrip("\n"))
        else:
            say(f"the supervisor ended; its log is {log}")
            return 1
    state = read_state(places.state)
    if not survivors(state):
        say("nothing runs")
        return 1
    _greet(ready, places, say, ok, "`rli-agent server stop` ends them")
    return 0 if ok else 1


def _supervisor_alone(places: Places, ready: Ready, options: Options, writing: int, log: Path) -> int:
    """The supervisor's own process: no terminal, its log in a file. `writing` leads to the command."""
    try:
        os.setsid()
        os.chdir("/")
        with open(os.devnull, "rb") as nothing, open(log, "ab", buffering=0) as file:
            os.dup2(nothing.fileno(), 0)
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        log_to_stderr("INFO")
        telling = open(writing, "w", encoding="utf-8", buffering=1)  # noqa: SIM115 (closed when all is said)

        def tell(text: str) -> None:
            with contextlib.suppress(OSError):  # the command was interrupted: nobody reads any more
                telling.write(text + "\n")

        def settled(ok: bool) -> None:
            tell(_OVER + ("ok" if ok else "not"))
            telling.close()

        return _supervise(places, ready, options, tell, settled)
    except BaseException as e:
        import traceback

        traceback.print_exc()
        return 130 if isinstance(e, KeyboardInterrupt) else 70


def _greet(ready: Ready, places: Places, say: Say, ok: bool, how_to_end: str) -> None:
    """The last line of a start: where to look."""
    left = [n for n in NAMES if n in ready.left_out]
    head = "all are ready" if ok and not left else "ready, except what is left out" if ok else "NOT all are ready"
    say(f"{head}; `rli-agent server status` says how they are, {how_to_end}")
    if any(launch.program == "grafana" for launch in ready.launches):
        say(f"Grafana's login is admin, its password in {places.password}")
