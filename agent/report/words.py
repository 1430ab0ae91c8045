"""What happened, in sentences: the run's life, its time, its curves, its troubles, in the order in which one asks."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from rli_agent.answer.report import Share
from rli_agent.life.headline import headline
from rli_agent.life.state import ENDS
from rli_agent.life.wording import spoken
from rli_agent.report.changes import Change, changes
from rli_agent.report.contents import Alert, Contents
from rli_agent.terminal import cut, many

#: States, changes and alerts that are named.
_STATES, _CHANGES, _ALERTS = 5, 8, 12
#: A phase is slow at a step from so many times its median on.
_SLOW = 2.0


class Paragraph(Struct):
    """A heading and sentences under it. tone: good, bad or plain."""

    title: str
    lines: list[str]
    tone: str = "plain"


def what_happened(contents: Contents) -> list[Paragraph]:
    """The paragraphs that have something to say."""
    paragraphs = [
        _life(contents), _attempts(contents), _cause(contents), _time(contents), _ranks(contents),
        _changes(contents),
        _alerts(contents), _problems(contents), _unknown(contents),
    ]  # fmt: skip
    return [paragraph for paragraph in paragraphs if paragraph is not None and paragraph.lines]


def _life(c: Contents) -> Paragraph:
    """From when to when, how far, and how it ended."""
    progress = c.answer.progress
    life = progress.life
    steps = "no step was told" if progress.step is None else f"it reached step {progress.step}"
    if progress.step is not None and progress.max_steps is not None:
        steps += f" of {progress.max_steps}"
    lines = []
    if c.began is not None and c.reached is not None and c.reached - c.began >= 0.1:
        lasted, fine = c.reached - c.began, c.reached - c.began < 600
        how = "" if c.told else ", reckoned from durations and from when its files were written"
        extent = f"from {c.clock(c.began, fine)} to {c.clock(c.reached, fine)} ({spoken(lasted)}{how})"
        lines.append(f"Its lines go {extent}; {steps}.")
        away = c.silent > 0.2 * lasted
        lines += [f"In between lie {spoken(c.silent)} in which nothing is told."] if away else []
    else:
        lines.append(f"{steps[0].upper()}{steps[1:]}.")
    lines += [_END[life]] if life in _END else []
    if progress.checkpoint_step is not None or c.checkpoints:
        lines.append(_saved(c))
    tone = "good" if life == "finished" else "bad" if life in ENDS or life == "stalled" else "plain"
    return Paragraph("Life", lines, tone)


_END = {
    "finished": "It finished.",
    "failed": "It failed.",
    "cancelled": "It was cancelled.",
    "preempted": "It was preempted.",
    "stalled": "It stalled: no more signs of progress.",
    "running": "No line says that it is over.",
}


def _saved(c: Contents) -> str:
    told = [step for step in c.checkpoints if step is not None]
    newest = c.answer.progress.checkpoint_step
    last = max(told) if told else newest
    number = len(c.checkpoints)
    many = "One checkpoint was" if number == 1 else f"{number} checkpoints were" if number else "A checkpoint was"
    behind = ""
    if last is not None and c.answer.progress.step is not None and c.answer.progress.life != "finished":
        lost = c.answer.progress.step - last
        behind = f": {lost} steps before the last one" if lost > 1 else ""
    where = "at" if number == 1 else "the last at"
    return f"{many} saved" + (f", {where} step {last}{behind}." if last is not None else ".")


def _attempts(c: Contents) -> Paragraph | None:
    if len(c.attempts) < 2:
        return None
    lines = [f"It was started {len(c.attempts)} times."]
    for attempt, after in zip(c.attempts, [*c.attempts[1:], None], strict=True):
        steps = "no step"
        if attempt.first_step is not None and attempt.last_step is not None:
            first, last = attempt.first_step, attempt.last_step
            steps = f"step {first}" if first == last else f"steps {first} to {last}"
        resumed = f", resumed from step {attempt.resumed_from}" if attempt.resumed_from is not None else ""
        line = f"Attempt {attempt.number}{resumed}: {steps}"
        if after is not None and attempt.last_step is not None and after.first_step is not None:
            again = attempt.last_step - after.first_step + 1
            line += f"; {again} of them were done again" if again > 0 else ""
        line += f"; its last grave problem was {cut(attempt.grave, 160).rstrip('.')}" if attempt.grave else ""
        lines.append(line + ".")
    return Paragraph("Attempts", lines)


def _cause(c: Contents) -> Paragraph | None:
    """The first failure, as `rli-agent diagnose` says."""
    found = c.diagnosis
    if found.life == "finished" or (found.cause is None and found.life in ("running", "starting") and not found.seen):
        return None
    lines = [f"{found.answer[0].upper()}{found.answer[1:]}."]
    if found.cause is not None:
        told = [line for line in found.cause.evidence if line and line not in found.answer]
        lines += [f"{line[0].upper()}{line[1:]}." for line in told[:4]]
        followed = sum(consequence.count for consequence in found.cause.followed)
        lines += [f"{many(followed, 'more problem')} followed from it."] if followed else []
    elif found.life in (*ENDS, "stalled"):
        lines += [f"{line[0].upper()}{line[1:]}." for line in found.state[:3]]
    lines += [f"To do: {found.todo}"] if found.todo else []
    bad = found.life in (*ENDS, "stalled", "suspected") or found.cause is not None
    title = "First failure" if found.cause is not None else "What is wrong" if bad else "What was seen"
    return Paragraph(title, lines, "bad" if bad else "plain")


def _time(c: Contents) -> Paragraph | None:
    """Where the steps' time went."""
    lines = []
    for lane in sorted(c.phases.whole, key=lambda lane: (lane != "trainer", lane)):
        known = c.phases.whole[lane]
        usual = c.phases.usual_step(lane)
        parts = [share for share in c.phases.shares() if share.lane == lane and share.share >= 0.005]
        often = [part for part in parts if c.phases.times(lane, part.state) > len(known) / 2]
        if usual is None or not (parts or lane == "trainer"):
            continue
        slowest, longest = max(known.items(), key=lambda item: item[1])
        line = f"A step of the {lane} took {spoken(usual)} in the median over {len(known)} steps"
        line += f", the longest {spoken(longest)} (step {slowest})" if longest > 1.2 * usual else ""
        lines.append(line + (f": {_spent(often)}." if often else "."))
        rare = [part for part in parts if part not in often]
        told = [f"{part.state} {spoken(part.seconds)} ({_times(c.phases.times(lane, part.state))})" for part in rare]
        lines += [f"Now and then, in the {lane}: {', '.join(told[:_STATES])}."] if told else []
    waits = c.phases.waits()
    lines += [f"Who waits: {waits}."] if waits else []
    lines += _slow(c)
    return Paragraph("Time", lines) if lines else None


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _spent(parts: Sequence[Share]) -> str:
    told = [f"{part.share:.0%} {part.state} ({spoken(part.seconds)})" for part in parts[:_STATES]]
    more = len(parts) - len(told)
    inside = "; some of these lie inside others" if sum(part.share for part in parts) > 1.05 else ""
    return ", ".join(told) + (f" and {more} more" if more else "") + inside


