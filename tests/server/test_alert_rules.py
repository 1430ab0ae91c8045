"""The alert rules for Prometheus: they can be read, fire when they should, and stay silent when they should."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

import rli_agent.dashboards
from rli_agent.catalogue import Catalogue
from rli_agent.publish.selfmetrics import SelfMetrics

from .conftest import Stack, until

FOLDER = Path(rli_agent.dashboards.__path__[0])
RULES = FOLDER / "rli-agent.rules.yml"
TESTS = Path(__file__).with_name("alert_rules.yml")


def alerts() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def check(rules: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    test = tmp_path / "test.yml"
    test.write_text(TESTS.read_text().replace("RULES", str(rules)))
    return subprocess.run(["promtool", "test", "rules", str(test)], capture_output=True, text=True, timeout=120)


def test_every_metric_that_an_alert_asks_for_is_one_that_the_agent_publishes() -> None:
    own = {f"{m.name}_total" if m.type == "counter" else m.name for m in SelfMetrics().registry.collect()}
    known = {q.name for q in Catalogue.load()} | own | {"up"}
    for rule in alerts():
        asked = re.findall(r"\b(?:rl|rli)_[a-z0-9_]+\b|\bup\b", rule["expr"])
        assert asked
        assert set(asked) <= known, rule["alert"]


def test_labels_that_an_alert_asks_for_are_those_that_the_agent_publishes() -> None:
    every = {"project", "experiment_name", "run", "framework", "role", "environment", "rank", "lane"}
    labels = {q.name: {*q.labels, *every} for q in Catalogue.load()}
    for rule in alerts():
        for metric, asked in re.findall(r"\b(rl_[a-z0-9_]+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)[=!]", asked)) <= labels[metric], rule["alert"]


def test_every_alert_is_tested_to_fire() -> None:
    text = TESTS.read_text()
    assert [rule["alert"] for rule in alerts() if rule["alert"] not in text] == []


@pytest.mark.real
def test_promtool_reads_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alerts())} rules found" in done.stdout


@pytest.mark.real
def test_alerts_fire_and_stay_silent_as_they_should(tmp_path: Path) -> None:
    done = check(RULES, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("> 3 * max by", "> 30 * max by"),
        ('state=~"eval|save_ckpt"', 'state="none"'),
        ('level=~"ERROR|CRITICAL"}[1h]', 'level="X"}[1h]'),
        ("rl_engine_requests_waiting > 0", "rl_engine_requests_waiting >= 0"),
        ("for: 5m", "for: 1m"),
        ('kind="nan"', 'kind!=""'),
        ('up{job="rli-agent"}', "up"),
    ],
)
def test_a_rule_that_is_changed_fails_its_tests(tmp_path: Path, what: str, other: str) -> None:
    changed = tmp_path / "changed.yml"
    text = RULES.read_text()
    assert what in text
    changed.write_text(text.replace(what, other))
    assert check(changed, tmp_path).returncode == 1


@pytest.mark.real
def test_the_stack_loads_them(stack: Stack) -> None:
    stack.start()
    groups = until(lambda: stack.get("/api/v1/rules")["data"]["groups"])
    loaded = [rule for group in groups for rule in group["rules"]]
    shipped = [g for file in FOLDER.glob("*.rules.yml") for g in yaml.safe_load(file.read_text())["groups"]]
    assert {r["name"] for r in loaded} == {r.get("alert", r.get("record")) for g in shipped for r in g["rules"]}

    def all_are_judged() -> bool:
        groups = stack.get("/api/v1/rules")["data"]["groups"]
        return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

    until(all_are_judged, 2 * max(group["interval"] for group in groups))  # each is judged once in its interval
