"""Times for the lines of a finished file that have no stamp, reckoned back from its end."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from typing import TypeAlias

#: A line that stands in time: (line, its time where it is known, the seconds that it says went by since the mark before
#: it that says so too; None or 0: it does not say).
Mark: TypeAlias = "tuple[int, float | None, float | None]"


def rebuild(marks: Iterable[Mark], end: float) -> Iterator[tuple[int, float]]:
    """Times for the marks of a finished file that have none, in the order in which they become known.

    marks: in **reverse** order of lines. end: the time of the last one, as a rule the file's modification time.
    A known time bounds the others: those before it are not after it, those after it not before it. Durations reach
    back over known times between: a step of 60 s ends 60 s after the step before it, whatever else was stamped inside.
    Times never decrease with the line. Memory: 16 bytes for each mark between two known times.
    """
    lines, times = array("q"), array("d")
    cursor, ceiling = end, math.inf
    earliest = math.inf  # in this run, the time of the mark nearest to its beginning that tells a duration
    for line, known, lasted in marks:
        lasted = lasted if lasted is not None and 0.0 < lasted < math.inf else None
        if known is None:
            lines.append(line)
            times.append(cursor)
            if lasted is not None:
                earliest = cursor
        else:
            ceiling = min(known, ceiling)
            if earliest < ceiling:
                cursor += ceiling - earliest  # durations claim more than went by: that mark moves up, and its start
            yield from ((at, max(time, ceiling)) for at, time in zip(lines, times, strict=True))
            del lines[:], times[:]
            earliest = math.inf
            cursor = min(cursor, ceiling) if lasted is None else ceiling
        cursor -= lasted or 0.0
    yield from zip(lines, times, strict=True)
