"""What following costs while nothing happens, in CPU time of a process that does nothing else; in units of what this
machine needs to look at all the files once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

IDLE = """
import os, sys, time
from pathlib import Path
from rli_agent.follow.watcher import Watcher
paths = [str(path) for path in Path(sys.argv[1]).rglob("*.log")]
used = time.process_time()
for path in paths * 5:
    os.stat(path)
look = (time.process_time() - used) / 5
watcher = Watcher([Path(sys.argv[1])], force_polling=sys.argv[2] == "polling")
used, started = time.process_time(), time.monotonic()
while time.monotonic() - started < 3:
    assert watcher.wait(1) == set()
print(look, (time.process_time() - used) / (time.monotonic() - started))
watcher.close()
"""


@pytest.mark.real
@pytest.mark.parametrize(("how", "bar"), [("inotify", 1.5), ("polling", 8.0)])
def test_2000_idle_files_cost_next_to_nothing(tmp_path: Path, how: str, bar: float) -> None:
    for directory in range(20):
        (tmp_path / str(directory)).mkdir()
        for number in range(100):
            path = tmp_path / str(directory) / f"{number}.log"
            path.write_text("x\n")
            os.utime(path, (1e9, 1e9))
    asked = [sys.executable, "-c", IDLE, str(tmp_path), how]
    out = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    look, share = map(float, out.split())
    assert share < bar * look, out
