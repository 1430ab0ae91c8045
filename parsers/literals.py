"""The literals that every match of a pattern must hold: what makes a rule cheap on lines that are not its own."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from typing import Any

# The standard library's own parser of patterns; it moved in Python 3.11.
_NEW = sys.version_info >= (3, 11)
sre: Any = import_module("re._constants" if _NEW else "sre_constants")
sre_parser: Any = import_module("re._parser" if _NEW else "sre_parse")

SHORTEST, LONGEST_LITERAL = 3, 500
_ONE_CHARACTER = (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY)
_RUN_AT_END = re.compile(r"(?<=.)(.)\1{2,}\Z", re.DOTALL)


def required_literals(pattern: str) -> tuple[str, ...]:
    """Literals of which every text that `pattern` matches holds at least one; empty when there are none to be found.

    Looks for the longest run of plain characters that no alternative can avoid. Patterns that only the `regex` package
    understands, and case-insensitive ones, give none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = sre_parser.parse(pattern)
    except (sre.error, OverflowError, RecursionError):
        return ()
    if parsed.state.flags & sre.SRE_FLAG_IGNORECASE:
        return ()
    return _best(_sets(parsed))


def searched(literal: str) -> str:
    """What to look for in place of a literal: all of it but the end of a run of three or more of one character.

    Hyperscan 5.4 makes an automaton of 30 MB out of a few hundred literals as soon as one ends so (`Waiting...`).
    """
    return _RUN_AT_END.sub(r"\1\1", literal)


def opening_of(pattern: str, rest: str) -> str | None:
    """The part of a pattern before its last group, `rest`, where that takes all that follows; None for a pattern of
    another form, or one of more than single characters in a row, which might take long."""
    end = f"(?P<{rest}>.+)"
    if not pattern.startswith("^") or not pattern.endswith(end):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what it reads otherwise than the `regex` package
            parsed = sre_parser.parse(pattern.removesuffix(end))
    except (sre.error, OverflowError, RecursionError, Warning):
        return None
    return pattern.removesuffix(end) + "(?=.)" if _is_plain(parsed) else None


def _is_plain(items: Any) -> bool:
    for op, value in items:
        if op is sre.SUBPATTERN:
            _, add, remove, inner = value
            if add or remove or not _is_plain(inner):
                return False
        elif op is sre.MAX_REPEAT:
            if len(value[2]) != 1 or value[2][0][0] not in _ONE_CHARACTER:
                return False
        elif op is not sre.AT and op not in _ONE_CHARACTER:
            return False
    return True


def _best(sets: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Of several sets that all hold, the one whose shortest literal is longest."""
    good = [s for s in sets if s and min(map(len, s)) >= SHORTEST]
    best = max(good, key=lambda s: (min(map(len, s)), -len(s)), default=())
    return tuple(literal[:LONGEST_LITERAL] for literal in best)


def _sets(items: Any) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    run: list[str] = []

    def close() -> None:
        if run:
            found.append(("".join(run),))
            run.clear()

    for op, value in items:
        if op is sre.LITERAL:
            run.append(chr(value))
        elif op is sre.SUBPATTERN:
            _, add, remove, inner = value
            if add & sre.SRE_FLAG_IGNORECASE or remove:
                close()
                continue
            if all(o is sre.LITERAL for o, _ in inner):
                run.extend(chr(v) for _, v in inner)
            else:
                close()
                found.extend(_sets(inner))
        elif op is sre.BRANCH:
            close()
            each = [_best(_sets(branch)) for branch in value[1]]
            if all(each):
                found.append(tuple(sorted({literal for s in each for literal in s})))
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT) or str(op) == "POSSESSIVE_REPEAT":
            low, _, inner = value
            close()
            if low >= 1:
                found.extend(_sets(inner))
        elif op is sre.AT or op in (sre.ASSERT, sre.ASSERT_NOT):
            if op is not sre.AT:
                close()
        else:
            close()
    close()
    return found