def _slow(c: Contents) -> list[str]:
    """The phases that took far longer at a step than usual, the most seconds first."""
    found = []
    for phase in c.phases.phases:
        if phase.state == "step" or len(phase.seconds) < 4:
            continue
        step, longest = phase.slowest
        if longest > _SLOW * phase.usual and longest - phase.usual > 1.0:
            found.append((longest - phase.usual, phase, step, longest))
    found.sort(key=lambda item: -item[0])
    told = [
        f"{phase.name} at step {step} ({spoken(longest)}, usually {spoken(phase.usual)})"
        for _, phase, step, longest in found[:3]
    ]
    return [f"Slowest beyond what is usual: {'; '.join(told)}."] if told else []


def _ranks(c: Contents) -> Paragraph | None:
    """Who keeps the other ranks waiting, by the traces."""
    if c.ranks is None:
        return None
    slow = [
        f"{phase} took {spoken(seconds)} on {lane}, {seconds / usual:.1f} times the {spoken(usual)} of the median"
        for phase, lane, seconds, usual in c.ranks.slow()[:4]
        if usual > 0
    ]
    lines = [f"{said[0].upper()}{said[1:]}." for said in slow] or ["No rank is slower than the others, by the traces."]
    cut = sum(bool(trace.cut) for trace in c.traces)
    lines += [f"{cut} of {len(c.traces)} traces could not be read to their end."] if cut else []
    return Paragraph("Ranks", lines)


