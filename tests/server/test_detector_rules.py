"""The detectors as rules for Prometheus: Prometheus reads them, and they fire on failing runs and on no healthy one."""

from __future__ import annotations

import math
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import detector_traces
import pytest
import yaml

import rli_agent.dashboards
from rli_agent.alerts.channels.alertmanager import name_of
from rli_agent.catalogue import Catalogue
from rli_agent.detect.language import Case, Level
from rli_agent.detect.loading import packaged
from rli_agent.reference.promql import Recorded, case
from rli_agent.replaying import TRACE_KEYS

RULES = Path(rli_agent.dashboards.__path__[0]) / "rli-agent-detectors.rules.yml"
#: Seconds between two steps of the runs here, which is also the pace of the rules that judge them.
STEP = 20
RUN = 'project="p", experiment_name="e", run="r", framework="f"'


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return found


def alerts() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def figure(value: float | None) -> str:
    if value is None:
        return "_"
    return repr(value) if math.isfinite(value) else "NaN" if math.isnan(value) else "Inf"


def held(series: dict[str, list[float | None]], steps: int) -> list[dict[str, str]]:
    """The series of a run that makes a step every STEP seconds, as promtool wants them."""
    fixed: dict[str, list[float | None]] = {
        f'rl_step{{{RUN}, role="trainer"}}': [float(n) for n in range(steps)],
        f'rl_usual_step_seconds{{{RUN}, role=""}}': [float(STEP)] * steps,
        f'rl_run_active{{{RUN}, role=""}}': [1.0] * steps,
    }
    return [{"series": name, "values": " ".join(map(figure, v))} for name, v in ({**fixed, **series}).items()]


def fires(
    series: dict[str, list[float | None]], steps: int, detector: str | None, at: range, tmp_path: Path
) -> set[tuple[str, str]]:
    """(detector, severity) of the alerts that fire at some moment of the steps `at`. `detector`: look at no other."""
    rules = tmp_path / "rules.yml"
    mine = [
        {**g, "interval": f"{STEP}s", "rules": [r for r in g["rules"]
                      if "record" in r or detector in (None, r["labels"]["detector"])]}
        for g in groups()
        if not re.search(r"steps of (?!5 s)", g["name"])
    ]  # fmt: skip
    rules.write_text(yaml.safe_dump({"groups": [g for g in mine if g["rules"]]}))
    asked = f'max by (detector, severity) (max_over_time(ALERTS{{alertstate="firing"}}[{len(at) * STEP}s:{STEP}s]))'
    none = [{"labels": '{nothing="like this"}', "value": 1}]  # what there is, promtool says when it is not that
    test = tmp_path / "test.yml"
    test.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(rules)], "evaluation_interval": f"{STEP}s",
                "tests": [{"interval": f"{STEP}s", "input_series": held(series, steps), "promql_expr_test": [
                    {"expr": asked, "eval_time": f"{(at.stop - 1) * STEP}s", "exp_samples": none}]}],
            }
        )
    )  # fmt: skip
    done = subprocess.run(["promtool", "test", "rules", str(test)], capture_output=True, text=True, timeout=240)
    said = done.stdout + done.stderr
    assert "got:" in said, said
    return set(re.findall(r'\{detector="(\w+)", severity="(\w+)"\}', said.partition("got:")[2]))


def of_trace(trace: detector_traces.Trace) -> dict[str, list[float | None]]:
    keys = sorted({key for _, metrics in trace.rows for key in metrics})
    return {
        f'{TRACE_KEYS[key]}{{{RUN}, role="trainer"}}': [metrics.get(key) for _, metrics in trace.rows] for key in keys
    }


# -- what is written


def test_every_detector_has_an_alert() -> None:
    assert {rule["labels"]["detector"] for rule in alerts()} == {d.name for d in packaged()}
    assert {rule["alert"] for rule in alerts()} == {name_of(d.name) for d in packaged()}


def test_what_promql_cannot_say_is_passed_on_with_the_reason() -> None:
    passed = {r["labels"]["detector"] for r in alerts() if "rl_alert_active" in r["expr"]}
    assert passed == {"reward_collapse", "reward_plateau", "checkpoint_overdue"}
    head = RULES.read_text().partition("groups:")[0]
    for name in passed:
        assert re.search(rf"^# - {name}: \S", head, re.MULTILINE)


def test_rules_ask_for_series_that_are_published_or_recorded() -> None:
    known = {q.name for q in Catalogue.load()}
    recorded = {rule["record"] for group in groups() for rule in group["rules"] if "record" in rule}
    for group in groups():
        for rule in group["rules"]:
            asked = set(re.findall(r"\b(?:run:)?[a-z]+[\w]*_[\w:]+|\brun:\w+", rule["expr"]))
            ours = {name for name in asked if name.startswith("run:")}
            assert ours <= recorded
            assert {n for n in asked if n.startswith("rl_") and not n.startswith("rl_insight_monitor_")} <= known


