"""`rli-agent alerts`: whom the agent tells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rli_agent.commands import reading
from rli_agent.settings.command import Configured

if TYPE_CHECKING:
    from rli_agent.alerts.opening import Alerts


@click.group()
def command() -> None:
    """Messages about a run go to the channels of a YAML file (--alerts, RLI_AGENT_ALERTS), and to the webhook that
    RLI_AGENT_WEBHOOK names (or a file named by RLI_AGENT_WEBHOOK_FILE)."""


@command.command("list", cls=Configured)
@reading.alerts
def list_channels(alerts: Path | None) -> int:
    """Check the settings, and say what goes to which channel. No secret is shown."""
    from rli_agent.terminal import say

    opened = _opened(alerts)
    width = max(len(channel.name) for channel in opened.channels)
    for channel, routed in zip(opened.channels, opened.router.channels, strict=True):
        say(f"{channel.name:{width}}  {channel.place}: {opened.router.described(routed)}")
    notes = [f"at most {opened.hourly} an hour that are not critical"]
    notes += [f"those wait {opened.group:g} s for others"] if opened.group else []
    notes += [f"what lasts is told again every {opened.repeat:g} s"] if opened.repeat else []
    say("; ".join(notes))
    return 0


@command.command("test", cls=Configured, short_help="Send a test message to each channel.")
@click.argument("names", metavar="[CHANNEL...]", nargs=-1)
@reading.alerts
def test(names: tuple[str, ...], alerts: Path | None) -> int:
    """Send a test message to each CHANNEL (all, if none is named), and say what comes back.

    Channels that keep an incident open until it is over are told that this one is. Exit status 1: a
    channel did not take it.
    """
    import difflib
    import math
    import time

    from msgspec.structs import replace

    from rli_agent.alerts.channel import Notice
    from rli_agent.errors import UserError
    from rli_agent.message import Curve, Message
    from rli_agent.terminal import say

    known = {channel.name: channel for channel in _opened(alerts).channels}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            have = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise UserError(f"there is no channel {name}", have)
    now = time.time()
    text = "Messages about a run arrive here: started, stalled, failed, finished and their like."
    labels = (("project", "test"), ("experiment_name", "test"), ("run", "test"), ("framework", "none"))
    values = tuple(0.5 - 0.45 * math.exp(-n / 10) for n in range(40))
    curve = Curve("no run's curve", tuple(range(40)), values, 0.4)
    message = Message(
        "test", "info", "This is a test of rli-agent", text, now, f"test/{now:.3f}", labels=labels, curve=curve
    )
    failed = 0
    for name in names or known:
        channel = known[name]
        answer = channel.send(Notice(message, message.key))
        if answer.outcome == "taken" and channel.keeps_incidents:
            over = replace(message, resolved=True)
            answer = channel.send(Notice(over, over.key, ((message.key, message),)))
        if answer.outcome == "taken":
            say(f"{name} ({channel.place}) took the message" + (f": {answer.text}" if answer.text else ""))
            continue
        failed += 1
        pause = f"; it asks for a pause of {answer.pause:.0f} s" if answer.pause is not None else ""
        say(f"{name} ({channel.place}) did not take the message: {answer.text}{pause}")
    return 1 if failed else 0


def _opened(file: Path | None) -> Alerts:
    import os

    from rli_agent.alerts.opening import FILE_VARIABLE, VARIABLE, open_alerts
    from rli_agent.errors import UserError

    opened = open_alerts(file, os.environ)
    if not opened.channels:
        hint = (
            f"give --alerts FILE, or put a webhook's address into {VARIABLE}, or into a file named by {FILE_VARIABLE}"
        )
        raise UserError("no channel is configured", hint)
    return opened
