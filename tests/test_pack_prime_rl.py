"""What prime-rl says beyond a line: JSON logs, several files of a run, metrics.jsonl, rollouts of each version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rli_agent.parsing import parse_paths
from rli_agent.rulebook import Rulebook

STEP = "Step 3 |    7.3s | Reward 0.4962 | Trainable 102/128 (79.7%) | Max Off-Policy 2 | Error 0.8%"
EVALUATED = "Evaluated gsm8k (Step 4) | Policy v4 |    7.1s | Reward 0.4881 | Error 0.0%"
TRAINED = "Step 3 |    7.6s | Loss 0.0014 | Entropy 0.4310 | LR 3.00e-06 | Throughput 21910 tokens/s | MFU 27.8%"


@pytest.fixture
def read(tmp_path: Path, book: Rulebook) -> Callable[[dict[str, str]], list[dict[str, Any]]]:
    def written_and_read(files: dict[str, str]) -> list[dict[str, Any]]:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(parse_paths([tmp_path], book, ZoneInfo("UTC"), "prime-rl"))

    return written_and_read


def line(level: str, message: str) -> str:
    return f"\x1b[2m10:00:01\x1b[0m \x1b[1m{level:>7}\x1b[0m \x1b[22m{message}\x1b[0m\n"


def record(level: str, message: str, **more: object) -> str:
    return (
        json.dumps({"timestamp": "2026-08-21T10:03:11.123456+02:00", "level": level, "message": message, **more}) + "\n"
    )


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [e for e in events if e["type"] == kind]


def values(events: list[dict[str, Any]], file: str = "") -> dict[str, Any]:
    return {e["name"]: e["value"] for e in of(events, "metric") if file in e["file"]}


def test_a_json_log_says_what_the_console_says(read: Callable[..., Any]) -> None:
    envs = "".join(
        f"\n\t\t ╰─ {name} | Ratio 50.0% | Reward {value}" for name, value in [("math v2", -0.6), ("code   ", 0.1)]
    )
    said = read(
        {"logs/orchestrator.log": record("INFO", "Starting orchestrator (rl)") + record("SUCCESS", STEP + envs)}
    )
    found = values(said)
    assert found["reward/all/mean"] == 0.4962
    assert (found["reward/math v2/mean"], found["reward/code/mean"]) == (-0.6, 0.1)
    assert {e["line"] for e in of(said, "metric")} == {2}
    assert {e["time"] for e in of(said, "metric")} == {1787299391.123456}
    assert {e["step"] for e in of(said, "metric")} == {3}


def test_a_progress_record_says_nothing(read: Callable[..., Any]) -> None:
    bar = {"timestamp": "2026-05-20T10:00:00+00:00", "level": "INFO", "type": "progress", "desc": f"SUCCESS {STEP}"}
    said = read({"logs/orchestrator.log": json.dumps(bar | {"current": 64, "total": 128, "step": 3}) + "\n"})
    assert of(said, "metric") + of(said, "state") + of(said, "problem") == []


def test_the_exception_of_a_json_record_is_one_problem_with_its_headline(read: Callable[..., Any]) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nValueError: Step 3 | Loss: 1\n'
    log = record("ERROR", "Fatal error in train", exception=trace) + record("SUCCESS", TRAINED)
    said = read({"logs/trainer.log": "".join(f"[trainer0]:{text}\n" for text in log.splitlines())})
    (problem,) = of(said, "problem")
    assert (problem["kind"], problem["line"]) == ("traceback", 1)
    assert problem["message"].startswith("Fatal error in train\nTraceback")
    assert values(said)["loss/mean"] == 0.0014


def test_the_launchers_console_shows_a_components_log_again(read: Callable[..., Any]) -> None:
    begins = line("INFO", "Starting training loop (max_steps=20)") + line("SUCCESS", TRAINED)
    shown = line("SUCCESS", "Startup complete. Showing trainer logs...") + begins
    fails = line("ERROR", "Error: Trainer failed with exit code 1")
    said = read({"rl.out": shown + fails})
    assert "loss/mean" in values(said, "rl.out")
    said = read({"logs/trainer.stdout": begins})
    assert {e["file"] for e in of(said, "metric")} == {"logs/trainer.stdout"}
    assert [e["file"] for e in of(said, "problem")] == ["rl.out"]


def test_what_other_ranks_and_nodes_repeat_is_said_once(read: Callable[..., Any]) -> None:
    first = line("SUCCESS", TRAINED)
    crash = line("ERROR", "Fatal error in train")
    said = read(
        {
            "logs/trainer/node_0.log": f"[trainer0]:{first}[trainer1]:{first}",
            "logs/trainer/node_1.log": first + crash,
            "logs/trainer/torchrun/abc_x/attempt_0/0/stdout.log": first,
        }
    )
    assert [(e["file"], e["line"]) for e in of(said, "metric") if e["name"] == "loss/mean"] == [
        ("logs/trainer/node_0.log", 1)
    ]
    assert [e["file"] for e in of(said, "problem")] == ["logs/trainer/node_1.log"]


@pytest.mark.parametrize(
    ("log", "also", "step_name", "eval_name"),
    [
        ("logs/orchestrator.log", {}, "reward/all/mean", "eval/gsm8k/reward/mean"),
        (
            "logs/orchestrator.log",
            {"run_default/rollouts/step_3/train/all/traces.jsonl": ""},
            "train/agg/effective/reward/mean",
            "eval/gsm8k/effective/reward/mean",
        ),
        (
            "logs/orchestrator.log",
            {"run_default/metrics.jsonl": ""},
            "train/agg/effective/agent/reward/mean",
            "eval/gsm8k/effective/agent/reward/mean",
        ),
        (
            "logs/attempt_2/orchestrator.log",
            {},
            "train/agg/effective/agent/reward/mean",
            "eval/gsm8k/effective/agent/reward/mean",
        ),
    ],
    ids=["2026-06", "v0.7", "v0.8", "head"],
)
def test_the_files_of_a_run_tell_what_a_label_is_called(
    read: Callable[..., Any], log: str, also: dict[str, str], step_name: str, eval_name: str
) -> None:
    found = values(read({log: line("SUCCESS", STEP) + line("SUCCESS", EVALUATED), **also}))
    assert (found.get(step_name), found.get(eval_name)) == (0.4962, 0.4881)


def test_rows_of_one_metrics_file_belong_to_who_wrote_them(read: Callable[..., Any]) -> None:
    rows = [
        {"step": 3, "time": 1782300123.5, "time/step": 7.1, "time/wait_for_batch": 3.0, "time/forward_backward": 4.0},
        {"step": 3, "time": 1782300123.6, "entropy/all/mean": 0.4},  # loss and norm were not finite, and are not there
        {"step": 3, "time": 1782300123.7, "optim/lr": 3e-6},
        {"step": 3, "time": 1782300124.5, "time/step": 9.1, "time/pack": 0.1, "time/wait_for_policy": 2.0},
        {
            "step": 4,
            "time": 1782300125.5,
            "eval/math/v2/effective/agent/reward/mean": 0.4,
            "eval/math/v2/policy_version": 4,
        },
    ]
    text = "\n".join(json.dumps(row) for row in rows[:3]) + '\n{"step": 3, "ti{"step": 3}\n'
    said = read({"metrics.jsonl": text + "\n".join(json.dumps(row) for row in rows[3:]) + "\n"})
    roles = {(e["line"], e["labels"]["role"]) for e in of(said, "metric")}
    assert roles == {(1, "trainer"), (2, "trainer"), (3, "trainer"), (5, "orchestrator"), (6, "orchestrator")}
    assert {e["labels"].get("environment") for e in of(said, "metric") if e["line"] == 6} == {"math/v2"}
    spans = {(e["lane"], e["state"]): (e["start"], e["end"]) for e in of(said, "state")}
    assert spans[("trainer", "wait")] == (1782300116.5, 1782300119.5)
    assert spans[("trainer", "update_actor")] == (1782300119.5, 1782300123.5)
    assert spans[("orchestrator", "wait")] == (1782300122.5, 1782300124.5)


def trace(**more: object) -> dict[str, object]:
    return {"id": "t", "nodes": [], "rewards": {}, "errors": [], **more}


def scored(score: float, weight: float = 1.0) -> dict[str, float]:
    return {"score": score, "weight": weight}


GENERATIONS: dict[str, tuple[str, list[Any], list[Any]]] = {
    "2026-04": (
        "run_default/rollouts/step_3/train_rollouts.jsonl",
        [
            {"example_id": 1, "reward": 0.5, "env_name": "math", "error": None, "is_truncated": True},
            {"example_id": 2, "reward": None, "env_name": "math", "error": {"error": "ModelError"}},
        ],
        [(1, 0.5, None)],
    ),
    "2026-06": (
        "run_default/rollouts/step_3/train_rollouts.jsonl",
        [trace(rewards={"a": 0.5, "b": -0.25}), trace(errors=[{"type": "ModelError"}])],
        [(1, 0.25, None)],
    ),
    "v0.7": (
        "run_default/rollouts/step_3/train/all/traces.jsonl",
        [trace(rewards={"a": 0.5}, env_name="math"), trace(env_name="math", errors=[{"type": "ModelError"}])],
        [(1, 0.5, None)],
    ),
    "v0.8": (
        "run_default/rollouts/step_3/train/all/traces.jsonl",
        [
            trace(rewards={"a": scored(0.5, 2.0), "b": None}, info={"env_name": "math"}),
            trace(run={"env_name": "math"}, ok=False),
        ],
        [(1, 1.0, None)],
    ),
    "head": (
        "rollouts/step_3/train/all/traces.jsonl",
        [
            {
                "env": {"id": "math-id", "name": "math"},
                "task": {},
                "traces": [
                    trace(agent={"name": "solver"}, rewards={"win": scored(1.0), "form": scored(0.5, 0.2)}),
                    trace(agent={"name": "critic"}, rewards={"win": scored(0.0), "form": None}),
                ],
            },
            {"env": {"name": "math"}, "task": {}, "ok": False, "errors": [{"type": "EnvError"}], "traces": []},
        ],
        [(1, 1.1, "solver"), (1, 0.0, "critic")],
    ),
}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_rollouts_of_every_version(read: Callable[..., Any], generation: str) -> None:
    file, records, rewards = GENERATIONS[generation]
    said = read({file: "".join(json.dumps(r) + "\n" for r in records)})
    assert [(e["line"], e["value"], e["labels"].get("agent")) for e in of(said, "metric")] == rewards
    assert {(e["name"], e["step"]) for e in of(said, "metric")} == {("reward", 3)}
    assert [(e["line"], e["kind"]) for e in of(said, "problem")] == [(2, "env_error")]
    (batch,) = of(said, "rollouts")
    assert (batch["step"], batch["phase"], batch["count"], batch["errors"]) == (3, "train", 2, 1)
    assert batch.get("environment") == (None if generation == "2026-06" else "math")


def test_the_trained_part_of_the_rollouts_is_not_counted_again(read: Callable[..., Any]) -> None:
    episode = {"env": {"name": "math"}, "task": {}, "traces": [trace(rewards={"win": scored(1.0)})]}
    text = json.dumps(episode) + "\n"
    said = read({f"rollouts/step_3/eval/{part}/traces.jsonl": text for part in ("all", "effective")})
    assert [(e["file"].split("/")[-2], e["phase"], e["count"]) for e in of(said, "rollouts")] == [("all", "eval", 1)]
    assert len(of(said, "metric")) == 2


def test_figures_of_the_metrics_file_have_the_units_of_the_console(read: Callable[..., Any]) -> None:
    record = {"step": 3, "time": 1763700000.0, "perf/mfu": 27.5, "perf/peak_memory": 41.25, "loss/mean": 0.5}
    said = read({"metrics.jsonl": json.dumps(record) + "\n"})
    units = {e["name"]: e.get("unit") for e in of(said, "metric")}
    assert units == {"perf/mfu": "percent", "perf/peak_memory": "GiB", "loss/mean": None}
