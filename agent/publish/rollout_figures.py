"""What `/metrics` shows of rollouts: counts and histograms of all that were read, and how the newest step's were.

Counters and histograms add up what each batch says is new, so that a file which is summed up again counts once; when
the agent starts they are made from the store.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from rli_agent.events import Labels, RolloutBatch, Source
from rli_agent.rollout_statistics import Distribution, RolloutStatistics

#: Combinations of role, labels, environment and phase that are kept, and batches that are known again.
KEPT = 1024
KNOWN = 16_384

#: Counts of all rollouts read → the counter.
_COUNTERS = {
    "count": "rl_rollouts_total", "errors": "rl_rollouts_errored_total", "truncated": "rl_rollouts_truncated_total",
    "cancelled": "rl_rollouts_cancelled_total", "empty": "rl_rollouts_empty_total",
    "repetitive": "rl_rollouts_repetitive_total", "garbled": "rl_rollouts_garbled_total",
    "tool_errors": "rl_rollouts_tool_errors_total",
}  # fmt: skip
#: Quantities → the histogram.
_HISTOGRAMS = {
    "reward": "rl_rollout_reward", "response_tokens": "rl_rollout_response_tokens",
    "prompt_tokens": "rl_rollout_prompt_tokens", "response_chars": "rl_rollout_response_chars",
    "turns": "rl_rollout_turns", "seconds": "rl_rollout_duration_seconds",
}  # fmt: skip
#: Counts of the newest step → the gauge of their share in its records.
_SHARES = {
    "errors": "rl_rollout_errored_ratio", "truncated": "rl_rollout_truncated_ratio",
    "cancelled": "rl_rollout_cancelled_ratio", "empty": "rl_rollout_empty_ratio",
    "repetitive": "rl_rollout_repetitive_ratio", "garbled": "rl_rollout_garbled_ratio",
    "identical": "rl_rollout_identical_ratio",
}  # fmt: skip
#: A quantity's name up to the colon → the gauge of the mean of each such.
_NAMED = {"part": "rl_rollout_reward_part_mean", "metric": "rl_rollout_metric_mean"}

#: role, the source's labels, environment, phase
_Key = tuple[str, Labels, str, str]


class Figure(Struct):
    """A series' value: a number, or, of a histogram, a distribution. `quantity` names the bounds of its buckets."""

    name: str
    labels: tuple[Labels, ...]
    value: float | Distribution
    quantity: str = ""


class _Newest(Struct):
    step: int
    statistics: RolloutStatistics


class RolloutFigures:
    """Takes batches and gives the figures that they change. Not thread-safe."""

    def __init__(self) -> None:
        self._totals: dict[_Key, RolloutStatistics] = {}
        self._newest: dict[_Key, _Newest] = {}
        self._known: dict[tuple[str, int | None, str, str], None] = {}
        self._changed: set[_Key] = set()

    def take(self, batch: RolloutBatch, source: Source) -> None:
        """Take in a batch; it counts for what is new in it."""
        key = (source.role, source.labels, batch.environment, batch.phase)
        if key not in self._totals and len(self._totals) >= KEPT:
            return
        added = batch.added or batch.total
        self._totals.setdefault(key, RolloutStatistics()).merge(added)
        self._changed.add(key)
        self._take_newest(key, batch, added)

    def _take_newest(self, key: _Key, batch: RolloutBatch, added: RolloutStatistics) -> None:
        step = -1 if batch.step is None else batch.step
        newest, rewritten = self._newest.get(key), self._is_rewritten(batch, added)
        if newest is None or step > newest.step or rewritten:
            newest = self._newest[key] = _Newest(step, RolloutStatistics())
            newest.statistics.merge(batch.total)
        elif step == newest.step:
            newest.statistics.merge(added)

    def _is_rewritten(self, batch: RolloutBatch, added: RolloutStatistics) -> bool:
        """Whether a file that told of this step before has been written again: the run resumed from an earlier one.
        Steps that are older otherwise come because files are read in any order."""
        part = (batch.file, batch.step, batch.environment, batch.phase)
        known = self._known.pop(part, ()) is None
        self._known[part] = None
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]
        return known and added.count == batch.total.count

    def changed(self) -> list[Figure]:
        """The figures that changed since the last call."""
        keys, self._changed = self._changed, set()
        return [figure for key in keys for figure in self._figures(key)]

    def _figures(self, key: _Key) -> Iterator[Figure]:
        role, own, environment, phase = key
        labels = rollout_labels(role, environment, phase, own)
        total = self._totals[key]
        for count, name in _COUNTERS.items():
            if count in ("count", "errors", "truncated") or getattr(total, count):
                yield Figure(name, labels, float(getattr(total, count)))
        for quantity, name in _HISTOGRAMS.items():
            spread = total.figure(quantity)
            if spread.count:
                copy = Distribution()
                copy.merge(spread)
                yield Figure(name, labels, copy, quantity)
        yield from step_figures(self._newest[key].statistics, labels)


def rollout_labels(role: str, environment: str, phase: str, own: Labels) -> tuple[Labels, ...]:
    """What the series of a kind of rollouts carry; `own` are the labels of their file."""
    return (("role", role), ("environment", environment), ("stat", phase)), own


def step_figures(step: RolloutStatistics, labels: tuple[Labels, ...]) -> Iterator[Figure]:
    """The gauges of one step's rollouts."""
    reward, tokens = step.figure("reward"), step.figure("response_tokens")
    if reward.count:
        spread = {"mean": reward.mean, "std": reward.std, "min": reward.least, "max": reward.most}
        for name, value in spread.items():
            yield Figure(f"rl_rollout_reward_{name}", labels, value or 0.0)
    if tokens.count:
        yield Figure("rl_rollout_response_mean_tokens", labels, tokens.mean or 0.0)
    if step.count:
        for count, name in _SHARES.items():
            yield Figure(name, labels, getattr(step, count) / step.count)
    if step.groups:
        yield Figure("rl_rollout_uniform_groups_ratio", labels, step.uniform_groups / step.groups)
    solved, passed = step.solved_ratio, step.pass_at_k
    if solved is not None:
        yield Figure("rl_rollout_solved_ratio", labels, solved)
    if passed is not None:
        yield Figure("rl_rollout_pass_at_k_ratio", labels, passed)
    for quantity, spread_of in step.figures.items():
        kind, colon, name = quantity.partition(":")
        if colon and spread_of.count:
            yield Figure(_NAMED[kind], (*labels, (("kind", name),)), spread_of.mean or 0.0)
