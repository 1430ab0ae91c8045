"""A local program that gets the message on its standard input."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Command
from rli_agent.durations import seconds
from rli_agent.terminal import cut


class CommandChannel(Channel):
    """A program."""

    def __init__(self, settings: Command, secrets: Secrets) -> None:
        if not settings.command:
            raise ValueError("`command` is empty")
        self._command = [secrets.resolve(part) for part in settings.command]
        if shutil.which(self._command[0]) is None:
            raise ValueError(f"there is no program {settings.command[0]}")
        self._timeout = seconds(settings.timeout)
        super().__init__(settings.name, settings.command[0], secrets)

    def deliver(self, notice: Notice) -> Answer:
        data = {**words.as_data(notice.message), "repeated": notice.again}
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            _, complaint = process.communicate(words.encoded(data) + b"\n", self._timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with what it has started
            process.communicate()
            return Answer("failed", f"{self.place} had not ended after {self._timeout:g} s, and was killed")
        if process.returncode == 0:
            return Answer("taken", "exit status 0")
        said = cut(complaint.decode("utf-8", "replace").strip(), 200)
        return Answer("failed", f"exit status {process.returncode}: {said}")
