"""The page's answers about what lies in a run's files, of several runs, and of a run that nobody watches."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
from agent_process import PATIENCE, Agent, until
from growing_run import orchestrator, script, write, write_run
from page_client import PageClient

from rli_agent.cli import main

pytestmark = pytest.mark.timeout(90)
HOSTILE = "<script>alert(1)</script> javascript:alert(1) ‮evil"


def record(number: int, reward: float) -> str:
    said = (("user", f"{number} + 0?"), ("assistant", f"{number} {HOSTILE}"))
    nodes = [{"message": {"role": role, "content": text}} for role, text in said]
    told = {"nodes": nodes, "rewards": {"a": reward}, "env_name": "math", "errors": [], "ok": True}
    return json.dumps(told) + "\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_run(tmp_path / "run", 6)
    write(tmp_path / "run", "rollouts/step_7/train/all/traces.jsonl", "".join(record(n, n / 10) for n in range(10)))
    return tmp_path / "run"


@pytest.fixture
def page(run: Path, agents: Callable[..., Agent]) -> PageClient:
    client = PageClient.of(agents(run, "--listen", "127.0.0.1:0"))
    until(lambda: client.ask(f"/api/runs/{client.run()}/rollouts/heat")["steps"][-1:] == [7], "all that is there")
    return client


def test_rollouts_of_the_run_are_shown_and_their_texts_stay_texts(page: PageClient) -> None:
    asked = f"/api/runs/{page.run()}/rollouts"
    found = page.ask(asked, worst=3)
    assert (found["step"], found["count"], found["matching"]) == (7, 10, 10)
    assert [one["reward"] for one in found["rollouts"]] == [0.0, 0.1, 0.2]
    worst = found["rollouts"][0]
    assert (worst["prompt"], worst["completion"]) == (["0 + 0?"], [f"0 {HOSTILE}"])
    assert (worst["file"], worst["line"]) == ("rollouts/step_7/train/all/traces.jsonl", 1)
    assert [one["reward"] for one in page.ask(asked, best=2, max_reward=0.5)["rollouts"]] == [0.5, 0.4]
    assert page.ask(asked, step=6, errored=1)["matching"] == 1
    whole = page.ask(f"{asked}/one", file=worst["file"], offset=worst["offset"], number=worst["number"])
    assert whole["completion"] == worst["completion"]
    missing = page.get(asked, environment="chess")
    assert (missing.status, missing.json["error"]) == (404, "the run has no rollouts of chess")


def test_no_file_but_the_runs_rollouts_can_be_read(page: PageClient, run: Path) -> None:
    (run.parent / "secret.jsonl").write_text(record(1, 1.0))
    for file in ("../secret.jsonl", str(run.parent / "secret.jsonl"), "logs/trainer.log", "/etc/passwd"):
        answer = page.get(f"/api/runs/{page.run()}/rollouts/one", file=file, offset=0)
        assert (answer.status, "there is no such rollout" in answer.json["error"]) == (404, True), file
    real = "rollouts/step_7/train/all/traces.jsonl"
    for offset in (1, 10**9, 2**53):
        assert page.get(f"/api/runs/{page.run()}/rollouts/one", file=real, offset=offset).status == 404


def test_logs_go_from_page_to_page_and_hold_no_other_file(page: PageClient, run: Path) -> None:
    asked = f"/api/runs/{page.run()}/logs"
    newest = page.ask(asked)
    assert sorted(newest["files"]) == ["logs/orchestrator.log", "logs/trainer.log"]
    assert [line["time"] for line in newest["lines"]] == sorted(line["time"] for line in newest["lines"])
    first = page.ask(asked, at=0, after=4)
    second = page.ask(asked, cursor=first["last"], after=4)
    places = [(line["file"], line["line"]) for line in (*first["lines"], *second["lines"])]
    assert len(set(places)) == 8
    assert page.ask(asked, text="step 3 |", role="trainer", at=0)["lines"][0]["text"].count("Step 3 |") == 1
    assert page.ask(asked, file="../secret")["lines"] == []
    assert page.get(asked, cursor="x").status == page.get(asked, step=99).status == 404
    assert page.get(asked, level="LOUD").status == 400
    write(run, "logs/orchestrator.log", orchestrator(9, 31000).replace("Reward", HOSTILE))
    until(lambda: HOSTILE in page.get(asked, cursor=newest["last"]).body.decode(), "the new line")


@pytest.mark.real
def test_every_answer_is_what_the_openapi_document_says(page: PageClient) -> None:
    document = page.ask("/api/openapi.json")
    run = page.run()
    one = page.ask(f"/api/runs/{run}/rollouts")["rollouts"][0]
    checked = 0
    for path, methods in document["paths"].items():
        schema = methods["get"]["responses"]["200"]["content"].get("application/json", {}).get("schema")
        if schema is not None:
            query = {"file": one["file"], "offset": one["offset"]} if path.endswith("/one") else {}
            answer = page.ask(path.format(run=urllib.parse.quote(run)), **query)
            jsonschema.validate(answer, {**schema, "components": document["components"]})
            checked += 1
    assert checked == 14
    refused = page.get("/api/runs/none/steps").json
    jsonschema.validate(refused, {"$ref": "#/components/schemas/Refusal", "components": document["components"]})


@pytest.mark.real
def test_several_runs_are_shown_that_are_watched_here_first(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    for name, count in (("a", 3), ("b", 5)):
        write_run(tmp_path / "outputs" / name, count)
    write(tmp_path / "old", "logs/trainer.log", "".join(text for file, text in script(2) if "trainer" in file))
    state = ("--state-dir", str(tmp_path / "state"), "--listen", "none", "--once")
    assert main(["watch", *state, str(tmp_path / "old")]) == 0
    page = PageClient.of(agents(tmp_path / "outputs", "--listen", "127.0.0.1:0"))

    def steps() -> dict[str, int]:
        reports = page.ask("/api/runs")["runs"]
        return {Path(report["run"]["root"]).name: report["progress"].get("step") for report in reports}

    until(lambda: steps() == {"a": 3, "b": 5, "old": 2}, "the three runs")
    reports = page.ask("/api/runs")["runs"]
    assert [report["run"].get("watched", False) for report in reports] == [True, True, False]
    asked = [f"/api/runs/{report['run']['id']}/curves" for report in reports]
    curves = [page.ask(path, metric="rl_policy_entropy")["curves"] for path in asked]
    assert len({one["id"] for (one,) in curves}) == 1  # so that a page can lay them over each other


# -- without a watch


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., PageClient]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: object) -> PageClient:
        log = tmp_path / f"page-{len(started)}.log"
        command = [sys.executable, "-m", "rli_agent", "page", "--state-dir", str(tmp_path / "state"), "--listen"]
        with log.open("wb") as out:
            started.append(
                subprocess.Popen([*command, "127.0.0.1:0", *map(str, arguments)], stdout=out, stderr=subprocess.STDOUT)
            )
        until(lambda: b"\n" in log.read_bytes() or started[-1].poll() is not None, "the page's address")
        text = log.read_text()
        assert "/?token=" in text, text
        address = urllib.parse.urlsplit(text.split()[1])
        return PageClient(address.port or 0, address.query.removeprefix("token="))

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


@pytest.mark.real
def test_a_run_that_nobody_watches_is_read_on_the_spot_and_nothing_is_left(
    run: Path, served: Callable[..., PageClient], tmp_path: Path
) -> None:
    page = served(run)
    (report,) = page.ask("/api/runs")["runs"]
    assert (report["progress"]["step"], report["run"].get("watched", False)) == (6, False)
    assert page.ask(f"/api/runs/{page.run()}/rollouts")["step"] == 7
    assert page.ask(f"/api/runs/{page.run()}/logs", at=0)["lines"]
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["page-token"]
    with page.events() as events:
        assert next(events)[0] == "status"


@pytest.mark.real
def test_without_a_directory_the_stores_of_finished_runs_are_shown(
    run: Path, served: Callable[..., PageClient], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["page", "--state-dir", str(tmp_path / "empty")]) == 2
    assert "no run is known" in capsys.readouterr().err
    assert main(["page", "--state-dir", str(tmp_path / "empty"), str(tmp_path / "nowhere")]) == 2
    assert "no such file or directory" in capsys.readouterr().err
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(run)]) == 0
    broken = tmp_path / "state" / "runs" / "broken-0" / "run.sqlite"
    broken.parent.mkdir()
    broken.write_bytes(b"no database" * 100)
    listed = served().ask("/api/runs")
    assert [report["progress"]["step"] for report in listed["runs"]] == [6]
    assert [("broken-0" in text, "is damaged" in text) for text in listed["unreadable"]] == [(True, True)]
