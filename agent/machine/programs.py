"""Programs of the machine that are asked: `nvidia-smi`, `squeue` and their like, where they exist."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

#: Seconds that a program may take: a scheduler that hangs must not hang the answer.
PATIENCE = 5.0


def output(command: Sequence[str], patience: float = PATIENCE) -> str | None:
    """What a program prints; None where it does not exist, fails, or takes longer than `patience` seconds."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=patience, stdin=subprocess.DEVNULL, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
