"""A report as one screen of text. The answer comes first; what stands lower matters less, and is cut where there is no
room. Log text goes through `plain`: its control sequences are shown, never obeyed."""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rli_agent.answer.report import LaneState, Report, Series
from rli_agent.life.headline import headline
from rli_agent.life.wording import place, spoken
from rli_agent.reporters.figures import clock, curve, figure, name, step_times, waits
from rli_agent.terminal import many, plain

COLOURS = {"Healthy": "bold green", "Degraded": "bold yellow", "Down": "bold red", "Unknown": "bold yellow"}
_SEVERITY = {"critical": "red", "warning": "yellow", "info": "dim"}
#: Figures that are kept where there is no room for all, in this order; never fewer than FEWEST.
_FIRST = {
    name: place
    for place, name in enumerate(
        (
            "rl_reward_mean", "rl_policy_entropy", "rl_policy_kl", "rl_mismatch_kl", "rl_grad_norm",
            "rl_response_length_mean_tokens", "rl_throughput_tokens_per_second", "rl_eval_score",
            "rl_engine_kv_cache_usage_ratio", "rl_engine_requests_waiting", "rl_errored_ratio", "rl_truncated_ratio",
        )
    )
}  # fmt: skip
_FEWEST = 5
#: Columns where the output is no terminal.
PIPED = 1000
#: Lanes, and states of what is usual, that are shown.
_LANES, _USUAL = 8, 6


def standard_output() -> Console:
    """Standard output without markup, emoji and highlighting: what logs hold is text."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what its encoding lacks shows as `?`
    width = None if sys.stdout.isatty() else PIPED  # a pipe has no edge at which to cut
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def print_report(report: Report, zone: tzinfo) -> None:
    """Print a report to standard output."""
    console = standard_output()
    console.print(render(report, zone, console))


def print_reports(reports: Sequence[Report]) -> None:
    """Print a line for each of several runs to standard output."""
    console = standard_output()
    for report in reports:
        console.print(answer_of(report), no_wrap=True, overflow="ellipsis")


def answer_of(report: Report) -> Text:
    """Which run, and how it is, in one line."""
    return Text.assemble((plain(Path(report.run.root).name), "bold"), ": ", answer(report))


def render(report: Report, zone: tzinfo, console: Console, height: int | None = None) -> RenderableType:
    """All of a report, the most important first. height: lines that there are; figures that matter less make room."""
    unicode = console.encoding.startswith("utf")
    above: list[RenderableType] = [answer(report)]
    above += [_line(f"  - {reason}", "yellow") for reason in _reasons(report)]
    if report.health == "Down":
        root = shlex.quote(report.run.root)
        above.append(_line(f"what came first, and what to do: rli-agent diagnose {root}", "dim"))
    above.append(_run(report, zone))
    above += [_line(text) for text in _lanes(report.lanes)]
    below: list[RenderableType] = [_line(text) for text in _performance(report)]
    below += list(_troubles(report, zone))
    below += [_line(text, "dim") for text in _machine(report)]
    below += [_line(text, "dim") for text in _files(report)]
    shown = [*report.quality, *report.stability, *report.performance.series]
    if height is not None:
        room = height - len(console.render_lines(Group(*above, *below)))
        least = sorted(shown, key=lambda series: _FIRST.get(series.metric, len(_FIRST)))[max(_FEWEST, room) :]
        shown = [series for series in shown if series not in least]
    figures = [metrics(shown, max(8, min(40, console.width - 44)), unicode)] if shown else []
    return Group(*above, *figures, *below)


def answer(report: Report) -> Text:
    """The first line: health, and how the run is in one sentence."""
    return Text.assemble((report.health, COLOURS[report.health]), ": ", plain(report.answer).replace("\n", " "))


def _line(text: str, style: str = "") -> Text:
    return Text(plain(text).replace("\n", " "), style, overflow="ellipsis", no_wrap=True)


def _reasons(report: Report) -> list[str]:
    return [r for r in report.reasons if report.health != "Healthy" and not report.answer.startswith(r)]


def _run(report: Report, zone: tzinfo) -> Text:
    run, progress = report.run, report.progress
    parts = [] if run.watched else ["nobody watches"]
    parts += [run.root, run.framework or "framework unknown"]
    parts += [run.model] if run.model else []
    if run.attempt > 1:
        after = f", from step {run.resumed_from}" if run.resumed_from is not None else ""
        parts.append(f"attempt {run.attempt}{after}")
    if progress.checkpoint_at is not None:
        step = f"step {progress.checkpoint_step}" if progress.checkpoint_step is not None else "saved"
        parts.append(f"checkpoint {step} ({spoken(report.time - progress.checkpoint_at)} ago)")
    if progress.last_written_at is not None:
        parts.append(f"last written {clock(progress.last_written_at, zone, report.time)}")
    return _line(" · ".join(parts), "dim")


def metrics(shown: list[Series], width: int, unicode: bool) -> Table:
    """The figures with their curves."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="crop")
    table.add_column(no_wrap=True)
    for series in shown:
        usual = f"usually {figure(series.metric, series.median)}" if series.median is not None else ""
        note = Text(usual, "dim")
        if series.spikes:
            note = Text(f"{many(len(series.spikes), 'spike')}, {usual}", "yellow")
        table.add_row(
            name(series), Text(figure(series.metric, series.value), "bold"),
            Text(curve(series.values, width, unicode), "cyan"), note,
        )  # fmt: skip
    return table


