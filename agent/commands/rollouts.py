"""`rli-agent rollouts`: what the model wrote."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured

#: Rollouts shown unless told otherwise.
SHOWN = 3


@click.command(cls=Configured)
@reading.paths
@reading.framework
@reading.rules
@click.option("--step", type=int, metavar="N", help="Of this step; otherwise of the newest.")
@click.option("--eval", "evaluation", is_flag=True, help="Of the evaluation, not of training.")
@click.option("--env", metavar="NAME", help="Only of this environment.")
@click.option("--worst", type=click.IntRange(0), metavar="K", help=f"Show the K with the smallest reward ({SHOWN}).")
@click.option("--best", type=click.IntRange(0), metavar="K", help="Show the K with the largest reward.")
@click.option("--errored", is_flag=True, help="Only those that carry an error.")
@click.option("--truncated", is_flag=True, help="Only those that were cut off at a limit.")
@click.option("--prompt", metavar="TEXT", help="Those whose prompt holds TEXT, step by step (or with --step, shown).")
@click.option("--full", is_flag=True, help="Show texts whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON objects, one a line: the answer, then the rollouts.")
def command(
    paths: tuple[Path, ...], framework: str | None, rules: tuple[Path, ...], step: int | None, evaluation: bool,
    env: str | None, worst: int | None, best: int | None, errored: bool, truncated: bool, prompt: str | None,
    full: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show what the model wrote in a step: how its rollouts are as a whole, then the worst of them.

    Reads the rollout files that the run writes into OUTPUT_DIR; the run need not be watched.
    """
    from rli_agent.discover import NEEDS
    from rli_agent.errors import UserError
    from rli_agent.parsing import discover, refuse_missing
    from rli_agent.printing import json_line
    from rli_agent.rollouts.records import rollout_files
    from rli_agent.rollouts.selecting import Wanted, by_step, select
    from rli_agent.rollouts.showing import answer, hit_object, selection_object, shown, statistics_object, table
    from rli_agent.terminal import say

    refuse_missing(paths, "rollout files")
    book = reading.packs(paths, rules)
    scan = discover(paths, book, framework)
    files = rollout_files(scan, book)
    if not files and (wanting := next((f"{path}: {why}" for path, why in scan.skipped if NEEDS in why), None)):
        raise UserError("the rollout files here cannot be read", wanting)
    phase = "eval" if evaluation else None
    most = SHOWN if worst is None and best is None else worst or 0
    wanted = Wanted(step, phase, env, errored, truncated, prompt, most, best or 0)
    if prompt is not None and step is None:
        lines = 0
        for at, of, total in by_step(files, wanted):
            lines += 1
            if as_json:
                say(json_line({"type": "rollouts", "step": at, "phase": of, **statistics_object(total)}))
            else:
                say(next(iter(table([(at, of, total)]))))
        if not lines:
            raise UserError(f"no prompt holds {prompt!r}", "the text is looked for as it stands, capitals and all")
        return
    found = select(files, wanted)
    if as_json:
        say(json_line(selection_object(found)))
        for hit in (*found.worst, *found.best):
            say(json_line(hit_object(hit, full)))
        return
    say(answer(found))
    asked = [name for name, is_so in (("with errors", errored), ("truncated", truncated)) if is_so]
    if asked or prompt is not None:
        asked += ["with this prompt"] if prompt is not None else []
        say(f"{found.matching} of them {' and '.join(asked)}")
    for name, hits in (("worst", found.worst), ("best", found.best)):
        if hits:
            say(f"\nThe {len(hits)} {name}:" if len(hits) > 1 else f"\nThe {name}:")
        for number, hit in enumerate(hits, 1):
            for line in shown(hit, number, full):
                say(line)
