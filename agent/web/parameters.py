"""What may be asked for: each question's parameters, with their bounds."""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeVar, get_origin, get_type_hints
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta, Struct, field

#: Characters of a query string.
LONGEST = 8000

Time = Annotated[float, Meta(ge=-1e12, le=1e12)]
Step = Annotated[int, Meta(ge=0, le=2**53)]
Word = Annotated[str, Meta(max_length=200)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
P = TypeVar("P", bound=Struct)


class BadParameter(Exception):
    """str() says which, and what it may be."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """`from` and `to` in Unix seconds (the whole run), `width` in pixels."""

    since: Time | None = field(default=None, name="from")
    to: Time | None = None
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
    since: Time | None = field(default=None, name="from")
    to: Time | None = None


class Last(Struct, frozen=True, forbid_unknown_fields=True):
    """`last`: so many steps, the newest."""

    last: Annotated[int, Meta(ge=1, le=5000)] = 100


class HeatOf(Struct, frozen=True, forbid_unknown_fields=True):
    """`columns`: into at most so many steps are merged."""

    quantity: Word = "reward"
    phase: Literal["train", "eval"] = "train"
    environment: Word | None = None
    columns: Annotated[int, Meta(ge=1, le=2000)] = 300


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
        raise BadParameter(f"{error}; parameters here: {known}") from None
    if any(isinstance(value, float) and not math.isfinite(value) for value in msgspec.structs.astuple(made)):
        raise BadParameter("a number must be finite")
    return made
