"""`rli-agent server stop`: only processes that are known beyond doubt to be ours are signalled."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping

from rli_agent.errors import UserError
from rli_agent.server.places import Places
from rli_agent.server.processes import end, is_running, send, wait
from rli_agent.server.supervise.state import Service, State, read_state, supervised, survivors

Say = Callable[[str], None]
#: Seconds beyond the programs' own patience before the supervisor is taken for hung.
GRACE = 15.0
#: Seconds after which somebody who waits wants to know what for.
QUICK = 2.0


def stop(places: Places, say: Say) -> int:
    """End all. 0: nothing runs any more."""
    state = read_state(places.state)
    running = survivors(state)
    if state is None or (not supervised(state) and not running):
        say(f"nothing runs in {places.root}")
        return 0
    if supervised(state):
        _end_supervisor(state, say)
    for name, service in survivors(state).items():
        assert service.process is not None
        say(f"{name} (process {service.process.pid}) is ended by itself: its supervisor is gone")
        end(service.process, service.launch.patience)
    left = survivors(state)
    if left:
        pids = ", ".join(f"{n}: {s.process.pid}" for n, s in left.items() if s.process)
        raise UserError(f"some programs could not be ended ({pids})", "`ps` shows whether they wait for a disk")
    _say_how(places, running, say)
    return 0


def _end_supervisor(state: State, say: Say) -> None:
    patience = max((s.launch.patience for s in state.services.values()), default=0.0)
    send(state.supervisor, signal.SIGTERM)
    if not wait(state.supervisor, QUICK):
        say(f"waiting for {', '.join(survivors(state)) or 'the supervisor'} to end, at most {patience:.0f} s")
    if not wait(state.supervisor, patience + GRACE) and is_running(state.supervisor):
        say(f"the supervisor (process {state.supervisor.pid}) does not end; it is killed")
        end(state.supervisor, 0.0)


def _say_how(places: Places, running: Mapping[str, Service], say: Say) -> None:
    """Say of each program that ran how it ended."""
    after = read_state(places.state)
    for name in running:
        service = after.services.get(name) if after is not None else None
        say(f"{name} has ended" + (f": {service.reason}" if service is not None and service.reason else ""))
