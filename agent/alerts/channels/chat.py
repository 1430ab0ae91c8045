"""Chats that take a JSON form at an address that is a secret."""

from __future__ import annotations

import abc
from typing import Any

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.post import checked_address, post
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Discord, Slack
from rli_agent.durations import seconds


class ChatChannel(Channel):
    """A channel of a chat."""

    merges = True

    def __init__(self, settings: Slack | Discord, secrets: Secrets) -> None:
        self._url = secrets.address(settings.url)
        self._timeout = seconds(settings.timeout)
        super().__init__(settings.name, checked_address(self._url), secrets)

    def deliver(self, notice: Notice) -> Answer:
        return post(self._url, words.encoded(self.form(notice)), notice.key, self._timeout)

    @staticmethod
    @abc.abstractmethod
    def form(notice: Notice) -> dict[str, Any]:
        """The notice as the chat wants it."""
