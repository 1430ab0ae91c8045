"""`rli-agent status`: how is it?"""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@reading.optional_paths
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (docs/status.md).")
@click.option(
    "--append", "journal", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Append an entry to this STATUS.md too.",
)  # fmt: skip
@click.option("--restart-hint", "restart", is_flag=True, help="Print the command line that would resume the run.")
@click.option("--job", metavar="ID", help="The run of this SLURM job; with OUTPUT_DIR, the job to be told of.")
@click.option("--pid", type=int, metavar="PID", help="The run that this process writes.")
def command(
    paths: tuple[Path, ...], framework: str | None, rules: tuple[Path, ...], zone: str | None, state_dir: Path | None,
    as_json: bool, journal: Path | None, job: str | None, pid: int | None, restart: bool,
) -> int:  # fmt: skip
    """Say how a run is, in one screen: OUTPUT_DIR's, or the one that was watched last. Where OUTPUT_DIR holds several
    runs, each gets a line.

    Exit code 0: healthy or finished. 1: degraded. 2: down, unknown, or it cannot be told.
    """
    import sys

    import msgspec

    from rli_agent.answer.report import EXIT_CODES, brief, of_late
    from rli_agent.asking.ask import ask, note_down, runs_in
    from rli_agent.asking.restart import restart_hint
    from rli_agent.asking.which import newest_run, run_of_job, run_of_process
    from rli_agent.errors import UserError
    from rli_agent.options import WatchOptions
    from rli_agent.reporters.screen import print_report, print_reports
    from rli_agent.store.location import state_dir as default_state_dir
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    stamps = named_zone(zone)
    asked = list(paths)
    if not asked:
        state = default_state_dir(state_dir, Path.home())[0]
        if pid is not None:
            asked = run_of_process(pid, state)
        else:
            asked = run_of_job(job, state, stamps) if job is not None else [newest_run(state)]
    options = WatchOptions(asked, framework=framework, rules=list(rules), state_dir=state_dir)
    runs = runs_in(options)
    if journal is not None and len(runs) > 1:
        raise UserError(f"{asked[0]} holds {len(runs)} runs, and a STATUS.md is of one", "name one run's directory")
    reports = [ask(run, stamps, job) for run in runs]
    if journal is not None:
        note_down(reports[0], journal)
    if as_json:
        told = [brief(report) for report in reports]
        data = msgspec.json.encode(told if len(told) > 1 else told[0])
        sys.stdout.buffer.write(msgspec.json.format(data, indent=2) + b"\n")
    elif restart:
        for report in reports:
            say("\n".join([f"# {report.health}: {report.answer}".replace("\n", " "), *restart_hint(report)]))
    elif len(reports) > 1:
        print_reports(reports)
    else:
        print_report(reports[0], stamps)
    return max(EXIT_CODES[report.health] for report in of_late(reports))
