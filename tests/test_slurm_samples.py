"""The batch scripts in samples/slurm: sound as shell scripts, and run by a SLURM of two nodes."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import NODES, Cluster, can_run

SAMPLES = Path(__file__).parents[1] / "samples" / "slurm"
SCRIPTS = sorted(SAMPLES.glob("*.sbatch"))
STEPS = 6
#: A trainer on the first node, an engine on each.
TRAINER = f"""#!/bin/bash
mkdir -p "$1/logs/inference"
for step in $(seq {STEPS}); do
    if [ "$SLURM_NODEID" = 0 ]; then
        echo "[trainer0]:12:0$step:00 SUCCESS Step $step | 1.5s | Loss 0.1 | Entropy 0.4 | Mismatch KL 0.0005 |" \\
            "Grad. Norm 0.01 | LR 3.00e-06 | Throughput 20000 tokens/s | MFU 27.1% | Peak Mem. 41.3 GiB" \\
            >> "$1/logs/trainer.log"
    fi
    echo "INFO 11-21 12:0$step:00 [loggers.py:123] Engine 000: Avg prompt throughput: 10.0 tokens/s," \\
        "Avg generation throughput: 20$step.0 tokens/s, Running: 1 reqs, Waiting: 0 reqs, GPU KV cache usage: 1.0%," \\
        "Prefix cache hit rate: 0.0%" >> "$1/logs/inference/node_$SLURM_NODEID.log"
    sleep 0.3
done
exit "${{STATUS:-0}}"
"""
#: Both nodes are this machine: each agent gets a state directory of its own.
AGENT = """#!/bin/sh
RLI_AGENT_STATE_DIR="{folder}/state-$SLURMD_NODENAME" exec {python} -m rli_agent "$@"
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_shell_finds_no_fault(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0
    if shutil.which("shellcheck"):
        found = subprocess.run(["shellcheck", script], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not can_run():
        pytest.skip("needs slurm-wlm and munge, and root")
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    yield made
    made.close()


@pytest.mark.real
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_slurm_takes_it(cluster: Cluster, script: Path) -> None:
    asked = cluster.run("sbatch", "--test-only", "--nodes=2", str(script), "out", "true")
    assert asked.returncode == 0
    assert "to start at" in asked.stderr


@pytest.mark.real
@pytest.mark.parametrize(("script", "nodes", "status"), [("one-agent", ("alpha",), 0), ("agent-per-node", NODES, 3)])
def test_a_job_with_its_agents(
    cluster: Cluster, tmp_path: Path, script: str, nodes: tuple[str, ...], status: int
) -> None:
    out = tmp_path / "out"
    for name, text in (("train", TRAINER), ("rli-agent", AGENT.format(folder=tmp_path, python=sys.executable))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = cluster.run(
        "sbatch", "--wait", "--nodes=2", f"--chdir={tmp_path}", str(SAMPLES / f"{script}.sbatch"), str(out),
        str(tmp_path / "train"), str(out), PATH=f"{tmp_path}:{cluster.environment['PATH']}", STATUS=str(status),
        RLI_AGENT_LISTEN="127.0.0.1:0", RLI_AGENT_FILES="shared", HOME=str(tmp_path),
    )  # fmt: skip
    told = "\n".join(path.read_text() for path in [*tmp_path.glob("*.out"), *tmp_path.glob("rli-agent-*.txt")])
    assert done.returncode == status, done.stderr + told
    stores = {node: tmp_path / f"state-{node}" / "runs" / "rl" / "run.sqlite" for node in NODES}
    assert {node for node, store in stores.items() if store.exists()} == set(nodes), told
    read = [row for node in nodes for row in _lines(stores[node])]
    assert sorted(read) == sorted(
        (file, line)
        for file in ("logs/trainer.log", "logs/inference/node_0.log", "logs/inference/node_1.log")
        for line in range(1, STEPS + 1)
    )


def _lines(store: Path) -> list[tuple[str, int]]:
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        return db.execute("SELECT DISTINCT file, line FROM samples").fetchall()
