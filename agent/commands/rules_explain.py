"""`rli-agent rules explain`: which rule took which line, and what no rule knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured

if TYPE_CHECKING:
    from rli_agent.explaining import Explained


@click.command("explain", cls=Configured, short_help="Say which rule takes which line of a log.")
@click.argument("paths", metavar="FILE_OR_DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@reading.framework
@reading.rules
@click.option("--lines", is_flag=True, help="Print each line, with the rules that took it before it.")
@click.option(
    "--most", type=click.IntRange(0, 1000), default=5, show_default=True, help="So many unknown shapes of each file."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
def command(
    paths: Sequence[Path], framework: str | None, rules: Sequence[Path], lines: bool, most: int, as_json: bool
) -> None:
    """Say of each file which rules took how many of its lines, and show the commonest shapes of lines that none took.

    In a shape `<n>` stands for a figure, `<d>` for digits in a word, `<time>`, `<path>`, `<id>` and the like for those.
    """
    from rli_agent.explaining import explain
    from rli_agent.parsers.explaining import Taken
    from rli_agent.parsing import discover, refuse_missing, run_files
    from rli_agent.terminal import log_to_stderr, many, plain, say
    from rli_agent.zone import named_zone

    log_to_stderr("WARNING")
    refuse_missing(paths)
    book = reading.packs(paths, rules)
    scan = discover(paths, book, framework)
    files = run_files(scan)

    def show(number: int, raw: bytes, taken: Taken) -> None:
        who = ", ".join(taken.rules) or {"": "-", "blank": ""}.get(taken.reason, f"({taken.reason})")
        click.echo(plain(f"{number:>7}  {who:36}  {raw[:400].decode('utf-8', 'replace')}"))

    told: list[Explained] = []
    for found in scan.found:
        if lines:
            say(f"{found.source.file}:")
        told.append(explain(found, book, files, named_zone(None), show if lines else None))
    if as_json:
        for one in told:
            click.echo(json.dumps(_object(one, most)))
        return
    total, unknown = sum(e.lines for e in told), sum(e.unknown.lines for e in told)
    figures, problems = sum(e.figures for e in told), sum(e.problems for e in told)
    read = f"{many(figures, 'figure')}, {many(problems, 'problem')}"
    say(f"{many(len(told), 'file')}, {many(total, 'line')}: {read}; no rule took {many(unknown, 'line')}")
    for one in told:
        say(f"\n{one.found.source.file} ({one.found.note}): {many(one.lines, 'line')}, {many(one.figures, 'figure')}")
        for rule, count in one.rules.most_common():
            say(f"  {count:>9,}  {rule}")
        for reason, count in one.reasons.most_common():
            say(f"  {count:>9,}  ({_REASONS[reason]})")
        if one.unknown.lines:
            say(f"  {one.unknown.lines:>9,}  by no rule{'; the commonest shapes:' if most else ''}")
            for shape in one.shapes(most):
                say(f"             {shape.count:,}×, first at line {shape.line}: {shape.text[:200]}")
        if one.unread:
            say(f"  not read to its end: {one.unread}")
    for skipped, why in scan.skipped:
        say(f"\n{skipped}: {why}")


_REASONS = {"blank": "blank", "problem": "parts of a problem", "echoed": "echoed text, as prompts and completions"}


def _object(one: Explained, most: int) -> dict[str, object]:
    shapes = [{"shape": s.text, "count": s.count, "line": s.line, "example": s.examples[0]} for s in one.shapes(most)]
    return {
        "file": one.found.source.file, "role": one.found.source.role, "why": one.found.note, "lines": one.lines,
        "figures": one.figures, "problems": one.problems, "rules": dict(one.rules), "reasons": dict(one.reasons),
        "unknown": one.unknown.lines, "shapes": shapes,
    }  # fmt: skip
