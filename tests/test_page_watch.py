"""The page of a real `rli-agent watch`: who may ask, what is answered, what an open page hears."""

from __future__ import annotations

import http.client
import stat
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from agent_process import Agent, until
from growing_run import orchestrator, trainer, trouble, write, write_run
from page_client import PageClient

pytestmark = pytest.mark.timeout(90)
HOSTILE = '<script>alert(1)</script> javascript:alert(1) \x1b[31mred\x1b[0m ‮evil "quoted" &amp;'


@pytest.fixture
def watched(tmp_path: Path, agents: Callable[..., Agent]) -> tuple[Path, Agent]:
    run = tmp_path / "run"
    write_run(run, 8)
    agent = agents(run, "--listen", "127.0.0.1:0")
    page = PageClient.of(agent)
    until(lambda: page.ask("/api/runs")["runs"][0]["progress"].get("step") == 8, "all that is there")
    return run, agent


@pytest.fixture
def page(watched: tuple[Path, Agent]) -> PageClient:
    return PageClient.of(watched[1])


# -- who may ask


def test_without_the_token_nothing_is_shown_but_metrics_and_health(page: PageClient) -> None:
    for path in ("/", "/page/main.js", "/api/runs", "/api/events", "/api/openapi.json", f"/api/runs/{page.run()}/logs"):
        answer = page.get(path, headers={})
        assert answer.status == 401, path
        assert b"token" in answer.body
        assert page.token.encode() not in answer.body
    for wrong in (page.token[:-1], page.token + "0", page.token.upper(), "ü", ""):
        sent = {"Authorization": f"Bearer {wrong}", "Cookie": f"rli_agent_0={wrong}"}
        assert page.get("/api/runs", headers=sent).status == 401
        assert page.get("/", headers={}, token=wrong).status == 401
    assert page.get("/metrics", headers={}).status == page.get("/-/healthy", headers={}).status == 200


def test_the_printed_address_sets_a_cookie_and_the_token_leaves_the_address_bar(page: PageClient) -> None:
    answer = page.get("/", headers={}, token=page.token, theme="dark")
    assert (answer.status, answer.headers["Location"]) == (303, "/?theme=dark")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert page.get("/api/runs", headers={"Cookie": cookie.partition(";")[0]}).status == 200
    elsewhere = page.get("//evil.example/", headers={}, token=page.token)
    assert not elsewhere.headers.get("Location", "").startswith("//")


def test_a_host_that_is_not_this_machine_is_refused(page: PageClient) -> None:
    asked = {"Authorization": f"Bearer {page.token}"}
    for host in ("evil.example", "evil.example:9092", "127.0.0.1.evil.example", "10.0.0.7:9092", "[::2]", ""):
        assert page.get("/api/runs", headers={**asked, "Host": host}).status == 421, host
    for ours in ("127.0.0.1", "localhost:8080", "[::1]:9092", "LOCALHOST"):
        assert page.get("/api/runs", headers={**asked, "Host": ours}).status == 200


@pytest.mark.real
def test_the_token_is_kept_privately_and_survives_a_restart(
    watched: tuple[Path, Agent], page: PageClient, agents: Callable[..., Agent]
) -> None:
    run, agent = watched
    kept = run.parent / "state" / "page-token"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text().strip() == page.token
    agent.end()
    again = agents(run, "--listen", "127.0.0.1:0")
    assert PageClient.of(again).token == page.token
    again.end()
    kept.chmod(0o644)  # by now anybody may know it
    assert PageClient.of(agents(run, "--listen", "127.0.0.1:0")).token != page.token


@pytest.mark.real
def test_only_this_runs_and_these_questions_are_answered(page: PageClient) -> None:
    run = page.run()
    for path in (f"..%2f{run}/steps", "../../etc/passwd", "none/steps", f"{run}/no", run, ""):
        assert page.get(f"/api/runs/{path}").status == 404, path
    for file in ("/page/../board.py", "/page/%2e%2e/board.py", "/page/..%2f..%2fetc%2fpasswd", "/board.py", "/page/"):
        assert page.get(file).status == 404, file
    for query in ({"width": 10**9}, {"width": "x"}, {"from": "nan"}, {"no": 1}, {"to": "1e400"}):
        answer = page.get(f"/api/runs/{run}/timeline", **query)
        assert (answer.status, list(answer.json)) == (400, ["error", "hint"]), query
    assert page.get(f"/api/runs/{run}/series", q="x" * 9000).status == 400
    assert page.get(f"/api/runs/{run}/curves", id=["x"] * 65).status == 400
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    connection.request("POST", "/api/runs", headers={"Authorization": f"Bearer {page.token}"})
    assert connection.getresponse().status == 501
    connection.close()


