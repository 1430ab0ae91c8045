"""The store of a large run and its log, for measurements of what reads them: 100,000 step lines of 20 values, 50,000
intervals of which half follow from what lines print, 2,000 problems, 2,000 batches of rollouts."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from rli_agent.events import Event, Interval, Phase, Plan, Problem, RolloutBatch, Samples, Shape
from rli_agent.rollout_statistics import RolloutStatistics
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore

TRAINER, ORCHESTRATOR = "logs/trainer.log", "logs/orchestrator.log"
#: When it began; how many lines it has.
BEGIN, LINES = 1.76e9, 100_000
_WIDTH = 250  # bytes of a line
_METRICS = ("rl_reward_mean", "rl_policy_entropy", "rl_policy_kl", "rl_grad_norm", "rl_loss")
_NAMES = tuple(f"train/metric_{i}" for i in range(20))
_STEP_LINE = Shape(_NAMES, (None,) * 20, (*_METRICS, *(None,) * 15), (("role", "trainer"),))
_PHASES = ("rollout", "reward", "log_prob", "advantage", "update_actor", "weight_sync", "wait", "save_ckpt", "eval")
_TIMES = tuple(f"timing/{name}" for name in ("step", *_PHASES))
_INSIDE = (Phase(i, state, f"timing/{state}", "inside") for i, state in enumerate(_PHASES, 1))
_PLAN = Plan("trainer", (Phase(0, "step", "timing/step", "step"), *_INSIDE))
_TIMING = Shape(_TIMES, ("s",) * 10, (None,) * 10, (("role", "trainer"),), _PLAN)


def write_large_run(path: Path, lines: int = LINES, intervals: int = 50_000) -> None:
    """Write the store. A step takes a second; the lanes are `trainer` and `orchestrator`."""
    store = RunStore.open(path, RunRow(path.parent.name, str(path.parent), BEGIN))
    log = path.parent / TRAINER
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        file.writelines(map(log_line, range(lines)))
    for events in _batches(lines, intervals):
        store.commit(events, [])
    store.commit([], [Checkpoint(TRAINER, 1, 2, lines * _WIDTH, lines, b"f", b"s", BEGIN + lines)])
    store.close()


def step_line(step: int) -> Samples:
    """What a step says of its metrics."""
    values = [0.5 + math.sin(step / 5000 + n) / 3 for n in range(len(_NAMES))]
    return Samples(*_place(step), BEGIN + step, "logged", step, _STEP_LINE, values, json.dumps(values))


def log_line(step: int) -> str:
    """The line of the trainer's log that says it."""
    at = datetime.fromtimestamp(BEGIN + step, timezone.utc)
    text = f"{at:%Y-%m-%d %H:%M:%S} INFO step {step}: " + ", ".join(f"{name} {step / 7:.4f}" for name in _NAMES[:5])
    return f"{text:<{_WIDTH - 1}}\n"


def _place(step: int) -> tuple[str, int, int]:
    return TRAINER, step + 1, step * _WIDTH


def _batches(lines: int, intervals: int) -> Iterator[list[Event]]:
    draw = random.Random(1)
    timed = max(1, lines * 20 // intervals)  # of so many lines one prints durations, ten each
    for first in range(0, lines, 2000):
        events: list[Event] = []
        for step in range(first, min(first + 2000, lines)):
            at, place = BEGIN + step, _place(step)
            events.append(step_line(step))
            if step % timed == 0:
                spent = [timed * share for share in (1.0, 0.4, 0.05, 0.1, 0.02, 0.3, 0.05, 0.05, 0.02, 0.01)]
                events.append(Samples(*place, at, "logged", step, _TIMING, spent, json.dumps(spent)))
            if step % (2 * lines // intervals) == 0:
                start = at - draw.random()
                states = ("rollout", "wait", "pause")
                events.append(
                    Interval(ORCHESTRATOR, step + 1, step * 90, "logged", "orchestrator", draw.choice(states), step,
                             start, at, at - start)
                )  # fmt: skip
            if step % (lines // 2000 or 1) == 0:
                text = f"Traceback (most recent call last):\nRuntimeError: CUDA error in step {step}"
                events.append(Problem(*place, at, "logged", "ERROR", "traceback", text))
                total = RolloutStatistics(64)
                for _ in range(64):
                    total.add("reward", draw.random())
                events.append(RolloutBatch(f"rollouts/{step}.jsonl", 1, 0, at, "logged", step, "train", "math", total))
        yield events
