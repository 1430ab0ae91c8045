"""The dashboards' JSON: it is what the code makes, and Grafana can draw it."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from engine_pages import engines_page
from real_prometheus import filled

from rli_agent.dashboards import FOLDER
from rli_agent.server.configure.grafana import PROMETHEUS_UID, TEMPO_UID

FILES = sorted(FOLDER.glob("*.json"))
#: Variables that Grafana itself defines.
GIVEN = {"__rate_interval", "__interval"}
VARIABLE = re.compile(r"\$(?:\{)?(\w+)")
METRIC = re.compile(r"\b((?:rl|rli_agent|vllm|sglang|vllm_router|tq)[_:]\w+)")


def load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(file.read_text())
    return loaded


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board: dict[str, Any]) -> list[tuple[str, str]]:
    """(where it stands, PromQL) of a dashboard's panels and marks."""
    found = [(p["title"], t["expr"]) for p in panels(board) for t in p["targets"] if "expr" in t]
    return found + [(a["name"], a["expr"]) for a in board["annotations"].get("list", []) if "expr" in a]


boards = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="grafana-foundation-sdk needs Python 3.11")
def test_the_files_are_what_the_code_makes() -> None:
    from rli_agent.dashboards.__main__ import generated

    made = generated()
    assert {file.name for file in FILES} == set(made)
    stale = [file.name for file in FILES if file.read_text() != made[file.name]]
    assert stale == [], "run `python -m rli_agent.dashboards`"


def test_there_are_six() -> None:
    assert len({load(file)["uid"] for file in FILES}) == len({load(file)["title"] for file in FILES}) == len(FILES) == 6


@boards
def test_panels_have_ids_of_their_own_and_do_not_overlap(file: Path) -> None:
    board = load(file)
    assert max(Counter(panel["id"] for panel in board["panels"]).values()) == 1
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at.get("x", 0), at.get("x", 0) + at["w"])
                 for y in range(at.get("y", 0), at.get("y", 0) + at["h"])}  # fmt: skip
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


@boards
def test_data_sources_and_variables_are_there(file: Path) -> None:
    board = load(file)
    known = {v["name"] for v in board["templating"]["list"]} | GIVEN
    for panel in panels(board):
        for target in panel["targets"]:
            assert target["datasource"]["uid"] in (PROMETHEUS_UID, TEMPO_UID), panel["title"]
            said = f"{panel['title']} {target.get('expr', '')} {target.get('query', '')}"
            assert set(VARIABLE.findall(said)) <= known, panel["title"]
    for name, expr in queries(board):
        assert set(VARIABLE.findall(expr)) <= known, name
    for variable in board["templating"]["list"]:
        asked = variable["query"]
        asked = asked if isinstance(asked, str) else asked["query"]
        assert set(VARIABLE.findall(asked)) <= known, variable["name"]


@boards
def test_every_panel_has_a_unit_a_query_and_refs_of_its_own(file: Path) -> None:
    for panel in panels(load(file)):
        refs = [target["refId"] for target in panel["targets"]]
        assert refs, panel["title"]
        assert len(set(refs)) == len(refs), panel["title"]
        if panel["type"] in ("timeseries", "stat", "bargauge"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@boards
def test_every_metric_is_one_that_is_published(file: Path) -> None:
    page = (filled().render(False) + engines_page(1)).decode()
    published = set(re.findall(r"^([\w:]+)[{ ]", page, re.MULTILINE)) | {"vllm:gpu_cache_usage_perc"}
    for name, expr in queries(load(file)):
        text = re.sub(r'"sglang\[:_\](\w+)"', r" sglang:\1 ", expr)
        text = re.sub(r'"[^"]*"', "", text)
        asked = set(METRIC.findall(text)) - {"rl_insight_monitor_"}
        asked -= {"vllm:time_per_output_token_seconds_bucket"}  # until vLLM 0.11
        assert asked <= published, name
