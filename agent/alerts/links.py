"""Where to look on from a message: the agent's page, and Grafana."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from rli_agent.message import Message

#: Seconds around a message that Grafana is to show.
_BEFORE, _AFTER = 3 * 3600, 1800
_BOARD = "rli-overview"


class Places(Struct):
    """Addresses without secrets, as people can reach them. page: the agent's; grafana: with the agent's dashboards."""

    page: str | None = None
    grafana: str | None = None


def page_address(url: str, machine: str) -> str:
    """The page's address as others know it, where the agent listens at `url`: at all addresses, by the machine's
    name."""
    parts = urlsplit(url)
    if parts.hostname not in ("0.0.0.0", "::"):
        return url
    return f"{parts.scheme}://{machine}:{parts.port}"


def links(places: Places, message: Message) -> tuple[tuple[str, str], ...]:
    """Name and address of each."""
    found = []
    if places.page is not None:
        found.append(("Page", places.page.rstrip("/") + "/"))
    if places.grafana is not None:
        labels = dict(message.labels)
        chosen = {"project": "project", "experiment": "experiment_name", "run": "run"}
        variables = {f"var-{name}": labels[label] for name, label in chosen.items() if labels.get(label)}
        window = {"from": int((message.time - _BEFORE) * 1000), "to": int((message.time + _AFTER) * 1000)}
        found.append(("Grafana", f"{places.grafana.rstrip('/')}/d/{_BOARD}?{urlencode({**variables, **window})}"))
    return tuple(found)
