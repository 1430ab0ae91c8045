"""Engines' own pages of metrics, asked by the agent: real HTTP servers that answer with what engines print there."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from loopback import QuietHandler, served
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rli_agent.engines.addresses import Address, addresses_in, addresses_of_prometheus, given_address, to_ask
from rli_agent.engines.page import NoPage, Page
from rli_agent.engines.poller import EnginePoller
from rli_agent.engines.quantities import figures, values_of
from rli_agent.events import RunFact, Samples, Shape, Source


def shape_of(names: tuple[str, ...], units: tuple[str | None, ...], labels: Mapping[str, str]) -> Shape:
    return Shape(names, units, (None,) * len(names), tuple(sorted(labels.items())))


class VLLM:
    """The metrics of vLLM's server, made by the library that it uses; `old` as up to 0.8."""

    def __init__(self, *engines: str, old: bool = False) -> None:
        self.registry = CollectorRegistry()
        labels = ["model_name", *([] if old else ["engine"])]
        kinds = {
            "running": (Gauge, "num_requests_running"), "waiting": (Gauge, "num_requests_waiting"),
            "cache": (Gauge, "gpu_cache_usage_perc" if old else "kv_cache_usage_perc"),
            "prompt": (Counter, "prompt_tokens"), "generated": (Counter, "generation_tokens"),
            "preempted": (Counter, "num_preemptions"), "seconds": (Histogram, "e2e_request_latency_seconds"),
        }  # fmt: skip
        if not old:
            kinds |= {"hits": (Counter, "prefix_cache_hits"), "queries": (Counter, "prefix_cache_queries")}
        made = {key: kind(f"vllm:{name}", name, labels, registry=self.registry) for key, (kind, name) in kinds.items()}
        self.engines = [
            {key: metric.labels("Qwen/Qwen3-4B", *([] if old else [engine])) for key, metric in made.items()}
            for engine in engines or ("0",)
        ]

    def page(self) -> bytes:
        return generate_latest(self.registry)


