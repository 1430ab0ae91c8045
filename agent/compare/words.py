"""The comparison in one sentence, and the wording that terminal and page share."""

from __future__ import annotations

from collections.abc import Iterator

from rli_agent.compare.comparison import Comparison, Metric, Phase
from rli_agent.compare.difference import LEAST, Difference
from rli_agent.compare.settings import Setting
from rli_agent.life.wording import spoken
from rli_agent.reporters.figures import figure, scaled, word
from rli_agent.terminal import many

#: What one wants to know first of a run.
_GOALS = ("rl_reward_mean", "rl_eval_score")
#: Metrics and settings that the answer names.
_NAMED, _SETTINGS = 3, 2
#: Characters of a setting, and of what ended a run, in the answer.
_SHORT, _CAUSE = 24, 80
VERDICTS = {
    "same": "the same", "noise": "no more than noise", "slight": "slight", "clear": "clear", "few": "too few steps",
}  # fmt: skip


def answer(c: Comparison) -> str:
    """What differs, the most telling first."""
    parts = [*_lives(c), *_learning(c), *_speed(c), *_settings(c)]
    return f"B against A: {'; '.join(parts)}"


def _learning(c: Comparison) -> Iterator[str]:
    if c.steps < LEAST:
        few = f"only {many(c.steps, 'step')}" if c.steps else "no step"
        yield f"{few} that both tell of: too few to compare metrics"
        return
    common = [m for m in c.metrics if m.common and m.name != "rl_step_duration_seconds"]
    apart = [m for m in common if m.difference.matters]
    if not apart:
        others = sum(m.difference.matters for m in c.metrics)
        more = f", but {others} of the frameworks' own metrics differ" if others else ""
        yield f"no difference of {len(common)} common metrics at {c.steps} equal steps is more than noise{more}"
        return
    goals = [m for m in apart if m.name in _GOALS]
    if not goals and any(m.name in _GOALS for m in common):
        yield "reward no further apart than noise"
    named = [*goals, *(m for m in apart if m.name not in _GOALS)][:_NAMED]
    for metric in named:
        who = f"{metric.better} better at " if metric.better else ""
        since = metric.difference.since
        when = f", since step {since}" if since is not None and since != metric.difference.first else ""
        yield f"{who}{title(metric)} ({against(metric)}{when})"
    if len(apart) > len(named):
        yield f"{len(apart) - len(named)} more common metrics differ"


def _speed(c: Comparison) -> Iterator[str]:
    whole = next((p for p in c.phases if p.state == "step" and p.difference.matters), None)
    if whole is None or whole.difference.factor is None:
        return
    d = whole.difference
    parts = [p for p in c.phases if p.lane == whole.lane and p.state != "step" and p.difference.matters]
    most = max(parts, key=lambda p: abs(moved(p)), default=None)
    why = f", most of it {most.state} ({moved(most):+.3g} s)" if most is not None else ""
    both = f"{spoken(d.b or 0.0)} against {spoken(d.a or 0.0)}"
    yield f"a step takes {d.factor:.2g} times as long ({both}{why})"


def _lives(c: Comparison) -> Iterator[str]:
    for letter, side in (("A", c.a), ("B", c.b)):
        if side.life in ("failed", "stalled", "cancelled", "preempted"):
            verb = {"failed": "", "stalled": "is "}.get(side.life, "was ")
            where = f" at step {side.step}" if side.step is not None else ""
            why = f" ({side.cause[:_CAUSE]})" if side.cause else ""
            yield f"{letter} {verb}{side.life}{where}{why}"


def _settings(c: Comparison) -> Iterator[str]:
    if not c.settings:
        return
    named = [f"{s.key.rpartition('.')[2]} {_value(s.a)} → {_value(s.b)}" for s in c.settings[:_SETTINGS]]
    verb = "differ" if len(c.settings) > 1 else "differs"
    more = " …" if len(c.settings) > len(named) else ""
    yield f"{many(len(c.settings), 'setting')} {verb}: {', '.join(named)}{more}"


def _value(value: str | None) -> str:
    return "none" if value is None else value if len(value) <= _SHORT else f"{value[: _SHORT - 1]}…"


def title(metric: Metric) -> str:
    """A metric's name as people say it."""
    said = word(metric.name) if metric.common else metric.name
    return f"{said} ({metric.of})" if metric.of else said


def against(metric: Metric) -> str:
    """`0.62 against 0.48`, B first."""
    return f"{value(metric, metric.difference.b)} against {value(metric, metric.difference.a)}"


def value(metric: Metric, number: float | None) -> str:
    """A figure of a metric in its unit."""
    if number is None:
        return "–"
    return figure(metric.name, number) if metric.common else scaled(number)


def verdict(metric: Metric) -> str:
    """Whether the difference matters, which run does better, and since when."""
    d = metric.difference
    since = f", since {d.since}" if d.since is not None and d.since != d.first else ""
    return VERDICTS[d.verdict] + (f", {metric.better} better" if metric.better else "") + since


def seconds(number: float | None) -> str:
    """Of a phase."""
    return "–" if number is None else f"{number:.3g}"


def by_how_much(d: Difference) -> str:
    """The difference, as a share of A where that means anything, else as it is."""
    if d.a is None or d.b is None:
        return ""
    if d.a and d.b / d.a > 0:
        share = d.b / d.a - 1.0
        return f"{share:+.1%}" if abs(share) < 2 else f"×{d.b / d.a:.3g}"
    return f"{d.b - d.a:+.3g}"


def moved(phase: Phase) -> float:
    """Seconds that a phase takes longer in B."""
    return (phase.difference.b or 0.0) - (phase.difference.a or 0.0)


def setting(one: Setting) -> tuple[str, str, str]:
    """A setting's name and both values; what a run has not is told."""
    return one.key, "(not set)" if one.a is None else one.a, "(not set)" if one.b is None else one.b
