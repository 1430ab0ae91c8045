"""What this machine adds to a report: the run's processes, GPUs, and its job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from rli_agent.machine import gpus, processes, slurm

_JOB_LOG = re.compile(r"job_(\d+)\.log|slurm-(\d+(?:_\d+)?)\.out")


class Host(Struct, frozen=True):
    """What was found; empty where there is nothing of the kind here."""

    processes: list[processes.Process]
    gpus: list[gpus.Gpu]
    job: slurm.Job | None


def look(root: Path, zone: tzinfo, job: str | None = None, files: Sequence[str] = ()) -> Host:
    """Look for the run that writes below `root`. `job`: its id in SLURM, where the user says it; otherwise that of its
    processes, or that in the name of one of its `files` (`job_123.log`, `slurm-123.out`)."""
    found = processes.of_run(root)
    memory = gpus.memory_by_process() if found else {}
    number = job or next((n for p in found if p.sure and (n := processes.variable(p.pid, "SLURM_JOB_ID"))), None)
    if number is None:
        named = [m for file in files if (m := _JOB_LOG.search(file))]
        number = (named[0].group(1) or named[0].group(2)) if named else None
    return Host(
        [replace(p, gpu_memory_bytes=memory.get(p.pid)) for p in found],
        gpus.gpus(), slurm.job(number, zone) if number is not None else None,
    )  # fmt: skip