@contextmanager
def serving(page: Callable[[], bytes], status: int = 200) -> Iterator[str]:
    """A server at 127.0.0.1: HOST:PORT."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/metrics" else 404)
            self.send_header("Location", "http://127.0.0.1:1/metrics")
            self.end_headers()
            self.wfile.write(page())

    with served(Handler) as port:
        yield f"127.0.0.1:{port}"


def told(samples: list[Samples]) -> dict[str | None, dict[str, float]]:
    return {dict(s.shape.labels).get("engine"): dict(zip(s.shape.names, s.values, strict=True)) for s in samples}


# -- what a page says


@pytest.mark.parametrize("old", [False, True])
def test_a_page_of_vllm_tells_load_cache_rates_and_preemptions(old: bool) -> None:
    vllm = VLLM(old=old)
    engine = vllm.engines[0]
    engine["running"].set(18)
    engine["waiting"].set(43)
    engine["cache"].set(0.959)
    engine["generated"].inc(1_000_000)
    first = values_of(vllm.page().decode())
    (part,) = first
    assert dict(figures(first[part], {}, 0.0)) == {
        "vllm:num_requests_running": 18, "vllm:num_requests_waiting": 43, "vllm:kv_cache_usage_perc": 95.9,
    }  # fmt: skip
    engine["generated"].inc(5_000)
    engine["prompt"].inc(10_000)
    engine["preempted"].inc(3)
    if not old:
        engine["queries"].inc(200)
        engine["hits"].inc(50)
    later = dict(figures(values_of(vllm.page().decode())[part], first[part], 10.0))
    assert later["vllm:avg_generation_throughput_toks_per_s"] == 500
    assert later["vllm:avg_prompt_throughput_toks_per_s"] == 1000
    assert later["vllm:num_preemptions"] == 3
    assert later.get("vllm:prefix_cache_hit_rate") == (None if old else 25)


def test_a_restarted_engine_tells_no_rate() -> None:
    vllm, again = VLLM(), VLLM()
    vllm.engines[0]["generated"].inc(1_000)
    before, after = (values_of(one.page().decode())["0"] for one in (vllm, again))
    assert "vllm:avg_generation_throughput_toks_per_s" not in dict(figures(after, before, 1.0))


def test_a_page_of_sglang_is_split_by_data_parallel_rank() -> None:
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(f"sglang:{name}", name, ["model_name", "tp_rank", "dp_rank"], registry=registry)
        for name in ("num_running_reqs", "num_queue_reqs", "token_usage", "gen_throughput", "cache_hit_rate")
    }
    for rank, values in enumerate(((32, 0, 0.08, 1635.0, 0.5), (16, 4, 0.5, 800.0, 0.25))):
        for gauge, value in zip(gauges.values(), values, strict=True):
            gauge.labels("Qwen", "0", str(rank)).set(value)
    said = values_of(generate_latest(registry).decode())
    assert dict(figures(said["1"], {}, 0.0)) == {
        "sglang:num_running_reqs": 16, "sglang:num_queue_reqs": 4, "sglang:token_usage": 0.5,
        "sglang:cache_hit_rate": 25,
    }  # fmt: skip


# -- whom to ask


def test_addresses_stand_in_what_a_run_says() -> None:
    assert [a.name for a in addresses_in("'10.0.0.1:41233', 'http://node-7.cluster:8000/v1', '[fd00::1]:30000'")] == [
        "10.0.0.1:41233", "node-7.cluster:8000", "[fd00::1]:30000",
    ]  # fmt: skip
    assert [a.name for a in addresses_in("http://0.0.0.0:8000")] == ["127.0.0.1:8000"]
    assert list(addresses_in("12:30:45 step:12 - loss:0.5, port 99999, x:123456")) == []


def test_the_prometheus_configuration_that_verl_writes_lists_the_servers(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(
        "global: {scrape_interval: 10s}\nscrape_configs:\n- job_name: ray\n  file_sd_configs: [{files: [x.json]}]\n"
        "- job_name: rollout\n  static_configs:\n  - targets: ['10.0.0.1:41233', '10.0.0.2:41234']\n"
        "- job_name: node\n  static_configs: [{targets: ['10.0.0.9:9100']}]\n"
    )
    assert [a.name for a in addresses_of_prometheus(path)] == ["10.0.0.1:41233", "10.0.0.2:41234"]
    path.write_bytes(b"\xff\x00: [")
    assert list(addresses_of_prometheus(path)) == []


def test_a_log_cannot_send_the_agent_out_of_the_cluster() -> None:
    for host in ("8.8.8.8", "169.254.169.254", "1.1.1.1"):
        with pytest.raises(OSError, match="--engine"):
            to_ask(Address(host, 80))
    assert to_ask(given_address("http://8.8.8.8:80")) == ["8.8.8.8"]
    assert to_ask(Address("10.1.2.3", 80)) == ["10.1.2.3"]
    assert "127.0.0.1" in to_ask(Address("localhost", 80))


@pytest.mark.parametrize("text", ["", "ftp://x", "http://", "http://user:word@x"])
def test_a_wrong_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        given_address(text)


# -- asking


def test_a_lone_server_is_labelled_as_its_log_lines_are_and_several_by_address() -> None:
    vllm = VLLM("0", "1")
    with serving(vllm.page) as place:
        page = Page(given_address(place), shape_of)
        assert set(told(page.look(alone=True))) == {"0", "1"}
        assert set(told(page.look(alone=False))) == {f"{place}/0", f"{place}/1"}


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (b"not found", 404, "404"), (b"moved", 302, "302"), (b"<html>hello</html>", 200, "known"),
        (b"vllm:num_requests_running is 3\n", 200, "not a page"), (b"\xff\x00" * 100, 200, "known"),
        (b"vllm:num_requests_running 1\n" * 400_000, 200, "longer"),
    ],
)  # fmt: skip
def test_what_is_no_page_of_metrics_is_told(content: bytes, status: int, why: str) -> None:
    with serving(lambda: content, status) as place, pytest.raises(NoPage, match=why):
        Page(given_address(place), shape_of).look(alone=True)


def test_a_closed_port_and_a_name_that_leads_nowhere_are_told() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        with pytest.raises(NoPage, match="refused"):
            Page(Address("127.0.0.1", taken.getsockname()[1]), shape_of).look(alone=True)
    with pytest.raises(NoPage):
        Page(Address("a" * 80 + ".invalid", 80), shape_of).look(alone=True)


@pytest.mark.real
def test_a_server_that_says_nothing_holds_up_neither_the_caller_nor_the_others() -> None:
    vllm = VLLM()
    vllm.engines[0]["running"].set(7)
    with closing(socket.create_server(("127.0.0.1", 0))) as mute, serving(vllm.page) as place:
        poller = EnginePoller([given_address(f"127.0.0.1:{mute.getsockname()[1]}")], shape_of, every=0.05)
        fact = RunFact("train.log", 3, 0, None, "observed", "engine_addresses", f"['{place}']")
        poller.record([fact], Source("train.log"), 0.0)
        found: list[Samples] = []
        for _ in range(600):
            found += [s for _, samples in poller.take() for s in samples]
            if len(found) >= 3:
                break
            threading.Event().wait(0.02)
        assert poller.answering == 1
        poller.close(5.0)
    assert [s.values[s.shape.names.index("vllm:num_requests_running")] for s in found[:3]] == [7, 7, 7]
    assert dict(found[0].shape.labels) == {"engine": f"{place}/0", "role": "inference"}


@pytest.mark.real
def test_a_watch_keeps_and_serves_what_the_engine_says(tmp_path: Path) -> None:
    """As a user has it: the log names the server, and the figures stand in the store and at /metrics."""
    run, state = tmp_path / "run", tmp_path / "state"
    run.mkdir()
    vllm = VLLM()
    vllm.engines[0]["running"].set(21)
    with serving(vllm.page) as place:
        (run / "inference.log").write_text(
            f"INFO 08-12 10:11:12 [api_server.py:1] Starting vLLM API server 0 on http://{place}\n"
        )
        command = [sys.executable, "-m", "rli_agent", "watch", "--state-dir", str(state), "--listen"]
        command += ["127.0.0.1:0", str(run)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
            assert watch.stdout is not None
            url = next(m[1] for line in watch.stdout if (m := re.match(r"metrics: (\S+)", line)))
            import urllib.request

            expected = "rl_engine_requests_running{"
            for _ in range(300):
                text = urllib.request.urlopen(url, timeout=10).read().decode()
                if expected in text:
                    break
                threading.Event().wait(0.1)
            watch.send_signal(signal.SIGTERM)
            watch.communicate(timeout=30)
    line = next(line for line in text.split("\n") if line.startswith(expected))
    assert 'engine="0"' in line
    assert 'role="inference"' in line
    assert line.endswith((" 21", " 21.0"))
    (path,) = state.glob("runs/*/run.sqlite")
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT DISTINCT name, metric, value, file FROM samples WHERE name = 'vllm:num_requests_running'"
        assert db.execute(query).fetchall() == [
            ("vllm:num_requests_running", "rl_engine_requests_running", 21.0, f"http://{place}/metrics")
        ]
