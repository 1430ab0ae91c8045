"""Alerts and detectors in words."""

from __future__ import annotations

from rli_agent.detect.engine import Alert
from rli_agent.detect.language import (
    AnyTest,
    Case,
    Detector,
    Level,
    LostGain,
    Names,
    NotFinite,
    Plateau,
    Shift,
    Some,
    Spikes,
)
from rli_agent.detect.measure import Evidence
from rli_agent.terminal import many


def title(alert: Alert) -> str:
    """What happened, in one sentence."""
    where = f"at step {alert.step}" if alert.step is not None else "now"
    if alert.status == "resolved":
        return f"{alert.detector} is over {where}"
    return f"{alert.detector} {where}: {said(alert.evidence)}"


def said(evidence: Evidence) -> str:
    """The figures that decided."""
    name, value, usual = evidence.series, f"{evidence.value:.4g}", f"{evidence.usual:.4g}"
    if evidence.test == "not_finite":
        return f"{name} is not finite"
    if evidence.test == "level":
        return f"{name} is {value}, {'above' if evidence.towards == 'up' else 'below'} {usual}"
    if evidence.test == "plateau":
        return f"{name} averages {value}, and averaged {usual} before"
    if evidence.test == "lost_gain":
        return f"{name} is {value}, and was {usual}"
    factor = evidence.factor()
    off = f" ({factor:.1f} times)" if evidence.towards == "up" else f" (1/{factor:.1f} of it)"
    return f"{name} is {value}, {usual} was expected" + (off if factor > 1.2 else "")


def detail(alert: Alert, detector: Detector) -> str:
    """The evidence in several lines, for a message's body."""
    lines = [detector.about]
    if alert.evidence.test != "not_finite":
        lines.append(f"It is over when {alert.evidence.series} is back at {alert.evidence.limit:.4g}.")
    lines.append(f"Series: {alert.key} of {alert.role}" + "".join(f", {k} {v}" for k, v in alert.labels) + ".")
    if alert.incident != alert.id:
        lines.append(f"It is part of the incident that began with {alert.incident.partition('/')[0]}.")
    return "\n".join(lines)


def explained(detector: Detector) -> str:
    """What a detector looks at, in words."""
    lines = [f"{detector.name} ({detector.severity})", f"  {detector.about}"]
    for number, case in enumerate(detector.cases):
        lines.append(f"  {'or' if number else 'It is raised'} when, of {named(case.series)}{_grade(case)},")
        lines += [f"    - {described(test)}" for test in case.when]
        lines += [f"    - unless {described(test)}" for test in case.unless]
        if case.critical is not None:
            lines.append(f"    - critical from {case.critical:g} times what was expected")
        if case.hold > 1:
            lines.append(f"    - {case.hold} samples in a row")
    lines.append(f"  It is over after {many(detector.clear, 'healthy sample')}.")
    if detector.muted_by:
        lines.append(f"  It is silent while {' or '.join(detector.muted_by)} is raised.")
    if detector.todo:
        lines.append(f"  Do: {detector.todo}")
    return "\n".join(lines)


def described(test: AnyTest) -> str:
    """A test in words."""
    if isinstance(test, Some):
        return f"at least {test.least} of: " + "; ".join(described(inner) for inner in test.of)
    of = f"that of {named(test.series)}: " if test.series is not None else ""
    return of + _test(test) + (" (where the run logs it)" if test.optional else "")


def _test(test: Shift | Level | Spikes | NotFinite | LostGain | Plateau) -> str:
    if isinstance(test, Shift):
        return _shift(test)
    if isinstance(test, Level):
        bounds = {"above": test.above, "below": test.below}
        sides = " or ".join(f"{side} {bound:g}" for side, bound in bounds.items() if bound is not None)
        of = test.of or test.times
        return f"{test.times} of the last {of} samples lie {sides}" if of > 1 else f"a sample lies {sides}"
    if isinstance(test, Spikes):
        return (
            f"{test.times} of the last {test.of} samples are more than {test.by:g} times the median of the "
            f"{test.baseline} before them"
        )
    if isinstance(test, NotFinite):
        return f"{test.times} of the last {test.of} samples are NaN or infinite" if test.of > 1 else (
            "a sample is NaN or infinite"
        )  # fmt: skip
    if isinstance(test, LostGain):
        return (
            f"the median of the last {test.recent} samples has lost {test.share:.0%} of what was gained by the "
            f"best of the last {test.window}, {test.sigmas:g} standard deviations of neighbouring samples, and "
            f"{test.waves:g} of the slower waves"
        )
    ceiling = f", below {test.ceiling:g} where it is a score between 0 and 1" if test.ceiling is not None else ""
    return (
        f"the mean of the last {test.window} steps lies a quarter of its standard error below that of the "
        f"{test.window} before, or more{ceiling}"
    )


def _shift(test: Shift) -> str:
    least = []
    if test.by is not None:
        least.append(f"by a factor of {test.by:g}" if test.scale == "log" else f"by {test.by:g}")
    if test.sigmas:
        least.append(f"by {test.sigmas:g} standard deviations")
    side = "above" if test.towards == "up" else "below"
    text = f"the median of the last {test.recent} samples lies {side} the median of {test.baseline}"
    text += f" that end {test.gap} before them" if test.gap else " before them"
    text += f", {' and '.join(least)}" if least else ""
    if test.follow:
        text += f", also if its trend {'upwards' if test.towards == 'up' else 'downwards'} went on"
    if test.beside is not None:
        text += f"; less what a shift of {test.beside} explains"
    return text


def named(names: Names) -> str:
    """A series, or several that stand in for each other."""
    return names if isinstance(names, str) else ", else ".join(names)


def _grade(case: Case) -> str:
    return f" ({case.severity})" if case.severity is not None else ""
