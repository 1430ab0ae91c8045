"""Figures as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, tzinfo

from rli_agent.answer.report import Figure, Performance, Series
from rli_agent.life.wording import spoken
from rli_agent.terminal import plain

#: Metrics as one says them.
_SPOKEN = {
    "rl_policy_entropy": "entropy", "rl_policy_kl": "KL", "rl_policy_kl_old": "KL to the old policy",
    "rl_mismatch_kl": "mismatch KL", "rl_grad_norm": "gradient norm", "rl_policy_loss": "policy loss",
    "rl_loss": "loss", "rl_reward_mean": "reward", "rl_eval_score": "eval",
    "rl_response_length_mean_tokens": "response length", "rl_sequence_length_mean_tokens": "sequence length",
    "rl_truncated_ratio": "truncated",
    "rl_errored_ratio": "errors", "rl_zero_signal_groups_ratio": "groups without signal",
    "rl_off_policy_max_steps": "off-policy", "rl_throughput_tokens_per_second": "throughput",
    "rl_step_duration_seconds": "step time", "rl_engine_requests_running": "running",
    "rl_engine_requests_waiting": "waiting", "rl_engine_kv_cache_usage_ratio": "KV cache",
    "rl_engine_generation_tokens_per_second": "generation", "rl_engine_preemptions": "preemptions",
}  # fmt: skip
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-~=*^#"
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e4, "k"))


def word(metric: str) -> str:
    """A metric's name as one says it."""
    return _SPOKEN.get(metric, metric.removeprefix("rl_").replace("_", " "))


def name(series: Series) -> str:
    """What a series is called."""
    return word(series.metric) + (f" {plain(series.environment)[:24]}" if series.environment else "")


def figure(metric: str, told: Figure) -> str:
    """A value of a common metric, in the unit that its name ends in."""
    value = float(told)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if metric.endswith("_ratio"):
        return f"{value:.1%}"
    if metric.endswith("_seconds"):
        return spoken(value)
    if metric.endswith("_tokens_per_second"):
        return f"{scaled(value)} tok/s"
    return scaled(value)


def step_times(told: Performance) -> list[str]:
    """How long the steps of trainer and orchestrator take, those that are known."""
    steps = (("trainer", told.trainer_step_seconds), ("orchestrator", told.orchestrator_step_seconds))
    return [f"{who} step {spoken(seconds)}" for who, seconds in steps if seconds is not None]


def waits(told: Performance) -> list[str]:
    """What trainer and environments wait for, as far as it is known."""
    said = [told.waits] if told.waits else []
    return said + ([f"event loop lag {spoken(told.env_lag_seconds)}"] if told.env_lag_seconds is not None else [])


def scaled(value: float) -> str:
    """Four digits, large ones with a prefix."""
    for factor, prefix in _PREFIXES:
        if abs(value) >= factor:
            return f"{value / (1e3 if prefix == 'k' else factor):.4g}{prefix}"
    return f"{value:.4g}"


def curve(values: Sequence[Figure], width: int, unicode: bool = True) -> str:
    """The newest `width` values as a line of blocks between their least and their largest; `!` is not finite."""
    shown = [float(v) for v in values[-width:]] if width > 0 else []
    finite = [v for v in shown if math.isfinite(v)]
    if not finite:
        return "!" * len(shown)
    low, high = min(finite), max(finite)
    marks = _BLOCKS if unicode else _ASCII
    top = len(marks) - 1
    span = high - low
    if not span or not math.isfinite(span):
        return "".join(marks[0] if math.isfinite(v) else "!" for v in shown)
    return "".join(marks[round((v - low) / span * top)] if math.isfinite(v) else "!" for v in shown)


def clock(time: float | None, zone: tzinfo | None, now: float) -> str:
    """The time of day, with the date where it was another day."""
    if time is None:
        return "?"
    try:
        then, today = datetime.fromtimestamp(time, zone), datetime.fromtimestamp(now, zone)
    except (OverflowError, ValueError, OSError):  # what a log gives as a time may be anything
        return "?"
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%b %d %H:%M}"
