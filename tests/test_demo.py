"""`rli-agent demo`, as a user runs it: each sample to its end, and stopped on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "rli_agent", "demo", "--listen", "none"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("framework", "end"),
    [
        ("areal", "finished: step 9 of 9"), ("nemo-rl", "finished: step 8"), ("openrlhf", "step 9"),
        ("prime-rl", "finished: step 12 of 12"), ("skyrl", "finished: step 8 of 8"), ("slime", "step 7 of 8"),
        ("trl", "finished: step 12 of 12"), ("verl", "finished: step 14 of 14"),
    ],
)  # fmt: skip
def test_it_ends_with_the_run(framework: str, end: str, tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    command = [*DEMO, "--framework", framework, "--speed", "20", "--keep", str(keep)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert end in result.stdout
    assert f"stay in {keep}" in result.stdout
    assert list(keep.glob("state/runs/*/run.sqlite"))
    assert not list((keep / "run").rglob("*.sqlite"))


@pytest.mark.real
@pytest.mark.parametrize("to_group", [True, False])
def test_an_interrupt_ends_it_and_leaves_nothing(to_group: bool, tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of the terminal; `kill` reaches one."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        assert any(line.startswith("store: ") for line in demo.stdout)
        if to_group:
            os.killpg(demo.pid, signal.SIGINT)
        else:
            demo.terminate()
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)


def test_a_directory_with_something_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    result = subprocess.run([*DEMO, "--keep", str(tmp_path)], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "is not empty" in result.stderr


def test_a_watch_that_cannot_start_ends_the_demo(tmp_path: Path) -> None:
    command = [*DEMO[:-1], "no.such.host.invalid:1", "--keep", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert "error: " in result.stderr
