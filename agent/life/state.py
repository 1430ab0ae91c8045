"""What is remembered of a run's life, in a form that survives the agent."""

from __future__ import annotations

from statistics import median

import msgspec
from msgspec import Struct

#: Under this name the store keeps a run's LifeState (table `knowledge`).
KNOWN_AS = "life"
#: Ends of a run's life.
ENDS = frozenset({"finished", "failed", "cancelled", "preempted"})
#: Durations kept of each state, and gaps between steps, to tell what is usual.
KEPT = 50
#: States and series that are told apart; what exceeds it is not remembered.
MOST = 256
#: A role that wrote within so many seconds still writes.
WRITES = 120.0


class Attempt(Struct):
    """One start of the run. Times are those of the log, where it gives any."""

    number: int = 1
    start: float | None = None
    end: float | None = None
    first_step: int | None = None
    last_step: int | None = None
    resumed_from: int | None = None

    def outlived(self, start: float | None) -> bool:
        """Whether a state that began then ended with the processes of an earlier attempt, though no line says so."""
        return self.number > 1 and self.start is not None and start is not None and start < self.start


class Open(Struct):
    """A lane in a state that has not ended yet."""

    lane: str
    state: str
    since: float
    step: int | None = None


class Said(Struct):
    """What a role said last that meant something, and when it last wrote any line."""

    time: float
    text: str
    wrote: float

    def writes(self, now: float) -> bool:
        """Whether it still does."""
        return now - self.wrote < WRITES


class Suspect(Struct):
    """The problem that may have ended the run: the first in time. `grade`: 2 ends a process, 1 may, 0 need not."""

    seen: float
    time: float
    logged: bool
    file: str
    line: int
    role: str
    kind: str
    grade: int
    message: str
    step: int | None
    #: finished, failed, cancelled or preempted, if this ended the run.
    verdict: str
    consequences: dict[str, int] = {}
    critical: bool = False
    #: When its file was last written to.
    wrote: float = 0.0
    #: The run has lived through one like it: a loop caught it, and goes on.
    lived: bool = False


class Told(Struct):
    """An incident that a message told of and that is not over."""

    episode: str
    since: float


class Ending(Struct):
    """The run said how it ended, at `seen`; `time` as it logged it, `file` and `line` where."""

    word: str
    seen: float
    time: float
    file: str = ""
    line: int = 0


class LifeState(Struct):
    """All that a LifeTracker knows. Times are the agent's clock where not said otherwise."""

    life: str = "starting"
    #: False until the agent has once read all that was there: what happened before is not told.
    attached: bool = False
    #: The run was silent when the agent came, for so long that this is nothing new: it is told when it moves again.
    quiet: bool = False
    attempt: Attempt = msgspec.field(default_factory=Attempt)
    earlier: list[Attempt] = []
    facts: dict[str, str] = {}

    step: int | None = None
    before: int | None = None
    step_at: float | None = None
    steps: int = 0
    #: The series (file and first metric) whose steps are counted, its last line's logged time.
    leader: str = ""
    leader_time: float | None = None
    #: The line of the attempt's first step, in the leader's file.
    first_line: int = 0
    step_line: int = 0
    series: list[str] = []
    #: Seconds from one step that was told to the next, and how far those two are apart.
    gaps: list[float] = []
    stride: int = 1
    longest_gap: float = 0.0
    first_sign: float | None = None
    #: The log said that training begins.
    begun: bool = False
    progress_at: float | None = None
    #: The same by the log's own clock.
    moved_at: float | None = None
    #: When an evaluation or checkpoint ended: a step has its whole time again.
    aside_at: float | None = None
    #: Progress inside a step: tokens, rollouts, counts.
    inner_at: float | None = None

    open: dict[str, Open] = {}
    usual: dict[str, list[float]] = {}
    #: States that the run announces when they begin.
    announced: set[str] = set()
    ckpt_at: float | None = None
    ckpt_step: int | None = None

    roles: dict[str, Said] = {}
    engine_idle: str = ""
    figures: dict[str, int] = {}

    suspect: Suspect | None = None
    #: Shapes of the errors since the last step, and of those after which a step was done (life/problems.py).
    errors: list[str] = []
    outlived: list[str] = []
    ending: Ending | None = None
    incidents: dict[str, Told] = {}
    #: How many incidents of a kind were told.
    episodes: dict[str, int] = {}
    ended_at: float | None = None
    #: The step in which the run was when it ended, where no step was done.
    ended_in: int | None = None
    restarting: bool = False
    lost_from: int | None = None
    lost_at: float | None = None
    lingers: bool = False
    limit_told: float | None = None
    nan_at: int | None = None
    nan_run: int = 0
    nan_steps: int = 0

    def encode(self) -> bytes:
        """The state as JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> LifeState:
        """The state that `encode` gave. Raises ValueError for what is none."""
        return msgspec.json.decode(data, type=cls)

    @property
    def telling(self) -> str:
        """The file whose steps are counted."""
        return self.leader.partition("\0")[0]

    @property
    def max_steps(self) -> int | None:
        """How many steps the run is to make, where it says so."""
        text = self.facts.get("max_steps", "")
        return int(text) if text.isdigit() else None

    @property
    def gpus(self) -> int | None:
        """How many GPUs the run has, where its configuration says so."""
        per_node, nodes = self.facts.get("gpus_per_node", ""), self.facts.get("nodes", "1")
        return int(per_node) * int(nodes) if per_node.isdigit() and nodes.isdigit() else None

    def usual_step(self) -> float | None:
        """Seconds from one step to the next, usually."""
        if self.gaps:
            return median(self.gaps)
        known = self.usual.get("trainer\0step")
        return median(known) if known else None

    def learn(self, lane: str, state: str, seconds: float) -> None:
        """Remember how long a state lasted."""
        key = f"{lane}\0{state}"
        if seconds <= 0.0 or (key not in self.usual and len(self.usual) >= MOST):
            return
        known = self.usual.setdefault(key, [])
        known.append(round(seconds, 3))
        del known[:-KEPT]

    def lasting(self, state: str) -> list[float]:
        """How long a state lasted, in any lane."""
        return [d for key, known in self.usual.items() if key.endswith(f"\0{state}") for d in known]
