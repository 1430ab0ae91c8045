"""What the GPUs of this machine say of a run that does not move: 0 % and 96 % busy tell different stories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rli_agent.machine.gpus import Gpu, gpus, memory_by_process
from rli_agent.machine.processes import of_run

#: Shares of the time (0 to 1) above and below which a GPU counts as busy and idle.
_BUSY, _IDLE = 0.9, 0.05
_SHOWN = 16
_GIB = 1 << 30


def gpu_evidence(root: Path) -> list[str]:
    """Sentences about the GPUs that the run below `root` uses; none where this machine has no GPU, or holds processes
    of the run of which none uses one."""
    found = gpus()
    if not found:
        return []
    ours = {process.pid for process in of_run(root)}
    if ours and not ours & memory_by_process().keys():
        return []
    return [_figures(found), *_meaning(found)]


def _figures(found: Sequence[Gpu]) -> str:
    said = []
    for gpu in found[:_SHOWN]:
        memory = ""
        if gpu.memory_used_bytes is not None and gpu.memory_total_bytes is not None:
            memory = f" with {gpu.memory_used_bytes / _GIB:.0f} of {gpu.memory_total_bytes / _GIB:.0f} GiB used"
        said.append(f"{gpu.index} {_share(gpu)}{memory}")
    more = f"; {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"GPUs of this machine: {'; '.join(said)}{more}."


def _share(gpu: Gpu) -> str:
    return "busy nobody knows how much" if gpu.busy is None else f"{gpu.busy:.0%} busy"


def _meaning(found: Sequence[Gpu]) -> list[str]:
    known = [gpu for gpu in found if gpu.busy is not None]
    idle = [gpu for gpu in known if gpu.busy is not None and gpu.busy <= _IDLE]
    busy = [gpu for gpu in known if gpu.busy is not None and gpu.busy >= _BUSY]
    if known and len(idle) == len(known):
        return ["None of them computes: the processes wait for data, for a lock, for another process or machine."]
    if known and len(busy) == len(known):
        return [
            "All compute and nothing comes of it: a collective operation waits on the GPU for a rank that does not "
            "come, or a kernel does not end."
        ]
    if busy and len(idle) + len(busy) == len(known):
        names = ", ".join(str(gpu.index) for gpu in idle)
        return [f"GPU {names} idles while the others are busy: look at the process that uses it first."]
    return []
