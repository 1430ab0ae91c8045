"""`rli-agent status`: what it answers, with which exit code, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest
from prime_rl_logs import stamp, step_line, write_run

import rli_agent.samples
from rli_agent.answer.report import Report
from rli_agent.asking.ask import runs_in
from rli_agent.cli import main
from rli_agent.errors import UserError
from rli_agent.options import WatchOptions
from rli_agent.samples.prime_rl_run import DIR

ROOT = Path(__file__).parents[1]
Status = Callable[..., tuple[int, str]]
MINE = """
pack: mine
detect: ["step 1 loss"]
sources: [{role: trainer, paths: ["train.log"]}]
rules:
  - {id: step, pattern: '^step (?P<step>\\d+) loss (?P<loss>\\S+)', metrics: {loss: loss}}
  - {id: save, pattern: '^saving', begin: save_ckpt}
  - {id: saved, pattern: '^saved', end: save_ckpt}
"""


@pytest.fixture
def status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Status:
    def run(*arguments: object) -> tuple[int, str]:
        code = main(["status", "--state-dir", str(tmp_path / "state"), *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def report_of(told: str) -> Report:
    return msgspec.json.decode(told, type=Report)


def finished_run(folder: Path) -> Path:
    run = folder / "finished"
    shutil.copytree(Path(rli_agent.samples.__path__[0]) / "prime-rl" / DIR, run)
    return run


@pytest.mark.real
def test_a_finished_run_is_healthy_and_the_first_line_says_so(status: Status, tmp_path: Path) -> None:
    code, told = status(finished_run(tmp_path))
    assert code == 0
    assert told.startswith("Healthy: finished: step 12 of 12, reward 0.7123")


def test_a_run_under_way_is_healthy(status: Status, tmp_path: Path) -> None:
    code, told = status(write_run(tmp_path / "run"))
    assert code == 0, told
    assert re.match(r"Healthy: step 30 of 100, .*ETA \d\d:\d\d", told)


def test_a_run_that_died_is_down_and_the_cause_stands_in_the_first_line(status: Status, tmp_path: Path) -> None:
    oom = "  ERROR torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB. GPU 0 has a total capacity"
    code, told = status(write_run(tmp_path / "run", ago=900.0, last=[oom]))
    assert code == 2
    first = told.split("\n")[0]
    assert re.fullmatch(
        r"Down: failed at step 30 of 100: GPU out of memory: it asked for 2\.12 GiB on GPU 0 "
        r"\(logs/trainer\.log:\d+, \d\d:\d\d\)",
        first,
    )


def test_a_run_that_nobody_watches_and_that_is_silent_for_hours_is_down(status: Status, tmp_path: Path) -> None:
    code, told = status(write_run(tmp_path / "run", ago=3 * 3600.0))
    assert code == 2
    assert told.startswith("Down: stalled: no progress for 3 h, at step 30 of 100")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"last": ["  ERROR OSError: [Errno 28] No space left on device"]}, "disk_full"),
        ({"error": "12.5"}, "12.5% of the rollouts failed"),
        ({"ago": 300.0}, "no step for 5 min (usually every 20 s)"),
    ],
)
def test_a_run_that_goes_on_with_something_wrong_is_degraded(
    status: Status, tmp_path: Path, made: dict[str, object], why: str
) -> None:
    code, told = status(write_run(tmp_path / "run", **made))  # type: ignore[arg-type]
    assert code == 1, told
    assert told.startswith("Degraded: ")
    assert why in told


def test_what_a_detector_says_stands_in_the_answer(status: Status, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", steps=60, grad_norms=["0.0510"] * 4 + ["nan"] * 4)
    code, told = status(run)
    assert code == 1
    assert re.match(r"Degraded: step 60 of 100, .*alert: nan_loss", told), told


def test_how_late_the_event_loop_runs_is_told(status: Status, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    measured = "Measured 1.2s (min=0.0s, med=0.9s, p90=3.1s, max=8.0s) event loop lag over the last 100 measurement(s)"
    with (run / "logs/orchestrator.log").open("a") as log:
        log.write(f"{stamp(time.time())} WARNING Detected busy event loop. {measured}\n")
    assert report_of(status(run, "--json")[1]).performance.env_lag_seconds == 3.1


def test_spikes_are_shown_and_do_not_degrade(status: Status, tmp_path: Path) -> None:
    code, told = status(write_run(tmp_path / "run", grad_norms=["9.5", "0.0510"]))
    assert code == 0
    assert re.search(r"gradient norm .*1 spike", told)


def test_json_is_a_report(status: Status, tmp_path: Path) -> None:
    code, told = status(write_run(tmp_path / "run"), "--json")
    report = report_of(told)
    assert (code, report.health, report.progress.step, report.progress.max_steps) == (0, "Healthy", 30, 100)
    assert report.run.framework == "prime-rl"
    assert report.performance.trainer_step_seconds == 20.0
    assert {s.metric: s.value for s in report.quality}["rl_reward_mean"] == 0.40
    assert not report.run.watched


@pytest.mark.real
def test_json_keeps_to_its_schema_also_where_figures_are_not_finite(status: Status, tmp_path: Path) -> None:
    _, definitions = msgspec.json.schema_components([Report], ref_template="#/$defs/{name}")
    for norms in (["0.0510", "nan"], ["nan", "0.0510"], ["inf"], ["nan"] * 40):
        _, told = status(write_run(tmp_path / str(len(norms)) / norms[0], grad_norms=norms), "--json")
        jsonschema.validate(json.loads(told), {"$ref": "#/$defs/Report", "$defs": definitions})
        (norm,) = (s for s in report_of(told).stability if s.metric == "rl_grad_norm")
        odd = [spike.value for spike in norm.spikes]
        assert odd == (["Infinity"] if norms == ["inf"] else ["NaN"] * min(10, norms.count("nan")))
        assert norm.value == {"nan": "NaN", "inf": "Infinity"}.get(norms[-1], 0.051)


def test_nothing_is_left_behind(status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    run = write_run(tmp_path / "run")
    before = sorted(run.rglob("*"))
    assert status(run)[0] == 0
    assert sorted(run.rglob("*")) == before
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_a_store_of_an_earlier_watch_stays_as_it_is_and_later_lines_count(status: Status, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ago=100.0)
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(run)]) == 0
    (store,) = tmp_path.glob("state/runs/*/run.sqlite")
    before = store.read_bytes()
    with (run / "logs/trainer.log").open("a") as log:
        log.write(step_line(31, time.time()))
    code, told = status("--json")
    assert code == 0, told
    assert report_of(told[told.index("{\n") :]).progress.step == 31
    assert store.read_bytes() == before


@pytest.mark.real
def test_a_run_that_is_watched_is_told_from_its_store(status: Status, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    arguments = ["watch", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(run)]
    with subprocess.Popen([sys.executable, "-m", "rli_agent", *arguments], stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        try:
            for line in agent.stdout:
                if line.startswith("step 30"):
                    break
            report = report_of(status(run, "--json")[1])
        finally:
            agent.send_signal(signal.SIGTERM)
    assert report.run.watched
    assert report.run.store is not None
    assert report.progress.step == 30


def test_what_an_attempt_left_open_is_over_when_the_next_one_trains(status: Status, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / ".rli-agent" / "rules").mkdir(parents=True)
    (run / ".rli-agent" / "rules" / "mine.yaml").write_text(MINE)
    began = time.time() - 300.0
    steps = [f"{stamp(began + 10 * i)} step {i} loss 0.5\n" for i in range(1, 8)]
    again = [f"{stamp(began + 120 + 10 * i)} step {i} loss 0.5\n" for i in range(1, 18)]
    (run / "train.log").write_text("".join([*steps, f"{stamp(began + 75)} saving\n", *again]))
    assert "save_ckpt" not in status(run)[1]
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(run)]) == 0
    assert "Healthy: step 17\n" in status(run)[1]


def test_of_a_run_that_is_gone_the_store_is_named(status: Status, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(run)]) == 0
    shutil.rmtree(run)
    with pytest.raises(UserError, match="is gone") as told:
        runs_in(WatchOptions([run], state_dir=tmp_path / "state"))
    assert told.value.hint is not None
    store = told.value.hint.split()[-1]
    assert main(["diagnose", store]) == 0
    assert status(run)[0] == 2


def test_a_broken_pack_is_told(status: Status, tmp_path: Path) -> None:
    rules = write_run(tmp_path / "run") / ".rli-agent" / "rules"
    rules.mkdir(parents=True)
    (rules / "mine.yaml").write_text("pack: mine\nrules: [\n")
    code, told = status(tmp_path / "run")
    assert code == 0
    assert f"rule pack left out: {rules / 'mine.yaml'}:3:1:" in told


def test_the_run_that_was_watched_last_is_the_one_meant(status: Status, tmp_path: Path) -> None:
    for name, age in (("older", 200.0), ("newer", 100.0)):
        run = write_run(tmp_path / name, ago=age)
        assert main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "state"), str(run)]) == 0
    assert str(tmp_path / "newer") in status()[1]


def test_control_sequences_of_a_log_are_shown_and_not_obeyed(status: Status, tmp_path: Path) -> None:
    hostile = "  ERROR RuntimeError: \x1b]0;owned\x07\x1b[2J\x9b31m NCCL error \u202egnp.exe"
    told = status(write_run(tmp_path / "run", last=[hostile]))[1]
    assert "gnp.exe" in told
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", told)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: None, "no such file or directory"),
        (lambda place: place.mkdir(), "holds no log file"),
        (lambda place: (place.mkdir(), (place / "a.log").write_bytes(os.urandom(5000))), "a.log is skipped: binary"),
    ],
)
def test_bad_input_gets_an_answer_and_no_traceback(
    status: Status, tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "place")
    _, told = status(tmp_path / "place")
    assert says in told
    assert "Traceback" not in told


def test_no_run_is_known(status: Status) -> None:
    code, told = status()
    assert code == 2
    assert "rli-agent status OUTPUT_DIR" in told


def test_several_environments_are_told_apart(status: Status, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", steps=30)
    folder = run / "run_default/rollouts/step_30"
    folder.mkdir(parents=True)
    record = {"example_id": 1, "prompt": [], "completion": [], "is_completed": True, "is_truncated": False}
    rewards = (("gsm8k", 1.0), ("gsm8k", 0.0), ("math", 0.25))
    records = (msgspec.json.encode(record | {"env_name": name, "reward": reward}) for name, reward in rewards)
    (folder / "train_rollouts.jsonl").write_bytes(b"\n".join(records) + b"\n")
    now = time.time()
    lines = [
        f"{stamp(now)} SUCCESS Evaluated {name} (Step 30) | Policy v30 |    7.1s | Reward {score} | Turns 1.0 | "
        "Branches 1.0 | Error 0.0% | Truncation 2.1%\n" for name, score in (("aime24", "0.4"), ("aime25", "0.3"))
    ]  # fmt: skip
    with (run / "logs/orchestrator.log").open("a") as log:
        log.writelines(lines)
    report = report_of(status(run, "--json")[1])
    told = {(s.metric, s.environment): s.value for s in report.quality if s.environment}
    assert told == {
        ("rl_reward_mean", "gsm8k"): 0.5, ("rl_reward_mean", "math"): 0.25,
        ("rl_eval_score", "aime24"): 0.4, ("rl_eval_score", "aime25"): 0.3,
    }  # fmt: skip
    assert report.run.environments == ["aime24", "aime25", "gsm8k", "math"]


@pytest.mark.real
def test_a_directory_of_runs_gets_a_line_for_each_and_the_worst_that_still_counts(
    status: Status, tmp_path: Path
) -> None:
    root = tmp_path / "outputs"
    for name, ago in (("going", 5.0), ("silent", 3 * 3600.0), ("old", 50 * 3600.0)):
        write_run(root / name, ago=ago)
    code, told = status(root)
    assert [line.split(":")[:2] for line in told.splitlines()] == [
        ["going", " Healthy"], ["silent", " Down"], ["old", " Down"]
    ]  # fmt: skip
    assert code == 2
    shutil.rmtree(root / "silent")
    assert status(root)[0] == 0
    reports = msgspec.json.decode(status(root, "--json")[1], type=list[Report])
    assert [Path(r.run.root).name for r in reports] == ["going", "old"]
    assert "holds 2 runs" in status(root, "--append", tmp_path / "STATUS.md")[1]
