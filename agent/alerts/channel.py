"""What all channels have in common: a notice goes in, an answer comes out, and no secret with it."""

from __future__ import annotations

import abc
from typing import ClassVar, Literal, TypeAlias

from msgspec import Struct

from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.words import cleaned
from rli_agent.journal import logger
from rli_agent.message import Message
from rli_agent.terminal import plain

#: taken: it is there. refused: this message will not be taken, others may be. failed: the channel takes none now.
Outcome: TypeAlias = Literal["taken", "refused", "failed"]


class Notice(Struct, frozen=True):
    """A message on its way. `key` is the same for every try. `earlier` is what the channel took before of the same
    incident, oldest first, each with its key; `again` counts how often it was taken already."""

    message: Message
    key: str
    earlier: tuple[tuple[str, Message], ...] = ()
    again: int = 0


class Answer(Struct, frozen=True):
    """What came back, in words. `pause`: the seconds for which the receiver asks to be left alone. `final`: a refused
    message is not worth another try."""

    outcome: Outcome
    text: str
    pause: float | None = None
    final: bool = False


class Channel(abc.ABC):
    """A way to people. `place` may be shown: a host, a program.

    `deliver` sends one notice, bounded in time, and may raise OSError or ValueError where nothing came of it.
    """

    #: Whether several messages may be made one: people read them, and no receiver pairs them by their incident.
    merges: ClassVar[bool] = False
    #: Whether the receiver keeps incidents open until it hears that they are over.
    keeps_incidents: ClassVar[bool] = False
    #: Seconds after which the receiver must hear again of an incident that lasts.
    resend: float | None = None

    def __init__(self, name: str, place: str, secrets: Secrets) -> None:
        self.name = name
        self.place = place
        self.secrets = secrets

    def send(self, notice: Notice) -> Answer:
        """Deliver it; never raises, and the answer holds no secret."""
        try:
            earlier = tuple((plain(key), cleaned(message)) for key, message in notice.earlier)
            shown = Notice(cleaned(notice.message), plain(notice.key), earlier, notice.again)
            answer = self.deliver(shown)
        except (OSError, ValueError) as error:
            answer = Answer("failed", why(error))
        except Exception as error:
            logger.debug("channel {}: {}", self.name, type(error).__name__)
            answer = Answer("failed", why(error))
        return Answer(answer.outcome, self.secrets.hide(answer.text)[:300], answer.pause, answer.final)

    @abc.abstractmethod
    def deliver(self, notice: Notice) -> Answer:
        """Send it once."""


def why(reason: object) -> str:
    """An error as one reads it."""
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.errno and reason.strerror:
        return reason.strerror
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
