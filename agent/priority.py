"""The trainer never notices the agent: it asks the kernel for what nobody else wants."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform

_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_WHO_PROCESS, _CLASS_IDLE = 1, 3 << 13


def step_back() -> None:
    """Lower this process's CPU and I/O priority, as far as the system lets it; silently where it does not."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    call = _IOPRIO_SET.get(platform.machine())
    if call is not None and platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).syscall(call, _WHO_PROCESS, 0, _CLASS_IDLE)
