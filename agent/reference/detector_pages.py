"""The detectors in docs/detectors.md, from `rules/detectors.yaml`."""

from __future__ import annotations

from rli_agent.detect.language import Case, Detector
from rli_agent.detect.loading import packaged
from rli_agent.detect.readings import DERIVED
from rli_agent.detect.wording import described, named
from rli_agent.reference.detector_rules import unsaid
from rli_agent.terminal import many


def detectors() -> str:
    """A section each: what it means, what it looks at with its numbers, what to do."""
    return "\n".join(map(_section, packaged()))


def derived() -> str:
    """A Markdown table of the series that follow from several events."""
    rows = [f"| `{name}` | {what} |" for name, what in DERIVED.items()]
    return "\n".join(["| series | what it is |", "|---|---|", *rows]) + "\n"


def _section(detector: Detector) -> str:
    lines = [f"### {detector.name}", "", f"**{detector.severity}**, group {detector.group}. {detector.about}", ""]
    lines += [_case(case) for case in detector.cases]
    muted = f" It is silent while {' or '.join(detector.muted_by)} is raised." if detector.muted_by else ""
    lines += ["", f"Over after {many(detector.clear, 'healthy sample')}.{muted} {detector.todo}"]
    reason = unsaid(detector)
    if reason:
        lines += ["", f"In Prometheus the agent's own judgement is passed on: {reason}."]
    return "\n".join([*lines, ""])


def _case(case: Case) -> str:
    tests = [described(test) for test in case.when] + [f"*not* {described(test)}" for test in case.unless]
    grade = f" ({case.severity})" if case.severity is not None else ""
    worse = f"; critical from {case.critical:g} times what was expected" if case.critical is not None else ""
    return f"- `{named(case.series)}`{grade}: " + ", **and** ".join(tests) + worse
