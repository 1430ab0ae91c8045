"""`rli-agent compare`: two runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured


@click.command(cls=Configured)
@click.argument("a", metavar="A", type=click.Path(path_type=Path))
@click.argument("b", metavar="B", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show also what does not differ.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (docs/compare.md).")
@click.option(
    "-o", "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html",
    help="Write a page instead, one file.",
)  # fmt: skip
@reading.framework
@reading.rules
@reading.zone
@reading.state_dir
def command(
    a: Path, b: Path, everything: bool, as_json: bool, html: Path | None, framework: str | None,
    rules: tuple[Path, ...], zone: str | None, state_dir: Path | None,
) -> None:  # fmt: skip
    """Compare the runs A and B: metrics at equal steps, what each phase takes, settings, and how they ended. The first
    line is the answer: what differs by more than each run's own noise.

    A and B are output directories, runs' ids (`rli-agent runs`) or stores (run.sqlite).
    """
    import sys

    import msgspec

    from rli_agent.asking.comparing import compare_runs
    from rli_agent.compare.screen import print_comparison
    from rli_agent.compare.words import answer
    from rli_agent.options import WatchOptions
    from rli_agent.terminal import log_to_stderr, say
    from rli_agent.zone import named_zone

    log_to_stderr("ERROR")
    first, second = (
        WatchOptions([path], framework=framework, rules=list(rules), state_dir=state_dir) for path in (a, b)
    )
    found, pairs = compare_runs(first, second, named_zone(zone))
    if html is not None:
        from rli_agent.compare.page import page
        from rli_agent.export.files import new_file

        with new_file(html, force=True) as part:
            part.write_text(page(found, pairs), encoding="utf-8")
        say(answer(found))
        say(f"page: {html}")
    elif as_json:
        told = {"answer": answer(found), **msgspec.to_builtins(found)}
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    else:
        print_comparison(found, everything)
