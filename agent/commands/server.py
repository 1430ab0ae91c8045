"""`rli-agent server`: Prometheus, Tempo and Grafana on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

NAMES = ("prometheus", "tempo", "grafana")

_root = click.option(
    "--root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", envvar="RLI_AGENT_SERVER_ROOT",
    show_envvar=True, help="Where programs, data and configuration lie; otherwise ~/.rl-insight.",
)  # fmt: skip
_only = click.option(
    "--only", multiple=True, type=click.Choice(NAMES), help="This program alone; may be given more than once."
)


@click.group()
def command() -> None:
    """Install and run Prometheus, Tempo and Grafana on this machine, for this user, without root."""


def _places(root: Path | None) -> Any:
    from rli_agent.server.places import Places, default_root

    return Places((root or default_root()).expanduser().absolute())


@command.command()
@_root
@_only
@click.option(
    "--set", "which", type=click.Choice(["reference", "current"]), default="reference", show_default=True,
    help="Which versions: RL-Insight's, or newer ones that their makers still mend.",
)  # fmt: skip
@click.option("--prometheus-version", metavar="N.N.N", help="Exactly this Prometheus.")
@click.option("--tempo-version", metavar="N.N.N", help="Exactly this Tempo.")
@click.option("--grafana-version", metavar="N.N.N", help="Exactly this Grafana.")
@click.option("--grafana-build", metavar="NUMBER", help="The number in the name of that Grafana's archive.")
@click.option(
    "--prefer", type=click.Choice(["system", "managed"]), default="system", show_default=True,
    help="`system`: use what is installed already, where it is recent enough. `managed`: install our own.",
)  # fmt: skip
@click.option(
    "--from", "source", type=click.Path(path_type=Path), metavar="DIR",
    help="Use the archives in this folder, without a network; --dry-run says which to bring.",
)  # fmt: skip
@click.option("--mirror", metavar="URL", help="Download from this folder of archives instead of from the vendors.")
@click.option(
    "--sha256", "sums", multiple=True, metavar="PROGRAM=SUM",
    help="The archive's SHA-256, where no file of sums gives it.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def install(
    root: Path | None, only: tuple[str, ...], which: str, prefer: Any, source: Path | None, mirror: str | None,
    sums: tuple[str, ...], dry_run: bool, **versions: str | None,
) -> int:  # fmt: skip
    """Install what is missing. Every archive is held against the SHA-256 that its vendor publishes."""
    from rli_agent.server.install.installing import install as carry_out
    from rli_agent.server.install.plan import Wish
    from rli_agent.server.install.releases import architecture, parse_version
    from rli_agent.terminal import say

    exact = {n: parse_version(v, f"--{n}-version") for n in NAMES if (v := versions[f"{n}_version"]) is not None}
    build = versions["grafana_build"]
    wish = Wish(
        architecture(), only, which == "current", exact, _builds(build, exact), prefer, source, mirror, _sums(sums)
    )
    return carry_out(_places(root), wish, say, _watching(say), dry_run=dry_run)


def _builds(build: str | None, exact: dict[str, Any]) -> dict[str, str]:
    if build is None:
        return {}
    if "grafana" not in exact or not build.isdecimal():
        raise click.UsageError("--grafana-build is a number, and goes with --grafana-version")
    return {str(exact["grafana"]): build}


def _sums(given: tuple[str, ...]) -> dict[str, str]:
    from rli_agent.server.install.sums import is_sum

    sums = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in NAMES or not is_sum(value):
            raise click.UsageError(f"--sha256 {text!r} is not understood: give PROGRAM=SUM, 64 hexadecimal digits")
        sums[name] = value.lower()
    return sums


def _watching(say: Callable[[str], None]) -> Callable[[str], Callable[[int, int], None]]:
    """Tells of each download whenever another tenth of it is here."""

    def watch(name: str) -> Callable[[int, int], None]:
        told = 0

        def progress(have: int, total: int) -> None:
            nonlocal told
            tenth = have * 10 // total if total else have >> 24
            if tenth > told:
                told = tenth
                say(f"{name}: {have / 1e6:,.0f}" + (f" of {total / 1e6:,.0f} MB" if total else " MB"))

        return progress

    return watch
