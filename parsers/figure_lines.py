"""Lines of figures by a logger that nobody knows: keys and numbers, separated by whatever is usual."""

from __future__ import annotations

import re

from rli_agent.parsers.payloads import MAX_PARTS, MAX_TEXT
from rli_agent.parsers.quantities import Quantity, quantity

_FIGURE_BETWEEN = re.compile(r",(?!\d)|[;|]| - ")
_KEY = r"[A-Za-z_][\w./@-]{0,60}"
_FIGURE_ALONE = re.compile(rf"\s*({_KEY}(?: {_KEY}){{0,2}})(?:\s?[:=]\s?|\s)(?=[+-]?[\d.ni])")
_FIGURE_AMONG = re.compile(rf"({_KEY})\s?[:=]\s?(?=[+-]?[\d.ni])")


def figures(text: str) -> list[tuple[str, Quantity]]:
    """`key: value`, `key=value` or `key value` as (key, quantity), with `,` `;` `|` ` - ` or spaces between.

    Parts without a number are left out.
    """
    found = []
    for part in _FIGURE_BETWEEN.split(text[:MAX_TEXT], MAX_PARTS):
        several = list(_FIGURE_AMONG.finditer(part))
        alone = _FIGURE_ALONE.match(part) if len(several) < 2 else None
        matches = [alone] if alone is not None else several
        ends = [*(match.start() for match in matches[1:]), len(part)]
        for match, end in zip(matches, ends, strict=False):
            read = quantity(part[match.end() : end])
            if read is not None:
                found.append((match[1], read))
    return found
