"""`rli-agent rules`: which rule packs are in force, and whether one holds what it promises."""

from __future__ import annotations

from pathlib import Path

import click

from rli_agent.commands import reading
from rli_agent.commands.rules_explain import command as explain
from rli_agent.commands.rules_new import command as new
from rli_agent.settings.command import Configured

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """See what rule packs read, and write one."""


command.add_command(explain)
command.add_command(new)


@command.command("list", cls=Configured, short_help="List the rule packs in force.")
@click.argument("paths", metavar="[OUTPUT_DIR...]", nargs=-1, type=click.Path(path_type=Path))
@reading.rules
def list_packs(paths: tuple[Path, ...], rules: tuple[Path, ...]) -> int:
    """Show every rule pack that a watch of OUTPUT_DIR would find, and which of two with one name is in force."""
    from rli_agent.parsers.pack_files import PackError, load_pack
    from rli_agent.rulebook import pack_files

    packs, broken = {}, 0
    for file in pack_files(paths, rules):
        try:
            packs[file] = load_pack(file)
        except PackError as e:
            broken += 1
            click.echo(f"cannot be loaded: {e}", err=True)
    in_force = {pack.pack: file for file, pack in packs.items()}
    width = max((len(name) for name in in_force), default=0)
    for file, pack in packs.items():
        hidden = "" if in_force[pack.pack] == file else f"  (not in force: {in_force[pack.pack]} has the same name)"
        click.echo(f"{pack.pack:{width}}  {pack.kind:9}  {len(pack.rules):3} rules  {file}{hidden}")
    return 1 if broken else 0


@command.command(cls=Configured, short_help="Show what a pack reads.")
@click.argument("pack", metavar="PACK")
@reading.rules
def show(pack: str, rules: tuple[Path, ...]) -> int:
    """Show what PACK (a name, or a file) reads: files, rules and what each gives, common metrics, switches."""
    from rli_agent.errors import UserError
    from rli_agent.parsers.pack_files import PackError, load_pack
    from rli_agent.rule_summary import summary
    from rli_agent.rulebook import pack_files
    from rli_agent.terminal import say

    found = None
    for file in [Path(pack)] if Path(pack).is_file() else pack_files((), rules):
        try:
            loaded = load_pack(file)
        except PackError as e:
            raise UserError(str(e)) from None
        found = loaded if loaded.pack == pack or file == Path(pack) else found
    if found is None:
        raise UserError(f"no pack is called {pack!r}", "`rli-agent rules list` shows the packs in force")
    for line in summary(found):
        say(line)
    return 0


@command.command(short_help="Run the examples of packs, and say what is wrong.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
def check(files: tuple[Path, ...]) -> int:
    """Load each pack, run its examples, and say what is wrong or missing, where, and how to fix it.

    Exit status 1 if any pack fails.
    """
    from rli_agent.parsers.pack_files import PackError
    from rli_agent.rule_checks import check_pack
    from rli_agent.terminal import many, plain

    failed = 0
    for file in files:
        try:
            pack, findings = check_pack(file)
        except PackError as e:
            click.echo(f"error: {e}")
            failed += 1
            continue
        for finding in findings:
            click.echo(plain(f"{finding.level}: {finding.text}"))
        errors = sum(f.level == "error" for f in findings)
        failed += errors > 0
        found = f"{many(errors, 'error')}, {many(len(findings) - errors, 'warning')}"
        click.echo(f"{file}: {many(len(pack.rules), 'rule')}, {many(len(pack.examples), 'example')}, {found}")
    return 1 if failed else 0
