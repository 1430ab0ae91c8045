"""A report as an entry of STATUS.md, in the form of prime-rl's monitoring runbook (skills/monitor-run, 2026)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from rli_agent.answer.report import Report, Series
from rli_agent.life.evidence import in_short
from rli_agent.life.wording import spoken
from rli_agent.reporters.figures import figure, name, step_times, waits
from rli_agent.terminal import many, plain

#: What one line of an entry may hold; what it quotes from logs may hold.
_LINE, _QUOTE = 1000, 160


def entry(report: Report, *, launch: bool = False) -> str:
    """The entry of a check-in. Notes are left out where there is nothing. launch: it is the first one, and its notes
    say what the run is."""
    progress = report.progress
    step = progress.step if progress.step is not None else 0
    whole = progress.max_steps if progress.max_steps is not None else "?"
    notes = (_configuration(report) if launch else []) + _notes(report)
    lines = [
        _heading(report.time), "", f"**Step**: {step} / {whole}", f"**Health**: {report.health}", "",
        _field("Progress", _progress(report)), _field("Stability", _stability(report.stability)),
        _field("Performance", _performance(report)),
    ]  # fmt: skip
    if notes:
        lines += ["", _field("Notes", notes)]
    return "\n".join(lines) + "\n"


def _configuration(report: Report) -> list[str]:
    """What the run is, as its configuration and its first lines say."""
    run, whole = report.run, report.progress.max_steps
    told = [f"{run.framework or 'a'} run in {run.root}"]
    told += [f"model {run.model}"] if run.model else []
    told += [f"environments {', '.join(run.environments)}"] if run.environments else []
    told += [f"{whole} step{'' if whole == 1 else 's'} planned"] if whole is not None else []
    told += [f"batch size {run.batch_size}"] if run.batch_size else []
    named = [name for name in (run.project, run.experiment) if name]
    return told + ([f"called {' / '.join(named)}"] if named else [])


def _heading(time: float) -> str:
    return f"## {datetime.fromtimestamp(time, timezone.utc):%Y-%m-%d %H:%M} UTC"


def _field(name: str, sentences: Sequence[str]) -> str:
    return f"**{name}**: {_safe('; '.join(sentences) or 'nothing known yet')[:_LINE]}"


def _safe(text: str) -> str:
    """One line, without control characters and markup: what a log says begins no heading and no HTML."""
    line = " ".join(plain(text).split())
    for mark in "\\`*[<":
        line = line.replace(mark, "\\" + mark)
    return line


def _progress(report: Report) -> list[str]:
    progress = report.progress
    told = ["no step is done yet"] if progress.step is None else []
    told += [_against(series) for series in report.quality]
    if progress.finishes_at is not None:
        told.append(f"done in {spoken(progress.finishes_at - report.time)} at this pace")
    return told


def _stability(stability: Sequence[Series]) -> list[str]:
    told = [_against(series) for series in stability]
    for series in stability:
        for spike in series.spikes:
            where = f" at step {spike.step}" if spike.step is not None else ""
            usual = f" (usually {figure(series.metric, spike.median)})" if spike.median is not None else ""
            told.append(f"SPIKE: {name(series)} {figure(series.metric, spike.value)}{where}{usual}")
    return told


def _performance(report: Report) -> list[str]:
    performance = report.performance
    told = step_times(performance)
    if not told and report.progress.step_seconds is not None:
        told.append(f"a step every {spoken(report.progress.step_seconds)}")
    told += waits(performance)
    told += [f"{name(s)} {figure(s.metric, s.value)}" for s in performance.series]
    return told


def _notes(report: Report) -> list[str]:
    notes = [reason[:_QUOTE] for reason in report.reasons]
    if report.run.attempt > 1:
        notes.append(f"attempt {report.run.attempt}")
    if report.job is not None and report.job.state != "RUNNING":
        notes.append(f"SLURM job {report.job.id} is {report.job.state}")
    if report.problem_count:
        last = report.problems[-1]
        said = in_short(last.kind, last.message)[:_QUOTE]
        notes.append(f"{many(report.problem_count, 'problem')} so far, the newest: {said}")
    return notes


def _against(series: Series) -> str:
    usual = f" (usually {figure(series.metric, series.median)})" if series.median is not None else ""
    return f"{name(series)} {figure(series.metric, series.value)}{usual}"
