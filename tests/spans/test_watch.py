"""Spans of a watch: killed while it sends, or given a URL that is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest
from agent_process import PATIENCE, until
from span_receiver import Receiver

from rli_agent.store.connection import read_only


def watch(run: Path, state: Path, url: str, *more: str, wait: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "rli_agent", "watch", str(run), "--listen", "none", "--state-dir", str(state), *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "TZ": "UTC", "RLI_AGENT_OTLP_ENDPOINT": url},
    )  # fmt: skip
    if wait:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said.decode()
    return process


def clock(step: int, second: int) -> str:
    at = datetime.fromtimestamp(1_700_000_000 + 60 * step + second, timezone.utc)
    return f"\x1b[2m{at:%H:%M:%S}\x1b[0m"


def prime_rl(run: Path, steps: int) -> None:
    said: dict[str, list[str]] = {"trainer": [], "orchestrator": []}
    said["trainer"].append(f"{clock(0, 0)}    INFO Starting training loop (max_steps={steps})\n")
    said["orchestrator"].append(f"{clock(0, 0)}    INFO Starting orchestrator loop (max_steps={steps})\n")
    for step in range(1, steps + 1):
        said["orchestrator"].append(
            f"{clock(step, 20)} SUCCESS Step {step} | 30.1s | Reward 0.5 | Trainable 12/16 (75.0%) | Turns 1.0 | "
            "Branches 1.0 | Max Off-Policy 1 | Error 0.8% | Truncation 1.0%\n"
        )
        said["trainer"].append(
            f"{clock(step, 50)} \x1b[32mSUCCESS\x1b[0m \x1b[1mStep {step} | 50.5s | Loss 0.001 | Entropy 0.41 | "
            "Mismatch KL 0.0005 | Grad. Norm 0.01 | LR 3.00e-06 | Throughput 20000 tokens/s | MFU 27.1% | "
            "Peak Mem. 41.3 GiB\x1b[0m\n"
        )
    for name, lines in said.items():
        path = run / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines))
        os.utime(path, (1_700_000_000 + 60 * steps + 55,) * 2)


@pytest.mark.real
def test_killed_while_it_sends_all_spans_arrive_and_none_twice_under_another_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    run = tmp_path / "run"
    prime_rl(run, 2000)
    watch(run, tmp_path / "calm", receiver.url, "--once")
    calm, receiver.spans = receiver.spans, []
    assert len({span.span_id for span in calm}) == len(calm) == 4000

    receiver.slow = 0.15
    for more in (1, 2, 1, 2):
        before = len(receiver.requests)
        process = watch(run, tmp_path / "killed", receiver.url, wait=False)
        until(lambda wanted=before + more: len(receiver.requests) >= wanted, "requests")  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    receiver.slow = 0.0
    watch(run, tmp_path / "killed", receiver.url, "--once")
    assert {span.SerializeToString() for span in receiver.spans} == {span.SerializeToString() for span in calm}
    (path,) = tmp_path.glob("killed/runs/*/run.sqlite")
    with closing(read_only(path)) as db:
        assert db.execute("SELECT count(*) FROM knowledge WHERE name LIKE 'spans %'").fetchone() == (1,)
    arrived = len(receiver.spans)
    watch(run, tmp_path / "killed", receiver.url, "--once")
    assert len(receiver.spans) == arrived


@pytest.mark.real
def test_a_url_that_is_none_is_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    prime_rl(run, 1)
    process = watch(run, tmp_path / "state", "tempo:4318", "--once", wait=False)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert b"give a URL like http://127.0.0.1:4318" in said
    assert b"Traceback" not in said
