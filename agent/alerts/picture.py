"""A curve as a small PNG picture: what chats and mail programs can show. Nothing of it comes from a log but numbers."""

from __future__ import annotations

import math
import struct
import zlib
from itertools import pairwise

from rli_agent.message import Curve

WIDTH, HEIGHT = 480, 160
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 10, 12, 22
_WHITE, _GRID, _INK, _LINE, _LIMIT = range(5)
_PALETTE = bytes.fromhex("ffffff dde1e6 30363d 1f5fbf d1242f")
#: Digits and what stands among them, 3 by 5 dots, row by row.
_FONT = {
    "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7), "3": (7, 1, 7, 1, 7), "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 2, 2, 2), "8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7),
    ".": (0, 0, 0, 0, 2), "-": (0, 0, 7, 0, 0), "+": (0, 2, 7, 2, 0), "e": (7, 5, 7, 4, 7),
}  # fmt: skip
#: Dots of the picture to a dot of a digit.
_SCALE = 2
#: What lies over more than two powers of ten is drawn on a logarithmic scale.
_WIDE = 100.0


class _Canvas:
    """Dots of a palette, row by row."""

    def __init__(self) -> None:
        self._rows = [bytearray(WIDTH) for _ in range(HEIGHT)]

    def dot(self, x: int, y: int, colour: int, size: int = 1) -> None:
        for row in self._rows[max(0, y) : max(0, y + size)]:
            row[max(0, x) : max(0, min(x + size, WIDTH))] = bytes([colour]) * (min(x + size, WIDTH) - max(0, x))

    def line(self, a: tuple[int, int], b: tuple[int, int], colour: int, size: int = 2) -> None:
        steps = max(abs(b[0] - a[0]), abs(b[1] - a[1]), 1)
        for i in range(steps + 1):
            self.dot(a[0] + (b[0] - a[0]) * i // steps, a[1] + (b[1] - a[1]) * i // steps, colour, size)

    def text(self, x: int, y: int, text: str) -> None:
        for at, glyph in enumerate(_FONT.get(c, (0, 0, 0, 0, 0)) for c in text):
            for row, dots in enumerate(glyph):
                for column in range(3):
                    if dots & (4 >> column):
                        self.dot(x + (4 * at + column) * _SCALE, y + row * _SCALE, _INK, _SCALE)

    def png(self) -> bytes:
        data = zlib.compress(b"".join(b"\0" + row for row in self._rows), 9)
        head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
        parts = ((b"IHDR", head), (b"PLTE", _PALETTE), (b"IDAT", data), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def picture(curve: Curve) -> bytes:
    """The curve with its highest and lowest value, the first and last step, and the line that it crossed, as a PNG of
    some kilobytes. Raises ValueError for less than two values that are finite."""
    points = [(step, value) for step, value in zip(curve.steps, curve.values, strict=True) if math.isfinite(value)]
    if len(points) < 2:
        raise ValueError("a curve has two values at least")
    values = [value for _, value in points]
    limit = curve.limit if curve.limit is not None and math.isfinite(curve.limit) else None
    shown = values + ([limit] if limit is not None else [])
    low, high = min(shown), max(shown)
    wide = low > 0.0 and high / low > _WIDE

    def height(value: float) -> int:
        bottom, top, now = (math.log(v) if wide else 0.5 * v for v in (low, high, value))  # half: no overflow
        share = (now - bottom) / (top - bottom) if top > bottom else 0.5
        return round(_TOP + (1.0 - share) * (HEIGHT - _TOP - _BOTTOM))

    def place(number: int) -> int:
        return _LEFT + number * (WIDTH - _LEFT - _RIGHT) // (len(points) - 1)

    canvas = _Canvas()
    for y in sorted({height(low), height(high)}):
        canvas.line((_LEFT, y), (WIDTH - _RIGHT, y), _GRID, 1)
    canvas.text(4, height(high) - 4, f"{high:.3g}")
    if high > low:
        canvas.text(4, height(low) - 4, f"{low:.3g}")
    first, last = points[0][0], points[-1][0]
    if first is not None and last is not None:
        canvas.text(_LEFT, HEIGHT - 14, str(first))
        canvas.text(WIDTH - _RIGHT - 8 * len(str(last)), HEIGHT - 14, str(last))
    if limit is not None:
        for x in range(_LEFT, WIDTH - _RIGHT, 8):
            canvas.line((x, height(limit)), (x + 4, height(limit)), _LIMIT, 1)
    dots = [(place(number), height(value)) for number, value in enumerate(values)]
    for a, b in pairwise(dots):
        canvas.line(a, b, _LINE)
    return canvas.png()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
