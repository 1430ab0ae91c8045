"""The services that the apprise library knows: Telegram, Teams, Matrix, ntfy and a hundred more."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.picture import picture
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Apprise
from rli_agent.message import Message
from rli_agent.terminal import cut

_TYPES = {"critical": "failure", "warning": "warning", "info": "info"}


class AppriseChannel(Channel):
    """One service. The library says only whether it took a message, and keeps its own time limits (some seconds)."""

    merges = True

    def __init__(self, settings: Apprise, secrets: Secrets) -> None:
        try:
            import apprise  # here: an optional dependency that brings many others
        except ImportError:
            raise ValueError("channels of type apprise need its library: pip install 'rli-agent[apprise]'") from None
        # What it logs may hold addresses with their secrets.
        logging.getLogger("apprise").addHandler(logging.NullHandler())
        logging.getLogger("apprise").propagate = False
        url = secrets.address(settings.url)
        self._service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if self._service is None:
            raise ValueError(f"apprise knows no service for this address, which begins with `{url.partition(':')[0]}:`")
        name = str(self._service.service_name or url.partition(":")[0])
        super().__init__(settings.name, name, secrets)

    def deliver(self, notice: Notice) -> Answer:
        message = notice.message
        title = f"[{words.word(message)}] {cut(words.headed(message, notice.again), 200)}"
        kind = "success" if message.resolved else _TYPES[message.severity]
        # In the text's own form; what it knows to be longer than the service takes, it cuts or splits.
        said = {"body": words.in_full(message), "title": title, "notify_type": kind}
        with tempfile.TemporaryDirectory(prefix="rli-agent-") as folder:
            taken = self._service.notify(**said, **self._with_picture(message, Path(folder)))
        return Answer("taken", "") if taken else Answer("failed", f"apprise could not deliver to {self.place}")

    def _with_picture(self, message: Message, folder: Path) -> dict[str, Any]:
        """The curve's picture as a file, where the service takes files."""
        if message.curve is None or not getattr(self._service, "attachment_support", False):
            return {}
        import apprise

        file = folder / "curve.png"
        file.write_bytes(picture(message.curve))
        return {"attach": apprise.AppriseAttachment(str(file))}
