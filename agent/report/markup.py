"""HTML and SVG, put together so that no text can become markup."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from rli_agent.terminal import plain

#: `None` is left out. Only `Markup` is taken as it is; all else is text of logs until proven otherwise.
Child: TypeAlias = "str | Markup | int | float | Iterable[Child] | None"

_VOID = frozenset({"meta", "br", "hr", "col"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: object) -> Markup:
    """Text as text: no markup, no control characters, nothing that turns the direction of writing."""
    return text if isinstance(text, Markup) else Markup(html.escape(plain(str(text)), quote=True))


def joined(children: Iterable[Child]) -> Markup:
    """Pieces one after the other."""
    return Markup("".join(_pieces(children)))


def _pieces(child: Child) -> Iterable[str]:
    if child is None:
        return
    if isinstance(child, str | int | float):
        yield escaped(child)
        return
    for one in child:
        yield from _pieces(one)


def el(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element. An attribute that is None or False is left out, True stands alone; `_` in a name becomes `-`, and one
    at the end goes away (`class_`)."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(children)}</{name}>")


def data(name: str, value: Any) -> Markup:
    """Figures for the page's script, as JSON in an element that no browser runs."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for mark, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(mark, code)
    return Markup(f'<script type="application/json" id="{escaped(name)}">{text}</script>')
