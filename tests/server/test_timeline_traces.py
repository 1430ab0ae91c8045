"""The state timeline's queries give data on a real Tempo that was sent a run."""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.parse
from pathlib import Path

import pytest
from agent_process import Command

from rli_agent.dashboards import FOLDER
from rli_agent.player import Playback

from .conftest import Stack, until
from .test_tempo import NO_TEMPO

SAMPLE = Path(__file__).parents[2] / "samples" / "prime-rl"


@pytest.mark.real
@pytest.mark.skipif(shutil.which("tempo") is None, reason=NO_TEMPO)
def test_the_timeline_shows_the_states_and_steps_of_a_run(stack: Stack, tmp_path: Path) -> None:
    stack.start("--only", "tempo")
    run = tmp_path / "run"
    Playback(SAMPLE).play(run, speed=1e6)  # as of today: spans of months ago are past what a search can be asked for
    endpoint = f"http://127.0.0.1:{stack.ports['otlp']}"
    agent = Command(tmp_path, "watch", "--once", run, "--state-dir", tmp_path / "state", "--listen", "none",
                  "--otlp-endpoint", endpoint, wait=True)  # fmt: skip
    assert agent.process.returncode == 0, agent.output

    board = json.loads((FOLDER / "rli-timeline.json").read_text())
    queries = {p["title"]: t["query"] for p in board["panels"] for t in p.get("targets", []) if "query" in t}
    assert set(queries) == {"States", "Steps"}
    for query in queries.values():
        asked = {"q": re.sub(r"\$\w+", ".*", query), "limit": 1000, "spss": 100}
        asked |= {"start": int(time.time() - 6 * 86_400), "end": int(time.time() + 60)}

        def found(parameters: dict[str, object] = asked) -> list[dict[str, object]]:
            reply = stack.get(f"/api/search?{urllib.parse.urlencode(parameters)}", "tempo")
            return list((reply or {}).get("traces", []))

        traces = until(found, 60)
        said = {a["key"] for t in traces for s in t["spanSet"]["spans"] for a in s.get("attributes", [])}  # type: ignore[index]
        assert "select(" not in query or {"state_lane_id", "state_name"} <= said
