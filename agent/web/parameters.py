"""What may be asked for: each question's parameters, with their bounds."""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeVar, get_origin, get_type_hints
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta, Struct, field

from rli_agent.query.log_windows import LogsWanted
from rli_agent.rollouts.selecting import Wanted

#: Characters of a query string.
LONGEST = 8000

Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
Step = Annotated[int, Meta(ge=0, le=2**53)]
Word = Annotated[str, Meta(max_length=200)]
Shown = Annotated[int, Meta(ge=0, le=200)]
Lines = Annotated[int, Meta(ge=0, le=1000)]
Path = Annotated[str, Meta(max_length=4096)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
P = TypeVar("P", bound=Struct)


class BadParameter(Exception):
    """str() says which, and what it may be."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Pixels(Struct, frozen=True, forbid_unknown_fields=True):
    """`from` and `to` in Unix seconds (the whole run), `width` in pixels."""

    since: Number | None = field(default=None, name="from")
    to: Number | None = None
    width: Annotated[int, Meta(ge=10, le=5000)] = 1200


class Search(Struct, frozen=True, forbid_unknown_fields=True):
    """`q`: words that name, common name or labels hold."""

    q: Word = ""
    limit: Annotated[int, Meta(ge=1, le=20_000)] = 2000


class Curves(Struct, frozen=True, forbid_unknown_fields=True):
    """`id`: of series, as /series has them; `metric`: common names. `x`, and in its units `from` and `to`. `points`: in
    how many parts the x axis is thinned."""

    id: Annotated[list[Word], Meta(max_length=64)] = []
    metric: Annotated[list[Word], Meta(max_length=64)] = []
    x: Literal["step", "time"] = "step"
    points: Annotated[int, Meta(ge=10, le=5000)] = 1000
    since: Number | None = field(default=None, name="from")
    to: Number | None = None


class Last(Struct, frozen=True, forbid_unknown_fields=True):
    """`last`: so many steps, the newest."""

    last: Annotated[int, Meta(ge=1, le=5000)] = 100


class HeatOf(Struct, frozen=True, forbid_unknown_fields=True):
    """`columns`: into at most so many steps are merged."""

    quantity: Word = "reward"
    phase: Literal["train", "eval"] = "train"
    environment: Word | None = None
    columns: Annotated[int, Meta(ge=1, le=2000)] = 300


class RolloutsOf(Struct, frozen=True, forbid_unknown_fields=True):
    """`step`: the newest unless said; `worst`, `best`: so many of either end of the reward (20 of the worst); `prompt`:
    a text that the prompt holds."""

    step: Step | None = None
    phase: Literal["train", "eval"] | None = None
    environment: Word | None = None
    worst: Shown | None = None
    best: Shown | None = None
    errored: bool = False
    truncated: bool = False
    min_reward: Number | None = None
    max_reward: Number | None = None
    prompt: Word | None = None

    def wanted(self) -> Wanted:
        worst = 20 if self.worst is None and self.best is None else self.worst or 0
        return Wanted(
            self.step, self.phase, self.environment, self.errored, self.truncated, self.prompt, worst, self.best or 0,
            self.min_reward, self.max_reward,
        )  # fmt: skip


class OneRollout(Struct, frozen=True, forbid_unknown_fields=True):
    """As a list of rollouts has them."""

    file: Path
    offset: Step
    number: Annotated[int, Meta(ge=0, le=100_000)] = 0


class LogsOf(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to `before` lines before a place in the log and `after` from it on: `at` a time (Unix seconds), at a `step`'s
    beginning, at a `cursor` that an answer gave as `first` or `last`; its end where none is named. `level`: the least;
    `text`: what a line holds, capitals or not."""

    at: Number | None = None
    step: Step | None = None
    cursor: Annotated[str, Meta(max_length=80)] | None = None
    before: Lines = 0
    after: Lines = 200
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = None
    role: Word | None = None
    rank: Word | None = None
    text: Word | None = None
    file: Path | None = None

    def wanted(self) -> LogsWanted:
        return LogsWanted(**msgspec.structs.asdict(self))


class Most(Struct, frozen=True, forbid_unknown_fields=True):
    """`limit`: of the answer's length."""

    limit: Limit = 200


class Listening(Struct, frozen=True, forbid_unknown_fields=True):
    """`run`: of these runs alone."""

    run: Annotated[list[Word], Meta(max_length=50)] = []


def read(query: str, kind: type[P]) -> P:
    """The parameters in a query string. Raises BadParameter."""
    if len(query) > LONGEST:
        raise BadParameter(f"the query string is longer than {LONGEST} characters")
    try:
        said = parse_qs(query, max_num_fields=200, errors="replace")
    except ValueError:
        raise BadParameter("the query string has more than 200 parameters") from None
    hints = get_type_hints(kind)
    names = {one.encode_name: one.name for one in msgspec.structs.fields(kind)}
    several = {name for name, attribute in names.items() if get_origin(hints[attribute]) is list}
    values = {name: found if name in several else found[-1] for name, found in said.items()}
    try:
        made = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(names) or "none"
        wrong = str(error).replace("Object contains unknown field", "no parameter is called")
        raise BadParameter(f"{wrong}; parameters here: {known}") from None
    if any(isinstance(value, float) and not math.isfinite(value) for value in msgspec.structs.astuple(made)):
        raise BadParameter("a number must be finite")
    return made