def _changes(c: Contents) -> Paragraph | None:
    """What is another at the end than at the beginning."""
    found = changes(c.charts)
    steady = [chart.title for chart in c.charts[:6] if all(chart is not change.chart for change in found)]
    lines = [_changed(change) for change in found[:_CHANGES]]
    if found and steady:
        lines.append(f"About the same, or too noisy or too short to tell: {', '.join(steady)}.")
    return Paragraph("What changed, from its beginning to its end", lines)


def _changed(change: Change) -> str:
    verb = "rose" if change.after > change.before else "fell"
    factor = change.factor
    times = f" ({factor:.1f} times)" if factor is not None and 2 <= factor <= 100 else ""
    judged = {True: ", an improvement", False: ", the wrong way", None: ""}[change.better]
    chart = change.chart
    name = chart.title if "/" in chart.title else f"{chart.title[0].upper()}{chart.title[1:]}"
    before, after = in_unit(change.before, chart.unit), in_unit(change.after, chart.unit)
    return f"{name} {verb} from {before} to {after}{times}{judged}."


def in_unit(value: float, unit: str) -> str:
    """A figure with its unit, as one says it."""
    if unit == "bytes":
        return f"{value / 2**30:.2f} GiB"
    if unit == "ratio":
        return f"{value:.1%}"
    word = {"none": "", "tokens_per_second": " tokens/s", "seconds": " s"}.get(unit, f" {unit}")
    return f"{figure(value)}{word}"


def figure(value: float) -> str:
    """A number of four digits, as one reads it."""
    if abs(value) >= 10_000:
        return f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.3g}"
    return f"{value:.4g}"


def _alerts(c: Contents) -> Paragraph | None:
    told = [alert for alert in c.alerts if alert.severity != "info"]
    if not told:
        return None
    lines = [_alert(c, alert) for alert in told[:_ALERTS]]
    more = len(told) - len(lines)
    lines += [f"{more} more are in the table below."] if more else []
    return Paragraph("Alerts, in order", lines, "bad" if any(a.severity == "critical" for a in told) else "plain")


def _alert(c: Contents, alert: Alert) -> str:
    step = f"step {alert.step}" if alert.step is not None else None
    where = ", ".join(part for part in (c.when(alert.time), step) if part)
    over = f" Over at {when}." if (when := c.when(alert.until)) else ""
    return f"{where}: {sentence(alert.title)}{over}" if where else f"{sentence(alert.title)}{over}"


def sentence(text: str) -> str:
    """The text with one full stop."""
    return f"{cut(text, 240).rstrip('. …')}."


def _problems(c: Contents) -> Paragraph | None:
    if not c.problems:
        return None
    kinds: dict[str, int] = {}
    for trouble in c.problems:
        kinds[trouble.first.kind] = kinds.get(trouble.first.kind, 0) + trouble.count
    most = sorted(kinds.items(), key=lambda item: -item[1])
    told = ", ".join(f"{count} {kind}" for kind, count in most[:6])
    lines = [f"{many(c.problem_count, 'problem')} in the logs: {told}."]
    often = max(c.problems, key=lambda trouble: trouble.count)
    if often.count > 1:
        lines.append(f"Most often ({often.count} times): {cut(headline(often.first.message), 200)}")
    return Paragraph("Problems", lines)


def _unknown(c: Contents) -> Paragraph | None:
    """What the reader must not take for more than it is."""
    lines = []
    if c.timeline is None:
        lines.append("No line tells when a state began or how long it took, so there is no timeline.")
    elif c.timeline.rebuilt:
        lines.append("The timeline is rebuilt from durations: the lines have no times of their own.")
    if not c.charts:
        lines.append("No metric is told in a way that is known here.")
    lag = sum(file.lag for file in c.answer.files)
    if lag:
        lines.append(f"{lag:,} bytes at the ends of its files were not read yet.")
    return Paragraph("Limits", lines) if lines else None
