"""The command line: `rli-agent COMMAND`. A command's module is imported when it is invoked."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from rli_agent import __version__
from rli_agent.errors import UserError

#: The commands by what they are for, each in a few words: `NAME` is the attribute `command` of rli_agent.commands.NAME.
SECTIONS = {
    "How a run is": {
        "watch": "Follow a run: metrics, messages, a page, one sentence.",
        "status": "Say how a run is, in one screen.",
        "top": "Show a run on the terminal until Ctrl-C.",
        "page": "Serve the page of all runs, live, for a browser.",
        "fleet": "Say which of all runs needs somebody.",
        "runs": "List, copy and delete the stores of runs that were watched.",
    },
    "What happened in it": {
        "diagnose": "Say why a run failed or hangs.",
        "logs": "Print all text of a run, merged by time.",
        "detect": "Look for learning failures in a finished run.",
        "rollouts": "Show what the model wrote in a step.",
        "report": "Write what happened in a run into one HTML file.",
        "compare": "Compare two runs.",
        "bundle": "Pack what a bug report needs, without secrets.",
    },
    "For other programs": {
        "parse": "Print what is read of files, as JSON lines.",
        "export": "Write a run as CSV, Parquet, Perfetto or OpenMetrics.",
        "backfill": "Bring an old run into the data of a Prometheus.",
    },
    "To set it up": {
        "demo": "Play a made-up run of 45 s, and watch it.",
        "exec": "Start a trainer, keep its output in a log, and watch it.",
        "server": "Install and run Prometheus, Tempo and Grafana.",
        "alerts": "Check who is told of what, and send a test message.",
        "rules": "See what rule packs read, and write one.",
        "config": "Show every setting, and where its value came from.",
        "version": "Print the versions of the agent and of what it runs on.",
    },
}
COMMANDS = tuple(name for section in SECTIONS.values() for name in section)


class Commands(click.Group):
    """A group whose commands are modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"rli_agent.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        widest = max(map(len, COMMANDS))
        with formatter.section("Commands"):
            for title, commands in SECTIONS.items():
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(widest), said) for name, said in commands.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            raise click.UsageError(e.message + _suggestion(args[0]), ctx) from None


def _suggestion(word: str) -> str:
    """What may have been meant by a word that is no command."""
    from difflib import get_close_matches

    if os.path.exists(word):
        return f" To see how the run there is: rli-agent status {word}; to follow it: rli-agent watch {word}"
    near = get_close_matches(word, COMMANDS, 1)
    return f" Did you mean {near[0]!r}?" if near else ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="rli-agent", message="%(prog)s %(version)s")
def group() -> None:
    """Reads what an RL post-training run prints, and says how the run is doing.

    It runs beside the trainer and changes nothing in it. Try `rli-agent demo`, then `rli-agent watch OUTPUT_DIR`.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. 0: done. 1: a check failed, or nobody reads the output any more. 2: something
    that the user can mend. 70: a fault of ours. 130: interrupted."""
    gc.set_threshold(500_000)  # what is imported stays
    try:
        status = group.main(arguments, prog_name="rli-agent", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except UserError as e:
        return _user_error(str(e), e.hint)
    except click.exceptions.NoArgsIsHelpError as e:
        e.show()
        return e.exit_code
    except click.UsageError as e:
        return _user_error(e.format_message(), f"{e.ctx.get_usage()}; --help tells more" if e.ctx else "")
    except click.ClickException as e:
        return _user_error(e.format_message(), "")
    except (KeyboardInterrupt, click.Abort):
        return 130
    except PermissionError as e:
        return _user_error(f"{e.filename}: {(e.strerror or 'permission denied').lower()}", "`ls -ld` says whose it is")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes on its way out
        return 1
    except Exception as e:
        return _internal_error(e)


def _user_error(message: str, hint: str) -> int:
    click.echo(f"error: {message}" + (f"\n  {hint}" if hint else ""), err=True)
    return 2


def _internal_error(error: Exception) -> int:
    """One line for the user; the traceback goes into a file."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix="rli-agent-error-", suffix=".log", delete=False) as log:
            log.write(f"{' '.join(sys.argv)}\nPython {sys.version}\n")
            traceback.print_exception(error, file=log)
        where = f"details are in {log.name}"
    except OSError as e:
        where = f"the details could not be written: {e}"
    click.echo(f"internal error: {type(error).__name__}: {error}; please report it, {where}", err=True)
    return 70
