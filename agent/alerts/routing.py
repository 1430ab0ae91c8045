"""Which messages go to which channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from rli_agent.alerts.settings import Route, several
from rli_agent.message import Message


class Routed(Struct, frozen=True):
    """A channel, as routes see it. incidents: it takes incidents only, since whoever keeps an incident open until it is
    over can make nothing of a plain piece of news."""

    name: str
    resolved: bool = True
    incidents: bool = False


class Router:
    """Decides when a message arises, so that a change of the routes changes nothing about messages before it.

    A channel that no route names gets all. What goes on with an incident, and its end, goes where it was told before.
    """

    def __init__(self, channels: Sequence[Routed], routes: Iterable[Route] = ()) -> None:
        self.channels = tuple(channels)
        self._routes: dict[str, list[Route]] = {}
        for route in routes:
            for name in several(route.to):
                self._routes.setdefault(name, []).append(route)

    def __call__(self, message: Message, before: frozenset[str]) -> list[str]:
        """The channels' names. before: the channels to which the same incident was told."""
        if message.resolved:
            return [c.name for c in self.channels if c.resolved and c.name in before]
        return [c.name for c in self.channels if c.name in before or self._wanted(c, message)]

    def _wanted(self, channel: Routed, message: Message) -> bool:
        if channel.incidents and not message.lasting:
            return False
        routes = self._routes.get(channel.name)
        return routes is None or any(fits(route, message) for route in routes)

    def described(self, channel: Routed) -> str:
        """What goes to a channel, in words."""
        routes = self._routes.get(channel.name)
        what = "all messages" if routes is None else "; or ".join(map(_described, routes))
        return what + (" (incidents only)" if channel.incidents else "")


def fits(route: Route, message: Message) -> bool:
    """Whether all that the route asks for is so."""
    severities, kinds, others = several(route.severity), several(route.kind), several(route.not_kind)
    labels = dict(message.labels)
    return (
        (not severities or message.severity in severities)
        and (not kinds or any(fnmatchcase(message.kind, glob) for glob in kinds))
        and not any(fnmatchcase(message.kind, glob) for glob in others)
        and all(fnmatchcase(labels.get(name, ""), glob) for name, glob in route.labels.items())
    )


def _described(route: Route) -> str:
    parts = [", ".join(several(route.severity)) or "any severity"]
    if route.kind:
        parts.append(f"kind {', '.join(several(route.kind))}")
    if route.not_kind:
        parts.append(f"not {', '.join(several(route.not_kind))}")
    parts += [f"{name} {glob}" for name, glob in route.labels.items()]
    return "; ".join(parts)
