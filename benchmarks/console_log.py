"""A verl run's console as a catch-up meets it: many lines that tell nothing, some step lines; the same each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

KEYS = [
    *(f"actor/{k}" for k in ("entropy", "kl_loss", "pg_loss", "pg_clipfrac", "ppo_kl", "grad_norm", "lr")),
    *(f"critic/{k}/{s}" for k in ("score", "rewards", "advantages", "returns") for s in ("mean", "max", "min")),
    *(f"response_length/{s}" for s in ("mean", "max", "min", "clip_ratio")),
    *(f"prompt_length/{s}" for s in ("mean", "max", "min", "clip_ratio")),
    *(f"timing_s/{k}" for k in ("gen", "reward", "old_log_prob", "ref", "adv", "update_actor", "update_weights",
    "step")),
    *(f"perf/{k}" for k in ("throughput", "mfu/actor", "total_num_tokens", "max_memory_allocated_gb")),
    "training/global_step", "training/epoch", "num_turns/mean", "num_turns/max",
]  # fmt: skip

_PATHS = ["/v1/chat/completions", "/health", "/metrics", "/tokenize"]
_STACK = ["multiprocessing/queues.py", "asyncio/base_events.py", "vllm/v1/engine/core.py"]


def _access(draw: random.Random) -> str:
    client = f"10.0.{draw.randrange(250)}.{draw.randrange(250)}:{draw.randrange(30_000, 60_000)}"
    return f'INFO:     {client} - "POST {draw.choice(_PATHS)} HTTP/1.1" 200 OK'


def _request(draw: random.Random) -> str:
    return (
        f"(APIServer pid={draw.randrange(10_000, 99_000)}) INFO 08-21 04:01:{draw.randrange(60):02d} [logger.py:46] "
        f"Received request chatcmpl-{draw.getrandbits(128):032x}: params: SamplingParams(n=1, temperature=1.0, "
        f"max_tokens={draw.randrange(30_000)}), lora_request: None."
    )


def _memory(draw: random.Random) -> str:
    return (
        f"\x1b[36m(WorkerDict pid={draw.randrange(10_000, 99_000)}, ip=10.0.4.150)\x1b[0m INFO:2026-08-21 11:34:54,457:"
        f"After offload model, memory allocated (GB): {draw.random() * 60:.2f}, memory reserved (GB): 7.66"
    )


def _bar(draw: random.Random) -> str:
    done = draw.randrange(1, 120)
    refreshes = (
        f"Capturing CUDA graphs:  {n}%|██████    | {n}/128 [00:01<00:21, {n / 9:.1f}it/s]"
        for n in range(done, done + 3)
    )
    return "\r".join(refreshes)


def _frame(draw: random.Random) -> str:
    return f'  File "/usr/lib/python3/site-packages/{draw.choice(_STACK)}", line {draw.randrange(900)}, in get'


#: What tells nothing, and how often it comes.
_NOISE: list[tuple[Callable[[random.Random], str], int]] = [
    (_access, 60), (_request, 20), (_memory, 10), (_bar, 5), (_frame, 5),
]  # fmt: skip


def step_line(draw: random.Random, step: int, keys: int) -> str:
    """What verl prints of a step, NumPy 2's way of writing some numbers included."""
    pairs = []
    for key in KEYS[:keys]:
        value = f"{draw.random() * 100!r}"
        pairs.append(f"{key}:np.float64({value})" if draw.random() < 0.1 else f"{key}:{value}")
    return f"\x1b[36m(TaskRunner pid=4242)\x1b[0m step:{step} - " + " - ".join(pairs)


def write(path: Path, lines: int, share: float) -> int:
    """Writes `lines` lines, of which a `share` (0 to 1) are step lines; returns how many figures these hold."""
    draw = random.Random(7)
    kinds, weights = zip(*_NOISE, strict=True)
    figures = step = 0
    with path.open("w") as out:
        for _ in range(lines):
            if draw.random() < share:
                keys = len(KEYS) - draw.choice((0, 0, 0, 4))  # now and then without what only some steps have
                out.write(step_line(draw, step, keys) + "\n")
                figures, step = figures + keys, step + 1
            else:
                out.write(draw.choices(kinds, weights)[0](draw) + "\n")
    return figures
