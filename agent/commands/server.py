"""`rli-agent server`: Prometheus, Tempo and Grafana on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

NAMES = ("prometheus", "tempo", "grafana", "alertmanager")

_root = click.option(
    "--root", type=click.Path(path_type=Path), metavar="DIR",
    help="Where programs, data and configuration lie; otherwise what RLI_AGENT_SERVER_ROOT names, else ~/.rl-insight.",
)  # fmt: skip
_config = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Settings, see docs/server.md; otherwise server.yaml below the root, where there is one.",
)  # fmt: skip
_only = click.option(
    "--only", multiple=True, type=click.Choice(NAMES), help="Only this program; may be given more than once."
)
_with = click.option(
    "--with", "also", multiple=True, type=click.Choice(["alertmanager"]), help="This optional program, too."
)


@click.group()
def command() -> None:
    """Install and run Prometheus, Tempo, Grafana and Alertmanager on this machine, for this user, without root."""


def _places(root: Path | None) -> Any:
    from rli_agent.server.places import Places, default_root

    return Places((root or default_root()).expanduser().absolute())


@command.command()
@_root
@_only
@_with
@click.option(
    "--set", "which", type=click.Choice(["reference", "current"]), default="reference", show_default=True,
    help="Which versions: RL-Insight's, or newer ones that still get fixes.",
)  # fmt: skip
@click.option("--prometheus-version", metavar="N.N.N", help="Exactly this Prometheus.")
@click.option("--tempo-version", metavar="N.N.N", help="Exactly this Tempo.")
@click.option("--grafana-version", metavar="N.N.N", help="Exactly this Grafana.")
@click.option("--alertmanager-version", metavar="N.N.N", help="Exactly this Alertmanager.")
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
    root: Path | None, only: tuple[str, ...], also: tuple[str, ...], which: str, prefer: Any, source: Path | None,
    mirror: str | None, sums: tuple[str, ...], dry_run: bool, **versions: str | None,
) -> int:  # fmt: skip
    """Install what is missing. Every archive is checked against the SHA-256 that its vendor publishes."""
    from rli_agent.server.install.installing import install as carry_out
    from rli_agent.server.install.plan import Wish
    from rli_agent.server.install.releases import architecture, parse_version
    from rli_agent.terminal import say

    exact = {n: parse_version(v, f"--{n}-version") for n in NAMES if (v := versions[f"{n}_version"]) is not None}
    build = versions["grafana_build"]
    wish = Wish(
        architecture(), only, which == "current", exact, _builds(build, exact), prefer, source, mirror, _sums(sums),
        also,
    )  # fmt: skip
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


def _starting(function: Any) -> Any:
    """The options of `start` and `restart`."""
    for option in (
        _root, _only, _with, _config,
        click.option("--bind", metavar="ADDRESS", help="Listen at this address; otherwise only on this machine."),
        click.option(
            "--ports", type=click.Choice(["fixed", "auto"]), default=None,
            help="`auto`: take the next free port where one is taken. `fixed`, the default: say so and start nothing.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@command.command(short_help="Start what is installed, and watch over it.")
@_starting
@click.option("--detach", "-d", is_flag=True, help="Come back when all are ready, and leave them running.")
def start(
    root: Path | None, only: tuple[str, ...], also: tuple[str, ...], config: Path | None, bind: str | None,
    ports: str | None, detach: bool,
) -> int:  # fmt: skip
    """Start what is installed, wait until it is ready, and watch over it. Ctrl-C ends it, unless --detach."""
    from rli_agent.terminal import log_to_stderr

    log_to_stderr("INFO")
    return _start(_places(root), _options(only, also, config, bind, ports), detach)


def _options(
    only: tuple[str, ...], also: tuple[str, ...], config: Path | None, bind: str | None, ports: str | None
) -> dict[str, Any]:
    """How the stack was asked to start, in the form that `restart` finds again."""
    named = str(config.absolute()) if config else None
    return {"only": list(only), "with": list(also), "config": named, "bind": bind, "ports": ports}


def _start(places: Any, options: dict[str, Any], detach: bool) -> int:
    from msgspec.structs import replace

    from rli_agent.server.configure.settings import load_settings
    from rli_agent.server.supervise.preparing import Wanted
    from rli_agent.server.supervise.starting import start as begin
    from rli_agent.terminal import say

    config = Path(options["config"]) if options["config"] else None
    settings = load_settings(config or places.settings, optional=config is None)
    if options["bind"]:
        settings = replace(settings, bind=options["bind"])
    wanted = Wanted(settings, options["only"], options.get("with") or [], options["ports"] == "auto")
    return begin(places, wanted, options, say, detach=detach)


@command.command()
@_root
def stop(root: Path | None) -> int:
    """End all programs, each as gently as it needs."""
    from rli_agent.server.supervise.stopping import stop as end
    from rli_agent.terminal import say

    return end(_places(root), say)


@command.command(short_help="Stop, and start again as before.")
@_starting
def restart(
    root: Path | None, only: tuple[str, ...], also: tuple[str, ...], config: Path | None, bind: str | None,
    ports: str | None,
) -> int:  # fmt: skip
    """Stop, and start --detach as before; options given here take the place of those."""
    from rli_agent.server.supervise.state import read_state
    from rli_agent.server.supervise.stopping import stop as end
    from rli_agent.terminal import say

    places = _places(root)
    state = read_state(places.state)
    before = state.options if state is not None else {}
    given = _options(only, also, config, bind, ports)
    end(places, say)
    return _start(places, {k: v or before.get(k) or v for k, v in given.items()}, True)


@command.command()
@_root
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def status(root: Path | None, as_json: bool) -> int:
    """Say how the stack is. Exit status 0: all is ready; 1: something is not; 3: nothing runs."""
    import msgspec

    from rli_agent.server.supervise.showing import lines
    from rli_agent.server.supervise.status import report
    from rli_agent.terminal import say

    found = report(_places(root))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        for line in lines(found):
            say(line)
    return found.code


@command.command()
@click.argument("program", type=click.Choice([*NAMES, "supervisor"]))
@_root
@click.option("-n", "--lines", "count", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
def logs(program: str, root: Path | None, count: int, follow: bool) -> int:
    """Show the last lines that PROGRAM printed."""
    from rli_agent.errors import UserError
    from rli_agent.server.supervise.logs import follow_log, tail
    from rli_agent.terminal import say

    path = _places(root).logs / f"{program}.log"
    if not path.exists():
        raise UserError(f"{path}: no such file", f"{program} was not started yet")
    for line in tail(path, count):
        say(line)
    if follow:
        for line in follow_log(path):
            say(line)
    return 0


@command.command()
@_root
@_config
def doctor(root: Path | None, config: Path | None) -> int:
    """Look for what would keep the stack from working. Exit status 1 if something would."""
    from rli_agent.server.doctor import examine
    from rli_agent.terminal import say

    places = _places(root)
    bad = 0
    for finding in examine(places, config or places.settings):
        bad += finding.level == "bad"
        say(f"{finding.level:4} {finding.what}" + (f"\n     {finding.mend}" if finding.mend else ""))
    say(f"{bad} to fix" if bad else "nothing keeps the stack from working")
    return 1 if bad else 0


@command.command(short_help="Start a Prometheus for a minute, and play a run into it.")
def demo() -> int:
    """Start a Prometheus in a temporary directory, play a run, and ask it how the run was."""
    import tempfile

    from rli_agent.server.demonstration import demo as show
    from rli_agent.terminal import say

    with tempfile.TemporaryDirectory(prefix="rli-agent-server-demo-") as folder:
        return show(Path(folder), say)


@command.command()
@_root
@_only
@click.option("--data", is_flag=True, help="Also remove what was recorded, the configuration and the logs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(root: Path | None, only: tuple[str, ...], data: bool, yes: bool) -> int:
    """Remove the programs that `server install` brought. What the stack recorded stays, unless --data."""
    from rli_agent.server.uninstall import remove, what_goes
    from rli_agent.terminal import say

    places = _places(root)
    folders = what_goes(places, only, data)
    if not folders:
        say(f"nothing of ours is installed in {places.root}")
        return 0
    for folder in folders:
        say(f"{'removing' if yes else 'will be removed'}: {folder}")
    if not yes:
        click.confirm("Remove them?", abort=True)
    remove(places, folders)
    say("removed")
    return 0
