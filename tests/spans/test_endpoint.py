"""Where spans go: the address that is given, and whether an RL-Insight server is there."""

from __future__ import annotations

import json

import pytest
import requests
from loopback import answering

from rli_agent.publish.spans.endpoint import Endpoint, checked, recognise, traces_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://tempo:4318/", "http://tempo:4318/v1/traces"),
        ("https://otlp.example/tempo/", "https://otlp.example/tempo/v1/traces"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
    ],
)
def test_a_place_for_spans(text: str, url: str) -> None:
    assert traces_url(checked(text)) == url


@pytest.mark.parametrize(
    "text", ["", "4318", "127.0.0.1:4318", "grpc://tempo:4317", "http://", "http://h:x", "http://u:p@h"]
)
def test_no_place_for_spans(text: str) -> None:
    with pytest.raises(ValueError, match=r"URL"):
        checked(text)


def services(port: object) -> dict[str, bytes]:
    said = {"status": "ok", "otlp_port": port, "prometheus_port": 9090, "grafana_port": None}
    return {"/api/v1/services": json.dumps(said).encode()}


def test_an_rl_insight_servers_own_url_leads_to_its_port_for_spans() -> None:
    with answering(services(4399).get) as server, requests.Session() as session:
        found = recognise(session, f"http://127.0.0.1:{server}")
    assert found == Endpoint("http://127.0.0.1:4399/v1/traces", True)


def test_a_port_that_a_server_on_the_same_host_names_is_rl_insights(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda _: None) as tempo, answering(services(tempo).get) as server, requests.Session() as session:
        monkeypatch.setattr("rli_agent.publish.spans.endpoint.SERVER_PORT", server)
        found = recognise(session, f"http://127.0.0.1:{tempo}")
        assert found == Endpoint(f"http://127.0.0.1:{tempo}/v1/traces", True)
        with answering(lambda _: None) as other:
            assert not recognise(session, f"http://127.0.0.1:{other}").rl_insight


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'{"status": "ok"}', b'{"status": "ok", "otlp_port": null}', b"\xff" * 99]
)
def test_what_else_answers_is_none(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({"/api/v1/services": answer}.get) as server, requests.Session() as session:
        monkeypatch.setattr("rli_agent.publish.spans.endpoint.SERVER_PORT", 1)
        url = f"http://127.0.0.1:{server}"
        assert recognise(session, url) == Endpoint(url + "/v1/traces", False)
