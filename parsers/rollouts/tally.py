"""What the records of one step, phase and environment of a file add up to, while more of them come."""

from __future__ import annotations

from msgspec import Struct, field

from rli_agent.events import RolloutBatch, TimeIs
from rli_agent.parsers.rollouts.reading import Reading, Rollout
from rli_agent.rollout_statistics import RolloutStatistics

#: Groups that may be open at once, and texts that are remembered to recognise them when they come again.
GROUPS = 8192
TEXTS = 4096


class Group(Struct, array_like=True):
    """The rollouts of one prompt so far. judged: of all it is known whether they solved it."""

    count: int = 0
    rewards: int = 0
    least: float = 0.0
    most: float = 0.0
    judged: bool = True
    solved: bool = False

    def add(self, rollout: Rollout) -> None:
        reward = rollout.reward
        self.count += 1
        if reward is not None:
            self.least = reward if not self.rewards else min(self.least, reward)
            self.most = reward if not self.rewards else max(self.most, reward)
            self.rewards += 1
        self.judged = self.judged and rollout.solved is not None
        self.solved = self.solved or rollout.solved is True


class Tally(Struct, array_like=True):
    """`added` is what came since the last batch was told of, `total` what came before it."""

    line: int
    offset: int
    step: int | None
    phase: str
    environment: str
    total: RolloutStatistics = field(default_factory=RolloutStatistics)
    added: RolloutStatistics = field(default_factory=RolloutStatistics)
    groups: dict[int, Group] = {}
    texts: set[int] = set()
    #: The groups that the batches so far told of: groups, uniform, judged, solved.
    told: tuple[int, int, int, int] = (0, 0, 0, 0)
    #: When the newest record was read, of a file that is followed as it is written.
    time: float | None = None

    def add(self, reading: Reading) -> None:
        """Take in a record."""
        added = self.added
        added.count += 1
        added.errors += reading.error is not None
        added.truncated += reading.truncated
        added.cancelled += reading.cancelled
        added.tool_errors += reading.tool_errors
        for rollout in reading.rollouts:
            self._add(rollout)

    def _add(self, rollout: Rollout) -> None:
        added = self.added
        if rollout.reward is not None:
            added.add("reward", rollout.reward)
        for quantity, value in rollout.figures.items():
            added.add(quantity, value)
        if rollout.solved is not None:
            added.judged += 1
            added.solved += rollout.solved
        added.empty += rollout.empty
        added.repetitive += rollout.repetitive
        added.garbled += rollout.garbled
        if rollout.text is not None and not rollout.empty:
            if rollout.text in self.texts:
                added.identical += 1
            elif len(self.texts) < TEXTS:
                self.texts.add(rollout.text)
        if rollout.group is not None:
            group = self.groups.get(rollout.group)
            if group is None:
                if len(self.groups) >= GROUPS:
                    return
                group = self.groups[rollout.group] = Group()
            group.add(rollout)

    def batch(self, file: str) -> RolloutBatch:
        """All so far, with what is new since the last time."""
        added, self.added = self.added, RolloutStatistics()
        now = self._judge()
        added.groups, added.uniform_groups, added.judged_groups, added.solved_groups = (
            new - old for new, old in zip(now, self.told, strict=True)
        )
        self.told = now
        self.total.merge(added)
        total = RolloutStatistics()
        total.merge(self.total)
        time_is: TimeIs = "estimated" if self.time is None else "observed"
        return RolloutBatch(
            file, self.line, self.offset, self.time, time_is, self.step, "eval" if self.phase == "eval" else "train",
            self.environment, total, added,
        )  # fmt: skip

    def _judge(self) -> tuple[int, int, int, int]:
        whole = [group for group in self.groups.values() if group.count > 1]
        uniform = sum(group.rewards > 1 and group.least == group.most for group in whole)
        judged = [group for group in whole if group.judged]
        return len(whole), uniform, len(judged), sum(group.solved for group in judged)
