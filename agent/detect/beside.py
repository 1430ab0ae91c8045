"""What else changed when an alert was raised: other figures of the run that are far from where they were."""

from __future__ import annotations

import math

from rli_agent.detect.engine import Alert, Engine
from rli_agent.detect.history import History
from rli_agent.detect.robust import FLOOR, level_out, median, slope, spread

#: The newest samples, those passed over, and those before that they are held against; fewer than _LEAST say nothing.
_RECENT, _GAP, _BEFORE, _LEAST = 3, 5, 40, 12
#: A figure has changed when it lies so many standard deviations off, and by this part of what it was.
_SIGMAS, _PART = 4.0, 0.2
_SHOWN = 4


def changed(engine: Engine, alert: Alert) -> list[str]:
    """Figures that changed at the same time, the one that changed most first: `rl_policy_kl 0.02 → 0.11`."""
    found: dict[str, tuple[float, str]] = {}
    for history in engine.state.histories:
        if history.name == alert.evidence.series:
            continue
        far = _distance(history)
        if far is not None and far[0] > found.get(history.name, (0.0, ""))[0]:
            found[history.name] = far
    return [text for _, text in sorted(found.values(), reverse=True)[:_SHOWN]]


def _distance(history: History) -> tuple[float, str] | None:
    """How many standard deviations the newest samples lie off, and the change in words."""
    end = len(history.values) - _RECENT - _GAP
    old, new = history.values[max(0, end - _BEFORE) : max(0, end)], history.values[-_RECENT:]
    if len(old) < _LEAST:
        return None
    before, now = median(old), median(new)
    if abs(now - before) < _PART * abs(before):
        return None
    text = f"{history.name} {before:.3g} → {now:.3g}"
    if min(*old, *new) > 0.0:
        old, now = [math.log(v) for v in old], math.log(now)
        before, floor = median(old), FLOOR
    else:
        floor = FLOOR * max(map(abs, old))
    sigma = max(spread(level_out(old, slope(old)), before), floor)
    far = abs(now - before) / sigma if sigma > 0.0 else 0.0
    return (far, text) if far >= _SIGMAS else None
