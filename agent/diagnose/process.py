"""Where a process is just now, by py-spy, which reads it from outside and stops it for an instant."""

from __future__ import annotations

import shutil
import subprocess

from rli_agent.errors import UserError

_PATIENCE = 30.0
_MOST = 100_000


def stacks(pid: int) -> str:
    """The Python stacks of a process of this machine. Raises UserError where they cannot be had."""
    if shutil.which("py-spy") is None:
        raise UserError("py-spy is not installed", "pip install py-spy, on the machine where the process runs")
    try:
        done = subprocess.run(
            ["py-spy", "dump", "--pid", str(pid)], capture_output=True, text=True, errors="replace", timeout=_PATIENCE,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(
            f"py-spy did not end within {_PATIENCE:.0f} s", f"try `py-spy dump --pid {pid}` yourself"
        ) from None
    except OSError as error:
        raise UserError(f"py-spy cannot be run: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.strip().split("\n")[-1][:300]
        raise UserError(f"py-spy cannot read process {pid}: {said}", "it must be yours, or be run with sudo")
    return done.stdout[:_MOST].rstrip()
