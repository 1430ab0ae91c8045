"""The command line: `rli-agent COMMAND`. A command's module is imported when it is invoked, or listed by `--help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from rli_agent.errors import UserError

#: The commands: `NAME` is the attribute `command` of rli_agent.commands.NAME.
COMMANDS = (
    "watch", "page", "top", "status", "fleet", "logs", "runs", "rollouts", "report", "detect", "diagnose", "parse",
    "bundle", "compare", "export", "backfill",
    "rules", "config", "alerts", "demo", "exec", "server", "version",
)  # fmt: skip


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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="rli-agent", prog_name="rli-agent", message="%(prog)s %(version)s")
def group() -> None:
    """Reads what an RL post-training run prints, and says how the run is doing.

    It runs beside the trainer and changes nothing in it. Try `rli-agent demo`, then `rli-agent watch OUTPUT_DIR`.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. 0: done. 1: a check failed, or nobody reads the output any more. 2: something
    that the user can mend. 70: a fault of ours. 130: interrupted."""
    try:
        status = group.main(arguments, prog_name="rli-agent", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except UserError as e:
        return _complain(str(e), e.hint)
    except click.ClickException as e:
        e.show()
        return e.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes on its way out
        return 1
    except Exception as e:
        return _confess(e)


def _complain(message: str, hint: str) -> int:
    click.echo(f"error: {message}" + (f"\n  {hint}" if hint else ""), err=True)
    return 2


def _confess(error: Exception) -> int:
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
