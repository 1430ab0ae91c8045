"""The agent tells an RL-Insight server where to scrape it. The server here answers as RL-Insight 0.3.0 does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import QuietHandler, served
from msgspec import Struct, field

from rli_agent.publish import insight_target
from rli_agent.publish.insight_target import InsightTarget, _target


class Server(Struct):
    """`refuse`: so many registrations are answered 500 first. `insight`: whether it is an RL-Insight server at all."""

    url: str = ""
    insight: bool = True
    refuse: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)


class _Handler(QuietHandler):
    it: Server

    def do_GET(self) -> None:
        known = self.it.insight and self.path == "/api/v1/services"
        self._answer(200 if known else 404, {"status": "ok", "otlp_port": 4318, "prometheus_port": 9090})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/api/v1/prometheus/targets" or self.it.refuse:
            self.it.refuse -= 1
            self._answer(500, {})
            return
        self.it.asked.append(body)
        self._answer(200, {"status": "ok"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(insight_target, "FIRST_PAUSE", 0.01)
    it = Server()
    with served(type("Handler", (_Handler,), {"it": it})) as port:
        it.url = f"http://127.0.0.1:{port}"
        yield it


def register(url: str, host: str = "127.0.0.1") -> list[str]:
    """Register, wait until that is done with, and give what was said."""
    said: list[str] = []
    it = InsightTarget(url, host, 9092, said.append)
    it.start()
    it._thread.join(10)
    assert not it._thread.is_alive()
    return said


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_server_on_this_machine_scrapes_the_loopback(server: Server, host: str) -> None:
    assert register(server.url, host) == [f"the RL-Insight server at {server.url} scrapes 127.0.0.1:9092"]
    assert server.asked == [{"job_name": "trainer_metrics", "targets": ["127.0.0.1:9092"]}]


def test_it_is_tried_again_until_the_server_takes_it(server: Server) -> None:
    server.refuse = 2
    register(server.url + "/")
    assert len(server.asked) == 1


def test_whoever_is_no_rl_insight_server_is_told_nothing(server: Server) -> None:
    server.insight = False
    assert register(server.url) == []
    assert register(server.url + "/v1/traces") == []
    assert server.asked == []


def test_it_ends_with_the_watch_also_where_nobody_answers() -> None:
    it = InsightTarget("http://127.0.0.1:9", "127.0.0.1", 9092, lambda _: None)
    it.start()
    it.close()
    it._thread.join(10)
    assert not it._thread.is_alive()


@pytest.mark.parametrize(
    ("host", "server", "target"),
    [
        ("127.0.0.1", "http://10.0.0.9:18080", None),
        ("::1", "http://10.0.0.9:18080", None),
        ("10.0.0.5", "http://10.0.0.9:18080", "10.0.0.5:9092"),
        ("fd00::5", "http://10.0.0.9:18080", "[fd00::5]:9092"),
        ("::", "http://[::1]:18080", "[::1]:9092"),
    ],
)
def test_what_the_server_cannot_reach_is_not_registered(host: str, server: str, target: str | None) -> None:
    assert _target(host, 9092, server) == target


def test_a_loopback_that_a_remote_server_cannot_reach_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is taken for one elsewhere."""
    monkeypatch.setattr(insight_target, "is_loopback", lambda _: False)
    (said,) = register(server.url)
    assert "cannot scrape 127.0.0.1:9092, which only this machine reaches: give --listen 0.0.0.0:9092" in said
    assert server.asked == []


@pytest.mark.real
def test_a_watch_that_sends_spans_there_is_scraped_from_there(server: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rli_agent", "watch", "--listen", "127.0.0.1:0", "--state-dir"]
    command += [str(tmp_path / "state"), "--otlp-endpoint", server.url, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        try:
            page = next(line for line in watch.stdout if line.startswith("metrics: "))
            told = next(line for line in watch.stdout if line.startswith("the RL-Insight server"))
        finally:
            watch.terminate()
            watch.communicate(timeout=30)
    (asked,) = server.asked
    assert f"http://{asked['targets'][0]}/metrics" in page
    assert told == f"the RL-Insight server at {server.url} scrapes {asked['targets'][0]}\n"
