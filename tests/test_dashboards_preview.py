"""Pictures of the dashboards: what they show, and that they say what is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from test_dashboards import FILES, load

from rli_agent.dashboards.preview.asking import Answer, _filled_in
from rli_agent.dashboards.preview.drawing import draw, shown


def some(panel: Mapping[str, Any]) -> list[Answer]:
    """Three series of a minute."""
    del panel
    points = [(1_763_700_000.0 + second, second / 7) for second in range(60)]
    return [Answer(f"series {le}", {"le": le, "run": "r" * 200}, points) for le in ("0.5", "1", "+Inf")]


@pytest.mark.real
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_panel_is_drawn(file: Path, tmp_path: Path) -> None:
    assert draw(load(file), some, tmp_path / "full.png") == []
    empty = draw(load(file), lambda _: [], tmp_path / "empty.png")
    asked = [
        p for p in load(file)["panels"] if any(t["datasource"]["type"] == "prometheus" for t in p.get("targets", ()))
    ]
    assert empty == [panel["title"] for panel in asked]
    for name in ("full.png", "empty.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_query_is_asked_as_grafana_would() -> None:
    text = 'rate(x{run=~"$run"}[$__rate_interval]) and y{__name__=~"${metric}"}[$__range]'
    expected = 'rate(x{run=~".*"}[40s]) and y{__name__=~"rl_insight_monitor_.*"}[3600s]'
    assert _filled_in(text, 3600.0, 10.0) == expected


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.125, "percentunit", "12.5 %"), (90, "s", "90 s"), (600, "s", "10 min"), (2.5e9, "bytes", "2.5 GB"),
     (1500, "suffix: tok/s", "1.5 ktok/s"), (float("nan"), "short", "nan")],
)  # fmt: skip
def test_values_are_short(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.real
def test_a_prometheus_that_is_not_there_is_said() -> None:
    line = [sys.executable, "-m", "rli_agent.dashboards", "preview", "--prometheus", "http://127.0.0.1:1"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: http://127.0.0.1:1 does not answer")
