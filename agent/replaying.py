"""`rli-agent detect`: the detectors over what a run has left, its logs or a trace of metrics, without a store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

from rli_agent.detect.engine import Alert, Engine
from rli_agent.detect.language import Detector
from rli_agent.detect.readings import Reader, Reading
from rli_agent.detect.wording import detail, title
from rli_agent.errors import UserError
from rli_agent.parsing import discover, files_read, refuse_several
from rli_agent.rulebook import Rulebook

#: Keys of metric traces → the common names of the same quantities; other keys stand for themselves.
TRACE_KEYS = {
    "reward_mean": "rl_reward_mean", "reward_std": "rl_reward_std", "entropy": "rl_policy_entropy",
    "kl": "rl_policy_kl", "grad_norm": "rl_grad_norm", "policy_loss": "rl_policy_loss",
    "response_length_mean": "rl_response_length_mean_tokens", "clip_ratio": "rl_clip_fraction",
    "truncated_fraction": "rl_truncated_ratio", "rollout_probs_diff_mean": "rl_rollout_probs_diff_mean",
    "advantage_std": "rl_advantage_std", "step_seconds": "rl_step_duration_seconds",
}  # fmt: skip


def is_trace(path: Path) -> bool:
    """Whether a file holds metrics by step: JSON lines, of which one of the first two has `step` and `metrics`."""
    if path.suffix not in (".jsonl", ".json", ".ndjson") or not path.is_file():
        return False
    with path.open("rb") as file:
        heads = [file.readline(1 << 20) for _ in range(2)]
    return any(isinstance(row, dict) and {"step", "metrics"} <= row.keys() for row in map(_row, heads))


def traces_in(folder: Path) -> list[Path]:
    """The traces directly in a directory that holds nothing else but prose: a run may keep such a file among others."""
    files = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.suffix not in (".md", ".txt"))
    return files if all(map(is_trace, files)) else []


def trace_readings(path: Path) -> Iterator[list[Reading]]:
    """The rows of a trace. Lines that are none are passed over: a file may end within one."""
    with path.open("rb") as file:
        for line in file:
            row = _row(line)
            metrics = row.get("metrics") if isinstance(row, dict) else None
            if not isinstance(metrics, dict):
                continue
            step = row.get("step")
            step = step if isinstance(step, int) else None
            time = row.get("time")
            time = float(time) if isinstance(time, int | float) else None
            figures = [(str(key), number) for key, value in metrics.items() if (number := _number(value)) is not None]
            yield [
                Reading(TRACE_KEYS.get(key, key), key, "trainer", (), path.name, step, time, value)
                for key, value in figures
            ]


def run_readings(
    paths: Sequence[Path], reader: Reader, book: Rulebook, zone: tzinfo, framework: str | None
) -> Iterator[list[Reading]]:
    """What the files of a run say, in the order of time: trainer and orchestrator write files of their own. Raises
    UserError where there is nothing to read, or more than one run."""
    refuse_several(paths, book)
    scan = discover(paths, book, framework)
    if not scan.found:
        where = ", ".join(map(str, paths))
        raise UserError(f"nothing to read in {where}", "give a run's output directory, or log files")
    timed: list[tuple[float, list[Reading]]] = []
    for found, sifted in files_read(scan, book, zone):
        last = -math.inf
        for readings in reader.read(sifted.new, found.source):
            time = readings[0].time
            last = time if time is not None else last
            timed.append((last, readings))
    timed.sort(key=lambda item: item[0])
    for _, readings in timed:
        yield readings


def replay(readings: Iterator[list[Reading]], engine: Engine) -> Iterator[Alert]:
    """The alerts of a run that is over, in their order."""
    for line in readings:
        yield from engine.record(line)


def as_object(alert: Alert, detector: Detector) -> dict[str, Any]:
    """An alert as it is printed; figures that are not finite are null."""
    evidence = alert.evidence
    return {
        "file": alert.file,
        "detector": alert.detector,
        "step": alert.step,
        "severity": alert.severity,
        "status": alert.status,
        "id": alert.id,
        "incident": alert.incident,
        "time": alert.time,
        "role": alert.role,
        "series": alert.key,
        "labels": dict(alert.labels),
        "value": _finite(evidence.value),
        "usual": _finite(evidence.usual),
        "limit": _finite(evidence.limit),
        "message": title(alert),
        "detail": detail(alert, detector),
        "recommendation": detector.todo if alert.status == "firing" else "",
    }


def _row(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and value.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(value)
    return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
