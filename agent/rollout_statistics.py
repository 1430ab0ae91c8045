"""What rollouts add up to: counts, and how their quantities are spread. All of it can be added up further."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping

from msgspec import Struct

#: Quantities that statistics may tell apart.
FIGURES = 128

_TOKENS = tuple(float(2**n) for n in range(4, 19))
#: Upper bounds of the buckets of each quantity, the last one (+Inf) left out. Rewards have any scale: most lie between
#: -1 and 1, and 0 and 1 are bounds of their own, since so many are exactly that.
BOUNDS: Mapping[str, tuple[float, ...]] = {
    "reward": (
        -1000.0, -100.0, -10.0, -5.0, -2.0, -1.0, -0.5, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
        1.0, 2.0, 5.0, 10.0, 100.0, 1000.0,
    ),
    "response_tokens": _TOKENS,
    "prompt_tokens": _TOKENS,
    "response_chars": tuple(4.0 * bound for bound in _TOKENS),
    "turns": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0),
    "seconds": (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0),
}  # fmt: skip


class Distribution(Struct, array_like=True):
    """How a quantity is spread. `buckets` maps a bucket's number to how many values fell into it: those up to its bound
    and above the one before. Values that are not finite are left out."""

    count: int = 0
    sum: float = 0.0
    squares: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    buckets: dict[int, int] = {}

    @classmethod
    def of(cls, values: Iterable[float], bounds: tuple[float, ...] = ()) -> Distribution:
        """The distribution of these values."""
        made = cls()
        for value in values:
            made.add(value, bounds)
        return made

    def add(self, value: float, bounds: tuple[float, ...] = ()) -> None:
        """Take in one value; without bounds there are no buckets."""
        if not -1e150 < value < 1e150:  # nor is one whose square is no finite number
            return
        self.count += 1
        self.sum += value
        self.squares += value * value
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        if bounds:
            bucket = bisect_left(bounds, value)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, other: Distribution) -> None:
        """Take in all values of another one, of the same bounds."""
        self.count += other.count
        self.sum += other.sum
        self.squares += other.squares
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    @property
    def mean(self) -> float | None:
        """None without values."""
        return self.sum / self.count if self.count else None

    @property
    def std(self) -> float | None:
        """The population's standard deviation; None without values."""
        if not self.count:
            return None
        return math.sqrt(max(0.0, self.squares / self.count - (self.sum / self.count) ** 2))


class RolloutStatistics(Struct, array_like=True):
    """What some rollouts add up to.

    count: records. errors: those that carry an error. truncated: cut off at a limit. cancelled: given up before their
    end. empty: without any text of the model. repetitive: their end says the same again and again. garbled: full of
    characters that nobody can read. identical: the same text as an earlier one's. solved, of those `judged`: of
    which it is known whether the task was solved. tool_errors: calls of tools that failed.
    groups: prompts with two rollouts or more. uniform_groups: groups whose rewards are all the same.
    solved_groups, of the judged_groups: those in which some rollout solved the task.
    figures: the distributions by quantity (see BOUNDS), `part:NAME` of the reward and `metric:NAME` of the environment.
    """

    count: int = 0
    errors: int = 0
    truncated: int = 0
    cancelled: int = 0
    empty: int = 0
    repetitive: int = 0
    garbled: int = 0
    identical: int = 0
    judged: int = 0
    solved: int = 0
    tool_errors: int = 0
    groups: int = 0
    uniform_groups: int = 0
    judged_groups: int = 0
    solved_groups: int = 0
    figures: dict[str, Distribution] = {}

    def figure(self, quantity: str) -> Distribution:
        """The distribution of a quantity, empty where there was none."""
        return self.figures.get(quantity) or Distribution()

    @property
    def solved_ratio(self) -> float | None:
        """The share of rollouts that solved their task (avg@k); None where it is not known of every one."""
        known = self.judged and self.judged >= self.figure("reward").count
        return self.solved / self.judged if known else None

    @property
    def pass_at_k(self) -> float | None:
        """The share of groups in which some rollout solved the task; None where it is not known of every one."""
        return self.solved_groups / self.groups if self.groups and self.judged_groups == self.groups else None

    def add(self, quantity: str, value: float) -> None:
        """Take in one value of a quantity."""
        found = self._room_for(quantity)
        if found is not None:
            found.add(value, BOUNDS.get(quantity, ()))

    def _room_for(self, quantity: str) -> Distribution | None:
        """The distribution to add to; None beyond the bound: names come from the records."""
        found = self.figures.get(quantity)
        if found is None and len(self.figures) < FIGURES:
            found = self.figures[quantity] = Distribution()
        return found

    def merge(self, other: RolloutStatistics) -> None:
        """Take in all that the other one adds up."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for quantity, distribution in other.figures.items():
            found = self._room_for(quantity)
            if found is not None:
                found.merge(distribution)


#: The names of the counts.
COUNTS = tuple(name for name in RolloutStatistics.__struct_fields__ if name != "figures")
