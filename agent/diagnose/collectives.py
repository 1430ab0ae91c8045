"""Collective operations that timed out: which rank did not come.

torch's watchdog prints, on each rank that waits, `[Rank 3] Watchdog caught collective operation timeout:
WorkNCCL(SeqNum=1132079, OpType=ALLREDUCE, …) ran for 1800035 milliseconds before timing out.` (torch 2.x
ProcessGroupNCCL.cpp); the rank that they wait for prints none, or is at an earlier operation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

_TIMEOUT = re.compile(
    r"\[(?:PG (?:ID )?(?P<group>[^\]\s]+)[^\]]*? )?Rank (?P<rank>\d+)\]:? "
    r"[Ww]atchdog caught collective operation timeout: "
    r"WorkNCCL\(SeqNum=(?P<number>\d+), OpType=(?P<op>\w+)[^\n]*?\) ran for (?P<ran>\d+) milliseconds"
)


class Timeout(Struct, frozen=True):
    """A rank of a process group ("" where it is not named) that timed out, after `ran` seconds, in the group's
    operation number `number` (`op`, like ALLREDUCE)."""

    group: str
    rank: int
    number: int
    op: str
    ran: float


class Waiting(Struct, frozen=True):
    """Who timed out, and whom they waited for. missing: ranks that printed no timeout. behind: ranks at an earlier
    operation than the others, or at another one. `waited` are the others. ran: the longest wait, in seconds."""

    waited: tuple[int, ...]
    missing: tuple[int, ...]
    behind: tuple[int, ...]
    op: str
    number: int
    ran: float


def timeouts_in(text: str) -> list[Timeout]:
    """The timeouts that a text tells of: of each rank and group the first."""
    found: dict[tuple[str, int], Timeout] = {}
    for hit in _TIMEOUT.finditer(text):
        group, rank = hit["group"] or "", int(hit["rank"])
        found.setdefault((group, rank), Timeout(group, rank, int(hit["number"]), hit["op"], int(hit["ran"]) / 1000))
    return list(found.values())


def judge(timeouts: Sequence[Timeout], ranks: int | None = None) -> Waiting | None:
    """Who waited for whom in the group that timed out first. ranks: how many there are in all, where that is known;
    else there are those up to the highest that waited."""
    if not timeouts:
        return None
    group = timeouts[0].group
    known = [t for t in timeouts if t.group == group]
    whole = max(t.rank for t in known) + 1
    if ranks is not None and group in ("", "0"):
        whole = max(whole, ranks)
    missing = set(range(whole)) - {t.rank for t in known}
    last = max(t.number for t in known)
    (op, _), *_ = Counter(t.op for t in known if t.number == last).most_common(1)
    behind = {t.rank for t in known if (t.number, t.op) != (last, op)}
    waited = sorted(t.rank for t in known if t.rank not in behind)
    return Waiting(tuple(waited), tuple(sorted(missing)), tuple(sorted(behind)), op, last, max(t.ran for t in known))


def in_words(ranks: Iterable[int]) -> str:
    """Ranks as one says them: rank 3, ranks 0-2, 5 and 7."""
    runs: list[list[int]] = []
    for rank in sorted(set(ranks)):
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    if not parts:
        return "no rank"
    head = ", ".join(parts[:-1])
    said = f"{head} and {parts[-1]}" if head else parts[-1]
    return ("rank " if len(runs) == 1 and len(runs[0]) == 1 else "ranks ") + said
