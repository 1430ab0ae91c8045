"""Where messages go: one webhook, whose address is a secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from rli_agent.errors import UserError

#: What messages are marked with in the store that are to go to the webhook.
CHANNEL = "webhook"
#: The environment names the address, or a file that holds it.
VARIABLE = "RLI_AGENT_WEBHOOK"
FILE_VARIABLE = "RLI_AGENT_WEBHOOK_FILE"

Form: TypeAlias = Literal["json", "slack", "discord"]


class Endpoint:
    """A webhook. `host` and `form` may be shown, `url` never: who knows it can write there."""

    def __init__(self, url: str) -> None:
        """Raises ValueError, which says what is wrong but not with what."""
        if any(c <= " " or c > "~" for c in url):
            raise ValueError("it holds spaces or characters that are no ASCII")
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            raise ValueError("it is no URL") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("it does not begin with http:// or https:// and a host")
        if parts.username is not None:
            raise ValueError("a user name in it is not supported")
        self.url = url
        self.host = f"{host}:{port}" if port is not None else host
        self.form: Form = "json"
        if host == "hooks.slack.com":
            self.form = "slack"
        elif host in ("discord.com", "discordapp.com") or host.endswith(".discord.com"):
            self.form = "discord"

    def __repr__(self) -> str:
        return f"Endpoint({self.host}, {self.form})"

    def without(self, text: str) -> str:
        """A text without the address, or a part of it that could be its secret: what a server answers may repeat it."""
        parts = urlsplit(self.url)
        secrets = [self.url, f"{parts.path}?{parts.query}", *parts.path.split("/"), *parts.query.split("&")]
        secrets += [pair.partition("=")[2] for pair in parts.query.split("&")]
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= 6:
                text = text.replace(secret, "…")
        return text


def from_environment(environment: Mapping[str, str]) -> Endpoint | None:
    """The webhook that the environment names; None where it names none. Raises UserError."""
    url, file = environment.get(VARIABLE, "").strip(), environment.get(FILE_VARIABLE, "").strip()
    name = VARIABLE
    if not url and file:
        name = FILE_VARIABLE
        try:
            url = Path(file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as e:
            reason = e.strerror if isinstance(e, OSError) else "it is no text"
            raise UserError(f"the webhook's address cannot be read from {file}: {reason}", f"see {name}") from None
        if not url:
            raise UserError(f"{file} is empty", f"{name} names a file that holds the webhook's address")
    if not url:
        return None
    try:
        return Endpoint(url)
    except ValueError as e:
        raise UserError(f"the webhook's address in {name} cannot be used: {e}") from None
