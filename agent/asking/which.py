"""Which run is meant: the one watched last, a process's, a SLURM job's."""

from __future__ import annotations

import re
from datetime import tzinfo
from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.machine import slurm
from rli_agent.machine.processes import written_files
from rli_agent.store.errors import StoreError
from rli_agent.store.registry import list_runs

#: Directories that only hold a run's logs, by name.
_LOGS = re.compile(
    r"logs?|latest|attempt_\d+|envs|train|eval|trainer|inference|orchestrator|torchrun|slurm|stdout|stderr"
)
#: Files that processes have open anywhere.
_ELSEWHERE = ("/dev/", "/proc/", "/sys/", "/usr/", "/tmp/ray/", "/var/log/")


def newest_run(state: Path) -> Path:
    """The root of the run whose store was written last. Raises UserError where there is none."""
    hint = "say which: rli-agent status OUTPUT_DIR"
    try:
        roots = [info.root for info in list_runs(state) if info.root is not None]
    except StoreError as error:
        raise UserError(str(error), hint) from None
    if not roots:
        raise UserError(f"no run is known in {state}", hint)
    return Path(roots[0])


def run_of_process(pid: int, state: Path) -> list[Path]:
    """Where the run writes that a process belongs to, by the files that it has open. Raises UserError."""
    hint = "give the run's output directory instead"
    try:
        files = [f for f in written_files(pid) if not str(f).startswith(_ELSEWHERE)]
    except FileNotFoundError:
        raise UserError(f"there is no process {pid} on this machine", hint) from None
    except OSError as error:
        raise UserError(f"the files of process {pid} cannot be seen: {error.strerror}", hint) from None
    if not files:
        raise UserError(f"process {pid} has no log file open", "its output may go into a pipe or a terminal: " + hint)
    return _run_around(files, state)


def run_of_job(number: str, state: Path, zone: tzinfo) -> list[Path]:
    """Where a SLURM job's run writes: around its output file. Raises UserError."""
    hint = "give the run's output directory"
    if not slurm.is_job_id(number):
        raise UserError(f"{number!r} is not a job id", "give a number, as `squeue --me` lists it")
    job = slurm.job(number, zone)
    if job is None:
        raise UserError(f"no SLURM here knows a job {number}", hint)
    files = [Path(name) for name in (job.output, job.errors) if name and Path(name).is_file()]
    if files:
        return _run_around(files, state)
    if job.work_dir is not None and Path(job.work_dir).is_dir():
        return [Path(job.work_dir)]
    raise UserError(f"job {number} is {job.state}, and its output file {job.output or ''} is not there", hint)


def _run_around(files: list[Path], state: Path) -> list[Path]:
    """The run that files belong to: a known one, else the directory above those that only hold logs, else the files
    themselves where they lie among others' (a home, the directory that a job was sent from)."""
    try:
        roots = [Path(info.root) for info in list_runs(state) if info.root is not None]
    except StoreError:
        roots = []
    around = [root for root in roots if any(file.is_relative_to(root) for file in files)]
    if around:
        return [max(around, key=lambda root: len(root.parts))]
    found = files[0].parent
    if not _LOGS.fullmatch(found.name):
        marks = (found / name for name in ("logs", "configs", ".hydra", "wandb", "metrics.jsonl"))
        return [found] if any(mark.exists() for mark in marks) else files
    while _LOGS.fullmatch(found.name) and found.parent != found:
        found = found.parent
    return [found]
