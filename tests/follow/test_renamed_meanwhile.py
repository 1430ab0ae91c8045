"""Rotation by another process at full speed, while the names are being looked at."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from follow_tail import Tail, append

GENERATIONS = 60
LINES = 5

ROTATING = """
import os, sys, time

log, generations, lines, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
for generation in range(generations):
    for number in range(generation, 0, -1):
        os.rename(f"{log}.{number}", f"{log}.{number + 1}")
    os.rename(log, f"{log}.1")
    with open(f"{log}~", "w") as new:
        new.writelines(f"{generation}-{line}\\n" for line in range(lines))
    os.rename(f"{log}~", log)
    time.sleep(pause)
"""


@pytest.mark.parametrize("pause", [0.0, 0.002])
def test_shifted_names_are_read_once(path: Path, tail: Tail, pause: float) -> None:
    append(path, b"first\n")
    tail.read()
    command = [sys.executable, "-c", ROTATING, str(path), str(GENERATIONS), str(LINES), str(pause)]
    with subprocess.Popen(command) as rotating:
        while rotating.poll() is None:
            tail.later(3)
    for _ in range(3 * GENERATIONS):
        tail.later(6)
    printed = ["first", *(f"{generation}-{line}" for generation in range(GENERATIONS) for line in range(LINES))]
    assert Counter(tail.text.decode().split()) == Counter(printed)
