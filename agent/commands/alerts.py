"""`rli-agent alerts`: whom the agent tells."""

from __future__ import annotations

import click


@click.group()
def command() -> None:
    """Messages about the run's life go to the webhook that RLI_AGENT_WEBHOOK names (or a file named by
    RLI_AGENT_WEBHOOK_FILE)."""


@command.command("test")
def test() -> int:
    """Send a test message to the webhook, and say what comes back."""
    import os
    import time

    from rli_agent.alerts.endpoint import FILE_VARIABLE, VARIABLE, from_environment
    from rli_agent.alerts.post import post
    from rli_agent.errors import UserError
    from rli_agent.message import Message
    from rli_agent.terminal import say

    endpoint = from_environment(os.environ)
    if endpoint is None:
        hint = f"put its address into {VARIABLE}, or into a file that {FILE_VARIABLE} names"
        raise UserError("no webhook is configured", hint)
    now = time.time()
    text = "Messages about a run's life arrive here: started, resumed, stalled, failed, finished and their like."
    answer = post(endpoint, Message("test", "info", "This is a test of rli-agent", text, now, f"test/{now:.3f}"))
    came = f"{answer.status}: {answer.text.strip() or '(empty)'}" if answer.status is not None else answer.text
    if answer.taken:
        say(f"the webhook at {endpoint.host} took the message, and answered {came}")
        return 0
    pause = f"; it asks for a pause of {answer.pause:.0f} s" if answer.pause is not None else ""
    say(f"the webhook at {endpoint.host} did not take the message: {came}{pause}")
    return 1
