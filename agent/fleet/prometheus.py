"""The runs of many machines, as the Prometheus that scrapes their agents knows them. Only our metrics are asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import requests

from rli_agent.answer.health import DOWN, FLOOR, LATE
from rli_agent.answer.report import Health
from rli_agent.errors import UserError
from rli_agent.fleet.run import FleetRun, idle_gpu_hours
from rli_agent.life.state import ENDS
from rli_agent.life.wording import spoken
from rli_agent.publish.address import is_loopback

#: Seconds to wait for an answer; after which an agent that says nothing is lost, while its run goes on.
WAIT, LOST = 15.0, 300.0
#: How far back runs are looked for; problems of this time degrade a run.
SPAN, FRESH = "1d", "15m"
_BY = "run, project, experiment_name, framework"
_ERRORS = "rl_problems_total{level=~'ERROR|CRITICAL'}"
_QUERIES = {
    "life": f"max by ({_BY}, state) (last_over_time(rl_run_life[{SPAN}])) == 1",
    "heard": f"max by (run) (timestamp(rl_run_life) or max_over_time(timestamp(rl_run_life)[{SPAN}:1m]))",
    "step": f"max by (run) (last_over_time(rl_step[{SPAN}]))",
    "max_steps": f"max by (run) (last_over_time(rl_max_steps[{SPAN}]))",
    "last_step_at": f"max by (run) (last_over_time(rl_last_step_timestamp_seconds[{SPAN}]))",
    "step_seconds": f"max by (run) (last_over_time(rl_usual_step_seconds[{SPAN}]))",
    "gpus": f"max by (run) (last_over_time(rl_gpus[{SPAN}]))",
    "alerts": "max by (run, detector, severity) (rl_alert_active) == 1",
    # What a series begins with counts too: an agent may have been scraped first after the error.
    "problems": f"sum by (run, kind) ({_ERRORS} - ({_ERRORS} offset {FRESH} or 0 * {_ERRORS})) > 0",
    "hosts": f"group by (run, host) (last_over_time(rli_agent_build_info{{host!=''}}[{SPAN}]))",
}


def runs_of_prometheus(url: str, now: float) -> list[FleetRun]:
    """Each run that was heard of within a day. Raises UserError where there is no Prometheus at the address."""
    with requests.Session() as session:
        session.trust_env = not is_loopback(url)  # no proxy leads to this machine
        found = {name: _ask(session, url.rstrip("/"), query) for name, query in _QUERIES.items()}
    values = {
        name: {row["metric"].get("run", ""): value for row in found[name] if math.isfinite(value := _value(row))}
        for name in ("heard", "step", "max_steps", "last_step_at", "step_seconds", "gpus")
    }
    alerts: dict[str, list[str]] = {}
    for row in found["alerts"]:
        alerts.setdefault(row["metric"].get("run", ""), []).append(row["metric"].get("detector", "?"))
    problems: dict[str, dict[str, int]] = {}
    for row in found["problems"]:
        kinds = problems.setdefault(row["metric"].get("run", ""), {})
        kinds[row["metric"].get("kind", "?")] = max(1, round(_value(row)))
    hosts: dict[str, list[str]] = {}
    for row in found["hosts"]:
        hosts.setdefault(row["metric"].get("run", ""), []).append(row["metric"]["host"])
    lives = {row["metric"].get("run", ""): row["metric"] for row in found["life"]}
    return [
        _run(labels, {k: v[run] for k, v in values.items() if run in v}, alerts.get(run, []), problems.get(run, {}),
             sorted(hosts.get(run, [])), now)
        for run, labels in lives.items()
    ]  # fmt: skip


def _run(
    labels: Mapping[str, str], values: Mapping[str, float], alerts: list[str], problems: Mapping[str, int],
    hosts: list[str], now: float,
) -> FleetRun:  # fmt: skip
    life, heard = labels["state"], values.get("heard", now)
    last, usual = values.get("last_step_at"), values.get("step_seconds")
    step, whole = _whole(values.get("step")), _whole(values.get("max_steps"))
    gpus = _whole(values.get("gpus"))
    health, why = _judged(life, now - heard, last and now - last, usual, alerts, problems)
    ends = None
    if life == "running" and last and usual and whole is not None and step is not None and whole > step:
        ends = max(now, last + usual) + (whole - step - 1) * usual
    return FleetRun(
        labels.get("run", ""), health, life, why, heard, labels.get("project", ""), labels.get("experiment_name", ""),
        labels.get("framework", ""), watched=now - heard < LOST, hosts=hosts, step=step, max_steps=whole,
        step_seconds=usual, last_step_at=last, finishes_at=ends, alerts=sorted(alerts),
        problems=sum(problems.values()), gpus=gpus, idle_gpu_hours=idle_gpu_hours(life, gpus, last, now),
    )  # fmt: skip


def _judged(
    life: str, silent: float, since: float | None, usual: float | None, alerts: list[str], problems: Mapping[str, int]
) -> tuple[Health, str]:
    """Health and why; `silent`, `since`: seconds since the agent told of the run, and since its last step."""
    if life in DOWN:
        return "Down", life + (f", {', '.join(problems)}" if problems else "")
    if life not in ENDS and silent > LOST:
        return "Unknown", f"its agent was last heard of {spoken(silent)} ago, when it was {life}"
    reasons = sorted(alerts) + [f"{count} × {kind}" for kind, count in sorted(problems.items())]
    if life == "running" and since is not None and usual is not None and since > max(LATE * usual, FLOOR):
        reasons.append(f"no step for {spoken(since)} (usually every {spoken(usual)})")
    if reasons and life not in ENDS:
        return "Degraded", "; ".join(reasons[:3])
    return "Healthy", life


def _ask(session: requests.Session, url: str, query: str) -> list[dict[str, Any]]:
    hint = "give the address of a Prometheus (or Mimir, Thanos, VictoriaMetrics), such as http://127.0.0.1:9090"
    try:
        with session.get(f"{url}/api/v1/query", params={"query": query}, timeout=WAIT) as answer:
            body = answer.json()
    except requests.ConnectionError:
        raise UserError(f"nobody answers at {url}", hint) from None
    except requests.Timeout:
        raise UserError(f"{url} did not answer within {WAIT:.0f} s", hint) from None
    except (requests.RequestException, ValueError):
        raise UserError(f"{url} gives no answer that a Prometheus would give", hint) from None
    if not isinstance(body, dict) or body.get("status") != "success":
        said = str(body.get("error", "no reason given"))[:300] if isinstance(body, dict) else "no object"
        raise UserError(f"{url} refuses a query: {said}", hint)
    return [row for row in body["data"]["result"] if isinstance(row.get("metric"), dict)]


def _value(row: Mapping[str, Any]) -> float:
    return float(row["value"][1])


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