# -- what is answered


def test_every_question_is_answered_with_what_the_run_wrote(page: PageClient) -> None:
    run = f"/api/runs/{page.run()}"
    assert page.ask(f"{run}/status")["progress"]["step"] == 8
    timeline = page.ask(f"{run}/timeline")
    assert [lane["lane"] for lane in timeline["lanes"]] == ["trainer", "orchestrator"]
    assert sum(count for lane in timeline["lanes"] for *_, count in lane["intervals"]) == timeline["total"]
    (curve,) = page.ask(f"{run}/curves", metric="rl_reward_mean")["curves"]
    assert (curve["x"], curve["y"][0]) == (list(range(1, 9)), 0.11)
    (same,) = page.ask(f"{run}/curves", id=page.ask(f"{run}/series", q="Reward")["series"][0]["id"])["curves"]
    assert same == curve
    assert page.ask(f"{run}/steps")["lanes"][0]["steps"][-1] == 8
    (group,) = [p for p in page.ask(f"{run}/problems")["problems"] if p["kind"] == "cuda_oom"]
    assert (group["file"], "Traceback" in group["message"]) == ("logs/orchestrator.log", True)
    until(lambda: page.ask(f"{run}/rollouts/heat")["steps"] == list(range(1, 9)), "the rollouts of all steps")
    assert page.ask(f"{run}/alerts").keys() == {"alerts", "messages"}
    assert page.ask(f"{run}/engines") == {"engines": []}


def test_answers_are_packed_and_not_sent_again(page: PageClient) -> None:
    path = f"/api/runs/{page.run()}/series"
    asked = {"Authorization": f"Bearer {page.token}", "Accept-Encoding": "gzip"}
    packed = page.get(path, headers=asked)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(page.get(path).body) / 2
    answers = [packed]

    def is_not_sent_again() -> bool:  # but for what the watch has read meanwhile
        answers.append(page.get(path, headers={**asked, "If-None-Match": answers[-1].headers["ETag"]}))
        return answers[-1].status == 304

    until(is_not_sent_again, "an answer that is the same as before")
    assert answers[-1].body == b""


def test_what_a_log_says_comes_as_text_and_nothing_may_be_loaded_from_elsewhere(
    watched: tuple[Path, Agent], page: PageClient
) -> None:
    write(watched[0], "logs/orchestrator.log", trouble(9, 31000).replace("Fatal error in train", HOSTILE))
    write(watched[0], "logs/orchestrator.log", orchestrator(9, 31001))
    until(lambda: b"alert(1)" in page.get(f"/api/runs/{page.run()}/problems").body, "the problem")
    answer = page.get(f"/api/runs/{page.run()}/problems")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert any("<script>alert(1)</script>" in problem["message"] for problem in answer.json["problems"])
    for reply in (answer, page.get("/"), page.get("/", headers={})):
        policy = reply.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy


# -- what an open page hears


@pytest.mark.real
def test_a_page_that_is_open_hears_of_a_step_within_a_second(watched: tuple[Path, Agent], page: PageClient) -> None:
    run, agent = watched
    with page.events(run=page.run()) as events:
        kind, report, _ = next(events)
        assert (kind, report["progress"]["step"]) == ("status", 8)
        delays = []
        for step in range(9, 14):
            write(run, "logs/orchestrator.log", orchestrator(step, 31000 + step))
            written = time.monotonic()
            write(run, "logs/trainer.log", trainer(step, 31000 + step))
            changed = told = None
            while changed is None or told is None:  # in either order, where the commit comes between two looks
                event = next(events)
                if event[0] == "changed":
                    changed = event
                elif event[1]["progress"].get("step") == step:
                    told = event
            assert changed[1] == {"run": page.run()}
            delays.append(max(changed[2], told[2]) - written)
        assert min(delays) < 1.0  # the machine may be busy with other things now and then
        assert agent.end() == 0  # an open page does not keep it from ending


@pytest.mark.real
def test_no_more_than_some_pages_listen_and_those_that_go_make_room(
    watched: tuple[Path, Agent], page: PageClient
) -> None:
    with ExitStack() as pages:
        for _ in range(8):
            next(pages.enter_context(page.events()))
        refused = page.get("/api/events")
        assert (refused.status, "error" in refused.json) == (503, True)
        assert page.get("/metrics", headers={}).status == 200
    write(watched[0], "logs/trainer.log", trainer(9, 31000))  # what nobody hears any more is noticed when it is sent

    def listens() -> bool:
        try:
            with page.events() as events:
                return bool(next(events))
        except AssertionError:
            return False

    until(listens, "room for another page")
