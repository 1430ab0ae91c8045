"""`rli-agent version`: what a report of a fault should name."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Print the versions of the agent and of what it runs on."""
    import platform
    import sqlite3
    from importlib.metadata import distribution, requires, version

    click.echo(f"rli-agent {version('rli-agent')} ({distribution('rli-agent').locate_file('')})")
    click.echo(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.platform()}")
    names = [r.split(";")[0].split(">")[0].strip() for r in requires("rli-agent") or () if "extra ==" not in r]
    click.echo(", ".join(f"{name} {version(name)}" for name in names if _installed(name)))


def _installed(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
