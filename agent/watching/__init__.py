"""`rli-agent watch`: the stages joined. Finds the run's files, follows them, commits what they say, publishes it."""

from __future__ import annotations

from rli_agent.watching.process import watch

__all__ = ["watch"]
