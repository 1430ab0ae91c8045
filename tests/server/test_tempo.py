"""A real Tempo in the stack: ready, takes a run's history, finds it, ends, and still has it."""

from __future__ import annotations

import json
import secrets
import shutil
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from rli_agent.server.configure.settings import TempoSettings
from rli_agent.server.configure.tempo import render
from rli_agent.server.version import Version

from .conftest import Stack, until

NO_TEMPO = "no tempo is on PATH, and no package of the system brings it"
DAY = 86400.0
PORTS = {"query": 3200, "otlp": 4318, "grpc": 9095}


def send(stack: Stack, run: str, at: float) -> str:
    """A step of 60 s that began at `at`, with one state below it; the trace's id."""
    trace = secrets.token_hex(16)

    def span(name: str, parent: str, start: float, end: float) -> dict[str, Any]:
        it = {
            "traceId": trace, "spanId": secrets.token_hex(8), "name": name, "kind": 1,
            "startTimeUnixNano": str(int(start * 1e9)), "endTimeUnixNano": str(int(end * 1e9)),
            "attributes": [{"key": "run", "value": {"stringValue": run}}],
        }  # fmt: skip
        return {**it, "parentSpanId": parent} if parent else it

    root = span("step", "", at, at + 60)
    spans = [root, span("rollout", str(root["spanId"]), at + 1, at + 40)]
    body = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
    url = f"http://127.0.0.1:{stack.ports['otlp']}/v1/traces"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert reply.status == 200
    return trace


def search(stack: Stack, query: str, around: float) -> list[str]:
    """Ids of the traces that a search finds in two hours around a moment."""
    asked = {"q": query, "start": int(around - 3600), "end": int(around + 3600), "limit": 50}
    found = stack.get(f"/api/search?{urllib.parse.urlencode(asked)}", "tempo")
    return [t["traceID"].zfill(32) for t in (found or {}).get("traces", [])]


@pytest.mark.real
@pytest.mark.skipif(shutil.which("tempo") is None, reason=NO_TEMPO)
def test_a_runs_history_is_found_by_a_search_also_after_a_restart(stack: Stack) -> None:
    said = stack.start("--only", "tempo")
    assert "tempo " in said.out
    assert " is ready after " in said.out
    now = time.time()
    new, old = send(stack, "r", now - 60), send(stack, "r", now - 3 * DAY)

    until(lambda: search(stack, '{span.run="r"}', now) == [new], 60)
    # once its block is cut and the list of blocks is read again: 40 s (3.0.3) and 77 s (2.6.1) measured
    until(lambda: search(stack, '{span.run="r"}', now - 3 * DAY) == [old], 150)
    assert search(stack, '{name="step"} >> {name="rollout" && duration>38s}', now - 3 * DAY) == [old]

    # 3.0.3 does not end where it was searched a moment ago, and is killed
    assert "tempo has ended" in stack("stop").out
    stack.start("--only", "tempo")
    until(lambda: search(stack, '{span.run="r"}', now - 3 * DAY) == [old], 60)


@pytest.mark.real
@pytest.mark.skipif(shutil.which("tempo") is None, reason=NO_TEMPO)
def test_it_ends_by_itself_in_some_seconds(stack: Stack) -> None:
    stack.start("--only", "tempo")
    send(stack, "r", time.time() - 60)
    began = time.monotonic()
    assert stack("stop").out.endswith("tempo has ended\n")
    assert time.monotonic() - began < 15
    assert "Tempo stopped" in stack("logs", "tempo").out


@pytest.mark.real
@pytest.mark.skipif(shutil.which("tempo") is None, reason=NO_TEMPO)
def test_a_key_that_tempo_does_not_know_is_told_before_anything_starts(stack: Stack) -> None:
    config = stack.root / "server.yaml"
    config.write_text(config.read_text().replace("tempo: {", "tempo: {extra: {compacter: {}}, "))
    said = stack("start", "--detach", "--only", "tempo")
    assert said.code == 2
    assert "field compacter not found" in said.err
    assert stack.pids() == []


@pytest.mark.parametrize(
    ("version", "place"),
    [(Version(2, 6, 1), ("storage", "trace", "wal")), (Version(3, 0, 3), ("live_store", "wal"))],
)
def test_each_major_has_its_own_keys_and_the_slack_where_it_reads_it(version: Version, place: tuple[str, ...]) -> None:
    rendered = yaml.safe_load(render(TempoSettings(retention="2w"), version, "127.0.0.1", PORTS, Path("/data")))
    found = rendered
    for key in place:
        found = found[key]
    assert found["ingestion_time_range_slack"] == "720h"
    assert ("ingester" in rendered) == ("compactor" in rendered) == (version.major == 2)
    assert ("live_store" in rendered) == ("backend_worker" in rendered) == (version.major == 3)
    kept = rendered["compactor"] if version.major == 2 else rendered["backend_worker"]
    assert kept["compaction"]["block_retention"] == "336h"


def test_tempo_reports_nothing_to_its_makers() -> None:
    rendered = yaml.safe_load(render(TempoSettings(), Version(3, 0, 3), "127.0.0.1", PORTS, Path("/data")))
    assert rendered["usage_report"] == {"reporting_enabled": False}
