"""The detectors as recording and alert rules for Prometheus, from `rules/detectors.yaml`."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from rli_agent.alerts.channels.alertmanager import name_of
from rli_agent.detect.language import Detector, NotFinite
from rli_agent.detect.loading import packaged
from rli_agent.reference.promql import RUN, CannotSay, Recorded, case

#: Usual seconds of a step: the rules of a pace are for runs that take between a quarter of it and all of it.
PACES = (20, 80, 320, 1280)
#: Seconds between two figures of an engine.
ENGINE = 15
_PACED = "run:step_pace:{}s"

_HEAD = """\
# The detectors of learning failures (docs/detectors.md) as rules for Prometheus. Made from rules/detectors.yaml by
# `make docs`, do not edit. They judge by windows of time instead of steps, and are a second pair of eyes: the agent's
# own judgement is `rl_alert_active`, and comes with causes by its own channels.
#
# What PromQL cannot say is passed on as the agent says it:
"""


def text() -> str:
    """The file of rules."""
    detectors = packaged()
    recorded = Recorded()
    paced = [_group(step, [d for d in detectors if not _is_unpaced(d)], recorded) for step in PACES]
    always = [rule for d in detectors if _is_unpaced(d) for rule in _alerts(d, None, recorded)]
    series = [{"record": name, "expr": expr} for name, expr in _in_order(recorded.rules)]
    silent = [d for d in detectors if not _said(d, ENGINE, Recorded()).cases]
    groups = [
        {"name": "rli-agent detectors: series", "rules": [*series, *map(_pace, PACES)]},
        *paced,
        {"name": "rli-agent detectors: at any pace", "rules": always},
        {"name": "rli-agent detectors: as the agent says", "rules": list(map(_passed_on, silent))},
    ]
    lacking = "".join(f"# - {d.name}: {reason}\n" for d in detectors if (reason := unsaid(d)))
    return f"{_HEAD}{lacking}\n{yaml.dump({'groups': groups}, Dumper=_Dumper, sort_keys=False, width=1000)}"


def unsaid(detector: Detector) -> str:
    """Why PromQL cannot say what a detector says, or not all of it; empty where it can."""
    return "; ".join(dict.fromkeys(_said(detector, ENGINE, Recorded()).lacking))


class Said(NamedTuple):
    """What PromQL says of a detector: severity and expression of each case, and why it cannot say others."""

    cases: list[tuple[str, str]]
    lacking: list[str]


def _said(detector: Detector, step: int, recorded: Recorded) -> Said:
    found = Said([], [])
    for one in detector.cases:
        try:
            found.cases.append((one.severity or detector.severity, case(one, step, recorded)))
            if one.critical is not None:
                found.cases.append(("critical", case(one, step, recorded, one.critical)))
        except CannotSay as reason:
            found.lacking.append(str(reason))
    return found


def _in_order(rules: dict[str, str]) -> list[tuple[str, str]]:
    """Each after those that it is made of: rules of a group are evaluated one after the other."""
    return sorted(rules.items(), key=lambda item: (item[0].endswith((":log", ":settled")), item[0]))


def _pace(step: int) -> dict[str, str]:
    usual = f"rl_usual_step_seconds > {step // 4} <= {step}"
    return {"record": _PACED.format(step), "expr": f"max by ({RUN}) ({usual} and rl_run_active == 1)"}


def _group(step: int, detectors: list[Detector], recorded: Recorded) -> dict[str, Any]:
    rules = [rule for detector in detectors for rule in _alerts(detector, step, recorded)]
    every = "15s" if step == PACES[0] else "1m"
    return {"name": f"rli-agent detectors: steps of {step // 4} s to {step} s", "interval": every, "rules": rules}


def _is_unpaced(detector: Detector) -> bool:
    """Whether its windows do not count steps."""
    return all(
        str(c.series).startswith("rl_engine_") or c.series == "run:problems" or isinstance(c.when[0], NotFinite)
        for c in detector.cases
    )


def _alerts(detector: Detector, step: int | None, recorded: Recorded) -> list[dict[str, Any]]:
    """The alerts of a detector, one for each severity."""
    cases = _said(detector, step or ENGINE, recorded).cases
    graded = {severity: [text for grade, text in cases if grade == severity] for severity, _ in cases}
    return [_alert(detector, severity, texts, step) for severity, texts in graded.items()]


def _alert(detector: Detector, severity: str, cases: list[str], step: int | None) -> dict[str, Any]:
    expr = "\nor\n".join(f"(\n{one}\n)" for one in cases)
    labels = {"severity": severity}
    if step is not None:
        expr = f"({expr})\nand on ({RUN}) {_PACED.format(step)}"
        labels["pace"] = f"{step}s"
    if detector.muted_by:
        names = "|".join(map(name_of, detector.muted_by))
        expr += f'\nunless on ({RUN}) ALERTS{{alertname=~"{names}", alertstate="firing"}}'
    return {"alert": name_of(detector.name), "expr": expr + "\n"} | _words(detector, labels)


def _passed_on(detector: Detector) -> dict[str, Any]:
    labels = f"{RUN}, framework, severity"
    expr = f'max by ({labels}) (rl_alert_active{{detector="{detector.name}"}}) == 1\n'
    return {"alert": name_of(detector.name), "expr": expr} | _words(detector, {})


def _words(detector: Detector, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "labels": {**labels, "detector": detector.name},
        "annotations": {
            "summary": f"{{{{ $labels.run }}}}: {detector.about}",
            "description": f"{detector.todo} `rli-agent detect --explain {detector.name}` says what it looks at.",
        },
    }


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines stand as they are."""


def _as_lines(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _as_lines)
