"""What following costs while nothing happens, in CPU time (which other processes do not change)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rli_agent.follow.watcher import Watcher


@pytest.mark.real
@pytest.mark.parametrize("polling", [False, True], ids=["inotify", "polling"])
def test_2000_idle_files_cost_next_to_nothing(tmp_path: Path, polling: bool) -> None:
    for directory in range(20):
        (tmp_path / str(directory)).mkdir()
        for number in range(100):
            path = tmp_path / str(directory) / f"{number}.log"
            path.write_text("x\n")
            os.utime(path, (1e9, 1e9))
    watcher = Watcher([tmp_path], force_polling=polling)
    try:
        used, started = time.process_time(), time.monotonic()
        while time.monotonic() - started < 3:
            assert watcher.wait(1) == set()
        share = (time.process_time() - used) / (time.monotonic() - started)
    finally:
        watcher.close()
    assert share < (0.02 if polling else 0.005)
