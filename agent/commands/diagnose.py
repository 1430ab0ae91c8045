"""`rli-agent diagnose`: why a run failed, or why it hangs."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@reading.paths
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--py-spy", "pid", type=click.IntRange(1), metavar="PID",
    help="Show also where the Python process PID of this machine is just now, if py-spy is installed.",
)  # fmt: skip
def command(
    paths: tuple[Path, ...], framework: str | None, rules: tuple[Path, ...], zone: str | None,
    state_dir: Path | None, as_json: bool, pid: int | None,
) -> None:  # fmt: skip
    """Say why the run in OUTPUT_DIR failed, or why it hangs: what came first, in which process, and what followed.

    It reads the logs, and needs no agent to have watched; what one has seen that no log tells is taken in. Where the
    logs are gone, give the store (run.sqlite) instead of OUTPUT_DIR. The first line is the answer.
    """
    import json

    from rli_agent.diagnose.case import case_of_logs, case_of_store
    from rli_agent.diagnose.cause import cause_of
    from rli_agent.diagnose.process import stacks
    from rli_agent.diagnose.report import as_data, as_text, diagnosis
    from rli_agent.machine.gpu_evidence import gpu_evidence
    from rli_agent.store.location import state_dir as where
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    if len(paths) == 1 and paths[0].suffix == ".sqlite" and paths[0].is_file():
        case = case_of_store(paths[0])
    else:
        book = reading.packs(paths, rules)
        state, _ = where(state_dir, Path.home())
        case = case_of_logs(paths, book, named_zone(zone), framework, state)
    found = diagnosis(case, cause_of(case))
    dump = stacks(pid) if pid is not None else None
    evidence = gpu_evidence(paths[0]) if found.life in ("stalled", "suspected") else []
    if as_json:
        more = {"stacks": dump} if dump is not None else {}
        say(json.dumps(as_data(found) | {"gpus": evidence} | more, allow_nan=False))
        return
    say(as_text(found))
    for line in evidence:
        say(line)
    if dump is not None:
        say(f"\nProcess {pid} just now:\n{dump}")
