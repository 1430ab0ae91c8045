"""What a panel's queries give on a Prometheus, over a span of time."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from rli_agent.errors import UserError

#: Points of a curve.
POINTS = 240
#: What is chosen in a dashboard's menus; everything where nothing stands here.
CHOSEN = {"metric": "rl_insight_monitor_.*", "search": ""}
_VARIABLE = re.compile(r"\$(?:\{)?(\w+)\}?")
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PATIENCE = 20.0


class Answer(Struct):
    """One series: its legend and labels, and (Unix seconds, value)."""

    legend: str
    labels: dict[str, str]
    points: list[tuple[float, float]]


class Prometheus(Struct, frozen=True):
    """A server, and the span of time that is looked at (Unix seconds)."""

    url: str
    start: float
    end: float

    def answers(self, panel: Mapping[str, Any]) -> list[Answer]:
        """What all queries of a panel give. Raises UserError where the server does not answer or refuses one."""
        found: list[Answer] = []
        for target in panel.get("targets", ()):
            if target.get("datasource", {}).get("type") == "prometheus":
                found += self._answers(target)
        return found

    def _answers(self, target: Mapping[str, Any]) -> Iterator[Answer]:
        step = max(1.0, (self.end - self.start) / POINTS)
        query = _filled_in(target["expr"], self.end - self.start, step)
        if target.get("instant"):
            asked = {"query": query, "time": f"{self.end:.3f}"}
            result = self._ask("query", asked)
        else:
            asked = {"query": query, "start": f"{self.start:.3f}", "end": f"{self.end:.3f}", "step": f"{step:g}"}
            result = self._ask("query_range", asked)
        for series in result:
            labels = {name: str(value) for name, value in series["metric"].items()}
            points = [(float(at), float(value)) for at, value in series.get("values") or [series["value"]]]
            yield Answer(_legend(target.get("legendFormat", ""), labels), labels, points)

    def _ask(self, what: str, asked: Mapping[str, str]) -> list[Any]:
        url = f"{self.url.rstrip('/')}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
                return list(json.load(answer)["data"]["result"])
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise UserError(f"{self.url} refuses the query {asked['query']}: {said}") from None
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{self.url} does not answer: {error}", "give the URL of a Prometheus") from None


def _filled_in(query: str, span: float, step: float) -> str:
    """A query as Grafana would send it. Its interval for rates is four scrapes, or more where points are far apart."""
    times = {"__interval": step, "__rate_interval": max(4 * step, 20.0), "__range": span}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return f"{max(1, round(times[name]))}s" if name in times else CHOSEN.get(name, ".*")

    return _VARIABLE.sub(value, query)


def _legend(form: str, labels: Mapping[str, str]) -> str:
    if form and form != "__auto":
        return _LEGEND.sub(lambda found: labels.get(found[1], ""), form).strip()
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__")
