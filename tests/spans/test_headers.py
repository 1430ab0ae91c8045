"""Headers for the receiver of spans: where they come from, where they go, and that nobody else sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import QuietHandler, served

import rli_agent.samples
from rli_agent.errors import UserError
from rli_agent.publish.spans.headers import headers_for

ENDPOINT = "http://127.0.0.1:4318"
SAMPLE = Path(rli_agent.samples.__path__[0]) / "prime-rl"


def test_a_file_goes_before_our_variable_before_the_standard_ones(tmp_path: Path) -> None:
    environment = {"OTEL_EXPORTER_OTLP_HEADERS": "a=1"}
    assert headers_for(ENDPOINT, None, {}) == {}
    assert headers_for(ENDPOINT, None, environment) == {"a": "1"}
    environment["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] = "a=2"
    assert headers_for(ENDPOINT, None, environment) == {"a": "2"}
    environment["RLI_AGENT_OTLP_HEADERS"] = " authorization = Bearer%20x%3D%3D , x-scope-orgid=team,"
    assert headers_for(ENDPOINT, None, environment) == {"authorization": "Bearer x==", "x-scope-orgid": "team"}
    file = tmp_path / "headers"
    file.write_text("# mine\n\nAuthorization: Basic dTpw:x\n")
    assert headers_for(ENDPOINT, file, environment) == {"Authorization": "Basic dTpw:x"}


def test_the_trainers_own_headers_stay_with_the_trainers_receiver() -> None:
    environment = {"OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor.example:4318"}
    assert headers_for(ENDPOINT, None, environment) == {}
    assert headers_for("https://vendor.example:4318/v1/traces", None, environment) == {"a": "1"}


@pytest.mark.parametrize(
    "text", ["hush", "=hush", "a b=hush", "a=", "a=hush%0d%0aHost: x", "a=hush%00", "Content-Type=hush", "host=hush"]
)
def test_what_cannot_be_sent_is_told_and_not_shown(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        headers_for(ENDPOINT, None, {"RLI_AGENT_OTLP_HEADERS": f"ok=1,{text}"})
    assert "RLI_AGENT_OTLP_HEADERS, part 2: " in str(raised.value)
    assert "hush" not in str(raised.value) + raised.value.hint
    file = tmp_path / "headers"
    file.write_bytes(b"\xff\x00")
    with pytest.raises(UserError, match="it is not text"):
        headers_for(ENDPOINT, file, {})
    with pytest.raises(UserError, match="No such file"):
        headers_for(ENDPOINT, tmp_path / "gone", {})


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(QuietHandler):
        def _take(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, {k.lower(): v for k, v in self.headers.items()}))
            self.send_response(200 if self.command == "POST" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _take

    with served(Handler) as port:
        yield f"http://127.0.0.1:{port}", asked


@pytest.mark.real
def test_a_watch_sends_them_with_spans_alone_and_shows_them_nowhere(
    tmp_path: Path, receiver: tuple[str, list[tuple[str, dict[str, str]]]]
) -> None:
    url, asked = receiver
    command = [sys.executable, "-m", "rli_agent", "watch", "--once", "--listen", "none", str(SAMPLE)]
    environment = {**os.environ, "RLI_AGENT_OTLP_ENDPOINT": url, "RLI_AGENT_STATE_DIR": str(tmp_path)}
    environment["RLI_AGENT_OTLP_HEADERS"] = "authorization=Bearer%20hush"
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    posted = [headers.get("authorization") for method, headers in asked if method == "POST"]
    assert posted
    assert set(posted) == {"Bearer hush"}
    assert not any("authorization" in headers for method, headers in asked if method == "GET")
    assert "hush" not in done.stdout + done.stderr
    assert not any(b"hush" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
