"""`rli-agent watch`: follow a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured

if TYPE_CHECKING:
    from rli_agent.discover.nodes import Files

STARTS = ("start", "end", "checkpoint")
LAYOUTS = ("auto", "step", "flat")
FILES = ("auto", "shared", "own")
MODES = ("all", "history")
LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")


def _addresses(ctx: click.Context, param: click.Parameter, urls: tuple[str, ...]) -> list[str]:
    from rli_agent.engines.addresses import given_address  # late: other commands have no use for it

    del ctx, param
    for url in urls:
        try:
            given_address(url)
        except ValueError as e:
            raise click.BadParameter(f"{url!r} is {e}") from None
    return list(urls)


def _run_id(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    del ctx, param
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise click.BadParameter(f"{name[:80]!r}: up to 64 letters, digits and ._- are a name")
    return name


def _labels(ctx: click.Context, param: click.Parameter, labels: tuple[str, ...]) -> list[str]:
    del ctx, param
    for label in labels:
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*=.+", label) or label.startswith("__"):
            raise click.BadParameter(f"{label!r} is not a label: give NAME=VALUE, NAME of letters, digits and _")
    return list(labels)


@click.command(cls=Configured)
@reading.optional_paths
@reading.framework
@reading.rules
@reading.zone
@click.option("--project", metavar="NAME", help="Label `project`; otherwise what the run says.")
@click.option("--experiment", metavar="NAME", help="Label `experiment_name`; otherwise what the run says.")
@click.option(
    "--listen", metavar="HOST:PORT",
    help="Serve /metrics here (`none`: nowhere); otherwise at 127.0.0.1:9092 or the next free port.",
)  # fmt: skip
@click.option(
    "--from", "start", type=click.Choice(STARTS), default="checkpoint", show_default=True,
    help="Where to begin in files that are already there; `checkpoint` goes on where the last watch ended.",
)  # fmt: skip
@click.option("--one-run", is_flag=True, help="All that lies below OUTPUT_DIR is one run, whatever it looks like.")
@click.option(
    "--run-id", metavar="NAME", callback=_run_id,
    help="What the run is called: the same on all its nodes; otherwise after OUTPUT_DIR's name and path.",
)  # fmt: skip
@click.option(
    "--nodes", metavar="LIST",
    help="The run's nodes, each with an agent; as SLURM writes them: node[01-04],login. The first one leads.",
)  # fmt: skip
@click.option("--node", metavar="NAME", help="Which of --nodes this is, and the label `host`; otherwise this host.")
@click.option(
    "--files", type=click.Choice(FILES), default="auto", show_default=True,
    help="Whether all nodes see the same files, and divide them; `auto`: those on a network file system.",
)  # fmt: skip
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="Read only files of this role (see --cluster).")
@click.option("--cluster", is_flag=True, help="Print which node reads which files, and end.")
@click.option("--tee", is_flag=True, help="Pass on what comes from standard input (OUTPUT_DIR or PATH `-`).")
@click.option("--once", is_flag=True, help="Read all that is there, print the status, and end.")
@reading.state_dir
@click.option(
    "--keep", multiple=True, metavar="AGE_OR_SIZE",
    help="Delete from the store what is older than this (12h, 30d), or the oldest beyond this size (2GB); or both.",
)  # fmt: skip
@click.option(
    "--namespace", default="rl_insight_monitor", show_default=True, metavar="NAME",
    help="Prefix of the framework's own metrics.",
)  # fmt: skip
@click.option(
    "--otlp-endpoint", metavar="URL",
    help="Send the run's states there as spans by OTLP/HTTP: a Tempo's port for it, or an RL-Insight server.",
)  # fmt: skip
@click.option(
    "--otlp-headers-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Send the headers in this file along with spans, one `Name: value` a line; or see RLI_AGENT_OTLP_HEADERS.",
)  # fmt: skip
@click.option(
    "--span-layout", type=click.Choice(LAYOUTS), default="auto", show_default=True,
    help="`step`: a step is a trace. `flat`: each state is one, as for RL-Insight. `auto`: as the receiver wants it.",
)  # fmt: skip
@click.option(
    "--remote-write", metavar="URL",
    help="Send figures there by remote write (docs/history.md); `none`: also not to this machine's own Prometheus.",
)  # fmt: skip
@click.option(
    "--remote-write-mode", type=click.Choice(MODES), default="all", show_default=True,
    help="`all`: what a scrape would show, too. `history`: for a receiver that scrapes this agent as well.",
)  # fmt: skip
@click.option(
    "--remote-write-interval", type=reading.Duration(), default="15s", show_default=True, metavar="INTERVAL",
    help="How often to send what a scrape would show.",
)  # fmt: skip
@click.option(
    "--remote-write-labels", multiple=True, metavar="NAME=VALUE", callback=_labels,
    help="More labels for what is sent; job and instance are rli-agent and the host's name unless given here.",
)  # fmt: skip
@click.option(
    "--remote-write-headers-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Send the headers in this file along, one `Name: value` a line; or see RLI_AGENT_REMOTE_WRITE_HEADERS.",
)  # fmt: skip
@click.option(
    "--remote-write-ca", type=click.Path(exists=True, path_type=Path), metavar="FILE",
    help="Trust a receiver whose certificate is signed by one of these.",
)  # fmt: skip
@click.option(
    "--remote-write-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="Show this certificate to the receiver; the file holds its key, too.",
)  # fmt: skip
@click.option(
    "--engine", "engines", multiple=True, metavar="URL", callback=_addresses,
    help="Ask this engine, router or queue for its metrics too; those that the logs name are asked anyway.",
)  # fmt: skip
@reading.alerts
@reading.detectors
@click.option(
    "--status-md", type=reading.Duration(), metavar="INTERVAL",
    help="Append an entry to STATUS.md in the run's directory every so often, like 1h (docs/status.md).",
)  # fmt: skip
@click.option(
    "--status-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the entries of --status-md here instead.",
)  # fmt: skip
@click.option("--no-host", is_flag=True, help="Leave out what the machine does: processors, memory, network, GPUs.")
@click.option("--plain", is_flag=True, help="Print lines also on a terminal, instead of drawing the run on it.")
@click.option(
    "--log-level", type=click.Choice(LEVELS, case_sensitive=False), default="INFO", show_default=True,
    help="How much the agent says of itself on standard error.",
)  # fmt: skip
def command(
    log_level: str, paths: tuple[Path, ...], rules: tuple[Path, ...], zone: str | None, keep: tuple[str, ...],
    detectors: tuple[Path, ...], plain: bool, nodes: str | None, node: str | None, files: Files,
    roles: tuple[str, ...], cluster: bool, **settings: Any,
) -> None:  # fmt: skip
    """Follow the run that writes into OUTPUT_DIR: read its logs, keep what they say, serve it as metrics.

    More PATHs belong to the same run: a console log kept elsewhere, wandb/, a second node's logs; `-` is standard
    input. Where OUTPUT_DIR holds several runs, each is watched by itself; without it, the runs below the current
    directory are offered. Nothing is ever written there, but for STATUS.md where --status-md asks for it. SIGINT
    (Ctrl-C) or SIGTERM ends the watch; the next one goes on from where it ended.

    Each option is a setting too: of the environment (`--listen`: RLI_AGENT_LISTEN) and of a file in YAML
    (`listen: …` in ~/.config/rli-agent/config.yaml). `rli-agent config show` tells which value holds, and why.
    """
    import sys
    from functools import partial

    from rli_agent.asking.below import choose
    from rli_agent.discover.nodes import host_name, nodes_of
    from rli_agent.errors import UserError
    from rli_agent.journal import log_to
    from rli_agent.options import WatchOptions
    from rli_agent.terminal import can_draw, log_to_stderr, say
    from rli_agent.watching import watch
    from rli_agent.zone import named_zone

    try:
        among = nodes_of(nodes, node, files, roles, host_name())
    except ValueError as e:
        raise UserError(f"--nodes: {e}", "name this node with --node, and all of them with --nodes") from None
    chosen = list(paths) or [choose(Path.cwd(), list(rules), sys.stdin.isatty())]
    options = WatchOptions(
        chosen, rules=list(rules), log_level=log_level, keep=list(keep), detectors=list(detectors), nodes=among,
        **settings,
    )  # fmt: skip
    if cluster:
        from rli_agent.asking.cluster import who_reads_what

        for line in who_reads_what(options):
            say(line)
        return
    stamps = named_zone(zone)
    if plain or options.once or options.tee or not can_draw(sys.stdout):
        log_to_stderr(log_level)
        watch(options, stamps, partial(say, err=True) if options.tee else say)
        return
    from rli_agent.view import Background, View  # here: what draws is not needed for lines

    view = View(stamps)
    log_to(view.say, log_level)
    with Background(view):
        watch(options, stamps, view.say, view.opened)
