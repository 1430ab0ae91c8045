"""What is freed stays with the process until it is given back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import psutil
from rli_agent.memory import give_back, keep_freed
keep_freed()
resident = lambda: psutil.Process().memory_info().rss
blocks = [bytes([1]) * (1 << 19) for _ in range(40)]
end = bytes(2000)  # lies behind them: what is before it is no end of the heap
full = resident()
del blocks
kept = resident()
give_back()
print(full - kept, full - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only its allocator can be told so")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    kept_back, given_back = map(int, done.stdout.split())
    assert kept_back < 1 << 20
    assert given_back > 19 << 20
