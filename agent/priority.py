"""The trainer never notices the agent: it asks the kernel for what nobody else wants."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform

_LOWEST = 19
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_WHO_PROCESS, _CLASS_IDLE = 1, 3 << 13


def step_back() -> None:
    """Lower the CPU and I/O priority of this thread and of those that it starts, as far as the system lets it; silently
    where it does not."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)
    call = _IOPRIO_SET.get(platform.machine())
    if call is not None and platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).syscall(call, _WHO_PROCESS, 0, _CLASS_IDLE)


def run_where_idle() -> None:
    """From now on let all threads that have stepped back run only where a core has nothing else to do (SCHED_IDLE): a
    trainer that wakes up takes its core back at once. As silently.

    For who has said what there is to say: a machine that is busy to its last core leaves 3 ms a second. Not for who
    empties a pipe: the trainer waits for it.
    """
    if platform.system() != "Linux":
        return
    for thread in map(int, os.listdir("/proc/self/task")):
        with contextlib.suppress(OSError):  # it has ended, or may not
            if os.getpriority(os.PRIO_PROCESS, thread) == _LOWEST:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
