"""Directories in the layouts that the frameworks write, and what discovery says of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from rli_agent.discover import Found, Scan

INFO = "\x1b[2m09:16:35\x1b[0m \x1b[1m   INFO\x1b[0m \x1b[1m\x1b[22m{}\x1b[0m\x1b[0m\n"
GOOD = "\x1b[2m09:16:38\x1b[0m \x1b[32m\x1b[1mSUCCESS\x1b[0m \x1b[32m\x1b[1m\x1b[22m{}\x1b[0m\x1b[0m\n"
TRAINER_G3 = GOOD.format(
    "Step 3 |    7.6s | Loss 0.0014 | Entropy 0.43 | Mismatch KL 0.0013 | Grad. Norm 0.0360 | LR 3e-06"
)
TRAINER_G2 = GOOD.format("Step 9 | Time: 4.29s | Loss: 0.0 | Entropy: 0.3 | Mismatch KL: 0.0007 | Grad. Norm: 0.1")
ORCHESTRATOR = GOOD.format("Step 3 |    7.3s | Reward 0.4962 | Turns 1.0 | Max Off-Policy 2 | Error 0.8%")
ENGINE = (
    "(APIServer pid=41) INFO 06-24 09:15:32 [loggers.py:259] Engine 000: Avg prompt throughput: 8163.3 tokens/s, "
    "Avg generation throughput: 3519.9 tokens/s, Running: 43 reqs, Waiting: 3 reqs, GPU KV cache usage: 8.7%\n"
)
VERL_START = "\x1b[36m(TaskRunner pid=41231)\x1b[0m Size of train dataloader: 58, Size of val dataloader: 1\n"
VERL_STEP = (
    "\x1b[36m(TaskRunner pid=41231)\x1b[0m step:1 - global_seqlen/min:69484 - actor/pg_loss:-0.0006 - "
    "training/global_step:1 - critic/score/mean:0.63 - timing_s/step:48.2\n"
)
SFT = "Epoch 1/3:   0%|   | 0/35 [00:00<?, ?it/s]step:1 - train/loss:1.1166 - train/lr(1e-3):0.0002\n"
EPISODE = json.dumps({"id": "a", "env": {"name": "gsm8k"}, "ok": True, "traces": [{"rewards": {"r": 1.0}}]}) + "\n"


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def by_file(scan: Scan) -> dict[str, Found]:
    return {f.source.file: f for f in scan.found}


def roles(scan: Scan) -> dict[str, str]:
    return {f.source.file: f.source.role for f in scan.found}


def skipped(scan: Scan, root: Path) -> dict[str, str]:
    return {os.path.relpath(p, root): why for p, why in scan.skipped}
