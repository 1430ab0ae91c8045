"""What it means that a figure is not finite: of a loss, a gradient norm, KL or entropy a problem."""

from __future__ import annotations

import math
import re

from rli_agent.events import Problem, Samples

#: Figures of which a value that is not finite is a problem.
_VITAL = re.compile(r"loss|grad_?norm|entropy|(?:^|[/_ ])kl(?:$|[/_])|_kl(?:$|[/_])|kl_", re.IGNORECASE)
_BOUND = 2000


def not_finite(samples: Samples) -> Problem | None:
    """One problem `nan` for all vital figures of a line or record that are not finite."""
    bad = [
        f"{name} {value}"
        for name, value in zip(samples.shape.names, samples.values, strict=True)
        if not math.isfinite(value) and _VITAL.search(name)
    ]
    if not bad:
        return None
    place = (samples.file, samples.line, samples.offset, samples.time, samples.time_is)
    return Problem(*place, "ERROR", "nan", ", ".join(bad)[:_BOUND], 1, samples.step, None, samples.shape.labels)
