"""Where to look on from a message: the agent's page, and Grafana."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec import Struct

from rli_agent.message import Message

#: Seconds around a message that Grafana is to show.
_BEFORE, _AFTER = 3 * 3600, 1800
_BOARD = "rli-overview"


class Places(Struct):
    """Addresses without secrets, as people can reach them. page: the agent's; grafana: with the agent's dashboards."""

    page: str | None = None
    grafana: str | None = None


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