def _lanes(lanes: list[LaneState]) -> Iterator[str]:
    for lane in lanes[:_LANES]:
        usually = f" (usually {spoken(lane.usual_seconds)})" if lane.usual_seconds is not None else ""
        yield f"{lane.lane}: {lane.state} for {spoken(lane.seconds)}{usually}"
    if len(lanes) > _LANES:
        yield f"and {len(lanes) - _LANES} lanes more"


def _performance(report: Report) -> Iterator[str]:
    told = report.performance
    parts = step_times(told) + waits(told)
    if parts:
        yield ", ".join(parts)
    spent = [f"{s.state} {s.share:.0%} ({spoken(s.seconds)})" for s in told.shares if s.lane == "trainer"]
    if spent:
        yield "of a trainer step: " + ", ".join(spent[:_USUAL])


def _troubles(report: Report, zone: tzinfo) -> Iterator[Text]:
    said = " ".join([report.answer, *_reasons(report)])
    for message in report.messages:
        if message.title in said:
            continue
        when = clock(message.time, zone, report.time)
        yield _line(f"{when} {message.title}", _SEVERITY.get(message.severity, ""))
    if report.problem_count:
        yield _line(f"{many(report.problem_count, 'problem')}, the newest:", "bold")
    for problem in report.problems:
        when, times = clock(problem.time, zone, report.time), f" ×{problem.count}" if problem.count > 1 else ""
        stands = place(problem.file, problem.line)
        yield _line(f"  {when} {problem.kind}{times}: {headline(problem.message)} ({stands})")


def _machine(report: Report) -> Iterator[str]:
    if report.job is not None:
        job = report.job
        until = ""
        if job.ends_at is not None and job.ends_at > report.time:
            until = f", ends in {spoken(job.ends_at - report.time)}"
            saved = report.progress.checkpoint_at
            until += f", checkpoint {spoken(report.time - saved)} old" if saved is not None else ", no checkpoint seen"
        yield f"SLURM job {job.id}: {job.state}{until}" + (f" on {job.nodes}" if job.nodes else "")
    sure = [p for p in report.processes if p.sure]
    if sure:
        more = f" and {len(sure) - 6} more" if len(sure) > 6 else ""
        told = ", ".join(f"{p.title[:60]} ({p.pid}, {p.state})" for p in sure[:6])
        yield f"its processes here ({len(sure)}): {told}{more}"
    if len(sure) < len(report.processes):
        yield f"{len(report.processes) - len(sure)} more have titles of training processes, perhaps of another run"
    for gpu in report.gpus[:16]:
        used = f"{(gpu.memory_used_bytes or 0) / 2**30:.1f} of {(gpu.memory_total_bytes or 0) / 2**30:.1f} GiB"
        busy = f", {gpu.busy:.0%} busy" if gpu.busy is not None else ""
        yield f"GPU {gpu.index} {gpu.name}: {used}{busy}"


def _files(report: Report) -> Iterator[str]:
    if report.files:
        behind = [f for f in report.files if f.lag]
        lag = sum(f.lag for f in behind)
        read = f"{len(behind)} not read to the end ({lag:,} bytes)" if behind else "all read"
        yield f"{many(len(report.files), 'file')}, {read}"