def test_a_second_test_binds_both_sides_of_a_level() -> None:
    both = Case(series="rl_x", when=[Level(above=2, below=1), Level(series="rl_y", above=0)])
    assert case(both, STEP, Recorded()).startswith("(run:rl_x:finite > 2 or run:rl_x:finite < 1)\nand on")


# -- what Prometheus makes of them


@pytest.mark.real
def test_promtool_reads_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.parametrize(
    "label",
    ["entropy_collapse", "kl_explosion", "grad_spike", "length_explosion", "precision_mismatch", "throughput_drop",
     "advantage_collapse", "nan_loss", "reward_hacking"],
)  # fmt: skip
def test_a_failing_run_fires_its_alert_and_not_before(label: str, tmp_path: Path) -> None:
    trace = detector_traces.failing(random.Random(f"measure {label} 0"), label)
    assert trace.onset is not None
    series, steps = of_trace(trace), len(trace.rows)
    after = fires(series, steps, label, range(trace.onset, steps), tmp_path)
    assert label in {name for name, severity in after if severity != "info"}
    before = fires(series, steps, label, range(trace.onset), tmp_path)
    assert {severity for _, severity in before} <= {"info"}


@pytest.mark.real
def test_a_healthy_run_fires_none(tmp_path: Path) -> None:
    trace = detector_traces.healthy(random.Random("rules healthy"), "math", 260)
    steps = len(trace.rows)
    found = fires(of_trace(trace), steps, None, range(steps), tmp_path)
    assert {severity for _, severity in found} <= {"info"}


ROLLOUTS = f'{{{RUN}, role="rollouts", stat="train"}}'
ENGINE = f'{{{RUN}, role="inference", engine="0"}}'
TRAINER = f'{{{RUN}, role="trainer"}}'


@pytest.mark.real
@pytest.mark.parametrize(
    ("detector", "quiet", "loud"),
    [
        ("rollout_errors", {f"rl_errored_ratio{TRAINER}": 0.01}, {f"rl_errored_ratio{TRAINER}": 0.2}),
        ("staleness", {f"rl_off_policy_max_steps{TRAINER}": 8}, {f"rl_off_policy_max_steps{TRAINER}": 9}),
        ("truncation", {f"rl_truncated_ratio{TRAINER}": 0.1}, {f"rl_truncated_ratio{TRAINER}": 0.7}),
        (
            "kv_cache_saturated",
            {f"rl_engine_kv_cache_usage_ratio{ENGINE}": 0.99, f"rl_engine_requests_waiting{ENGINE}": 0},
            {f"rl_engine_kv_cache_usage_ratio{ENGINE}": 0.99, f"rl_engine_requests_waiting{ENGINE}": 12},
        ),
        (
            "garbled_output",
            {f"rl_rollout_garbled_ratio{ROLLOUTS}": 0.02, f"rl_rollout_empty_ratio{ROLLOUTS}": 0.01},
            {f"rl_rollout_garbled_ratio{ROLLOUTS}": 0.3, f"rl_rollout_empty_ratio{ROLLOUTS}": 0.2},
        ),
        (
            "starved",
            {f'rl_phase_duration_seconds{{{RUN}, role="trainer", lane="trainer", state="wait"}}': 2.0,
             f'rl_step_duration_seconds{{{RUN}, role="trainer", lane="trainer"}}': 20.0},
            {f'rl_phase_duration_seconds{{{RUN}, role="trainer", lane="trainer", state="wait"}}': 17.0,
             f'rl_step_duration_seconds{{{RUN}, role="trainer", lane="trainer"}}': 20.0},
        ),
        (
            "reward_plateau",
            {f'rl_alert_active{{{RUN}, detector="reward_plateau", severity="warning"}}': 0},
            {f'rl_alert_active{{{RUN}, detector="reward_plateau", severity="warning"}}': 1},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_goes_on_beside_learning(
    detector: str, quiet: dict[str, float], loud: dict[str, float], tmp_path: Path
) -> None:
    steps, turn = 110, 60
    series: dict[str, list[float | None]] = {
        name: [*[value] * turn, *[loud[name]] * (steps - turn)] for name, value in quiet.items()
    }
    assert fires(series, steps, detector, range(turn), tmp_path) == set()
    assert {name for name, _ in fires(series, steps, detector, range(turn, steps), tmp_path)} == {detector}


@pytest.mark.real
def test_problems_that_come_by_the_dozen(tmp_path: Path) -> None:
    name = f'rl_problems_total{{{RUN}, role="trainer", kind="timeout", level="ERROR"}}'
    counts: list[float | None] = [*(1.0 * n // 4 for n in range(60)), *(15.0 + 5 * n for n in range(40))]
    assert fires({name: counts}, 100, "problem_storm", range(60), tmp_path) == set()
    assert fires({name: counts}, 100, "problem_storm", range(60, 100), tmp_path) == {("problem_storm", "warning")}
