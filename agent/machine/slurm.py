"""A SLURM job: its state, its paths, when its time limit ends it. As scontrol, squeue and sacct tell (SLURM 20 to 24).

`scontrol show job` knows a job until some minutes after its end, `sacct` also later, where accounting is on.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from msgspec import Struct

from rli_agent.machine.programs import output

_FIELD = re.compile(r"(?:^|\s)([A-Z][A-Za-z/:_]*)=(.*?)(?=\s+[A-Z][A-Za-z/:_]*=|\s*$)", re.MULTILINE)
_ID = re.compile(r"[0-9]+([_+][0-9]+)?")
_SACCT = ("State", "Reason", "NodeList", "End", "WorkDir")


class Job(Struct, frozen=True, omit_defaults=True):
    """A job. `state` is SLURM's word (RUNNING, PENDING, TIMEOUT …), `ends_at` in Unix seconds; `output` and `errors`
    are files."""

    id: str
    state: str
    reason: str | None = None
    nodes: str | None = None
    ends_at: float | None = None
    output: str | None = None
    errors: str | None = None
    work_dir: str | None = None
    command: str | None = None


def is_job_id(text: str) -> bool:
    """Whether this is a job's id: a number, `123_4` of an array, `123+1` of a heterogeneous job."""
    return _ID.fullmatch(text) is not None


def job(number: str, zone: tzinfo) -> Job | None:
    """The job with this id; None where no SLURM here knows it. zone: of the scheduler's times."""
    if not is_job_id(number):
        return None
    text = output(["scontrol", "--oneliner", "show", "job", number])
    if text and "JobState=" in text:
        return _shown(number, text.splitlines()[0], zone)
    text = output(["squeue", "--noheader", "--job", number, "--format", "%T|%r|%N|%e|%Z"])
    if text and text.count("|") >= 4:
        return _listed(number, text.splitlines()[0], zone)
    fields = ",".join(_SACCT)
    text = output(["sacct", "--noheader", "--parsable2", "--allocations", "--jobs", number, "--format", fields])
    if text and text.count("|") >= 4:
        return _listed(number, text.splitlines()[0], zone)
    return None


def _shown(number: str, line: str, zone: tzinfo) -> Job:
    fields = dict(_FIELD.findall(line))
    return Job(
        number, fields.get("JobState", "?"), _said(fields.get("Reason")), _said(fields.get("NodeList")),
        _time(fields.get("EndTime"), zone), _said(fields.get("StdOut")), _said(fields.get("StdErr")),
        _said(fields.get("WorkDir")), _said(fields.get("Command")),
    )  # fmt: skip


def _listed(number: str, line: str, zone: tzinfo) -> Job:
    state, reason, nodes, end, place = line.split("|")[:5]
    return Job(
        number, state.split(" ")[0], _said(reason), _said(nodes), _time(end, zone), work_dir=_said(place)
    )  # fmt: skip


def _said(text: str | None) -> str | None:
    """None for the words by which SLURM says nothing."""
    return None if text is None or text.strip() in ("", "None", "(null)", "N/A", "Unknown") else text.strip()


def _time(text: str | None, zone: tzinfo) -> float | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() if text else None
    except (ValueError, OverflowError):  # Unknown, UNLIMITED
        return None
