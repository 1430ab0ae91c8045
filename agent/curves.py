"""Curves for a plain terminal, drawn with braille dots."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 60, 6
#: The bit of each dot of a braille character, by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def curve(values: Sequence[float], steps: Sequence[int | None], width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """The values in lines of text, oldest left, with the highest and lowest value and the steps at the ends. What lies
    over more than two powers of ten is drawn on a logarithmic scale. Nothing for less than two values."""
    finite = [v for v in values if math.isfinite(v)]
    if len(finite) < 2:
        return []
    low, high = min(finite), max(finite)
    logarithmic = low > 0.0 and high / low > 100.0
    drawn = [math.log(v) for v in finite] if logarithmic else finite
    floor, span = min(drawn), (max(drawn) - min(drawn)) or 1.0
    columns, rows = 2 * width, 4 * height
    cells = [[0] * width for _ in range(height)]
    for i, value in enumerate(drawn):
        x = i * (columns - 1) // (len(drawn) - 1)
        y = round((1.0 - (value - floor) / span) * (rows - 1))
        cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    drawing = ["".join(chr(0x2800 + dots) for dots in row) for row in cells]
    lines = [f"{label:>{margin}} {row}" for label, row in zip(labels, drawing, strict=True)]
    known = [step for step in steps if step is not None]
    if known:
        first, last = f"step {known[0]}", f"{known[-1]}" + (" (logarithmic)" if logarithmic else "")
        lines.append(f"{'':>{margin}} {first}{last:>{max(1, width - len(first))}}")
    return lines
