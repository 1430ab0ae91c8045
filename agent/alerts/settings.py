"""The file that says whom the agent tells, and of what. The structs are its language; docs/alerts.md teaches it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct, field

from rli_agent.durations import seconds
from rli_agent.errors import UserError
from rli_agent.message import Severity
from rli_agent.parsers.typed_yaml import Document, TypedYamlError, read_typed

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")


class ChannelSettings(Struct, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """name: by which routes and the store know it. timeout: for each part of a delivery. resolved: whether it is told
    that an incident is over."""

    #: Keys that hold a secret, wherever it stands.
    secret: ClassVar[tuple[str, ...]] = ()

    name: str
    timeout: str = "10s"
    resolved: bool = True


class Slack(ChannelSettings, tag="slack"):
    """url: of an incoming webhook."""

    secret: ClassVar = ("url",)
    url: str


class Discord(ChannelSettings, tag="discord"):
    """url: of a channel's webhook."""

    secret: ClassVar = ("url",)
    url: str


class Webhook(ChannelSettings, tag="webhook"):
    """body: a template, see `alerts.template`; otherwise the message as JSON. sign: a key; each request then carries
    the HMAC-SHA256 of its body in `sign_header`, as `sha256=` and hexadecimal digits."""

    secret: ClassVar = ("sign",)
    url: str
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, str] = {}
    body: dict[str, Any] | list[Any] | str | None = None
    sign: str | None = None
    sign_header: str = "X-Rli-Agent-Signature"


class Email(ChannelSettings, tag="email"):
    """security: `starttls` (port 587 unless given), `tls` (465) or `none` (25). ca: a file of certificates to trust,
    instead of the system's."""

    secret: ClassVar = ("password",)
    host: str
    sender: str = field(name="from")
    to: str | list[str]
    port: int | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: str | None = None
    ca: str | None = None


class PagerDuty(ChannelSettings, tag="pagerduty"):
    """routing_key: of an Events API v2 integration. url: where events go, for the EU `https://events.eu.pagerduty.com`."""

    secret: ClassVar = ("routing_key",)
    routing_key: str
    url: str = "https://events.pagerduty.com"


class Alertmanager(ChannelSettings, tag="alertmanager"):
    """url: its address without `/api/v2`. labels: more labels of each alert. resend: how often it hears of an incident
    that lasts, since it forgets alerts when it restarts. lasts: how long an alert stays that it hears of no more, be it
    because the agent has ended."""

    url: str
    headers: dict[str, str] = {}
    labels: dict[str, str] = {}
    resend: str = "1m"
    lasts: str = "4h"


class Apprise(ChannelSettings, tag="apprise"):
    """url: of any service that the apprise library knows (`rli-agent[apprise]`)."""

    secret: ClassVar = ("url",)
    url: str


class Command(ChannelSettings, tag="command"):
    """command: a program and its arguments. It gets the message as JSON on standard input; exit status 0 says that it
    took it. It is killed after `timeout`."""

    command: list[str]


AnyChannel: TypeAlias = Slack | Discord | Webhook | Email | PagerDuty | Alertmanager | Apprise | Command


class Route(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which messages go to `to`: those that fit all that is given. kind, not_kind: globs on the message's kind or
    detector. labels: globs on the run's labels (project, experiment_name, run, framework)."""

    to: str | list[str]
    severity: Severity | list[Severity] = []
    kind: str | list[str] = []
    not_kind: str | list[str] = []
    labels: dict[str, str] = {}


class AlertSettings(Struct, forbid_unknown_fields=True, kw_only=True):
    """channels: where messages can go. routes: which go where; a channel that none names gets all.

    group: how long a message that is not critical waits for others, to go with them as one (chats and mail only).
    repeat: how often an incident that lasts is told again. hourly: messages an hour on a channel that are not critical.
    page, grafana: addresses under which people reach the agent's page (otherwise its own address on this machine) and
    a Grafana with its dashboards, for messages to name.
    """

    channels: list[AnyChannel]
    routes: list[Route] = []
    group: str = "0s"
    repeat: str | None = None
    hourly: int = 20
    page: str | None = None
    grafana: str | None = None


def load_alerts(path: Path) -> Document[AlertSettings]:
    """Read the file, and check it. Raises UserError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: not UTF-8 text (byte {e.start})", "save the file as UTF-8") from None
    except OSError as e:
        hint = "it says whom the agent tells; docs/alerts.md shows one"
        raise UserError(f"{path} cannot be read: {e.strerror}", hint) from None
    try:
        document = read_typed(text, str(path), AlertSettings)
        _check(document)
    except TypedYamlError as e:
        raise UserError(str(e), "fix it, or leave it out; nothing is watched until then") from None
    return document


def several(one: str | Sequence[str]) -> list[str]:
    """A list, also where only one is given."""
    return [one] if isinstance(one, str) else list(one)


def _check(document: Document[AlertSettings]) -> None:
    """What the types cannot say."""
    alerts = document.value
    names: set[str] = set()
    for number, channel in enumerate(alerts.channels):
        at = f".channels[{number}]"
        if not _NAME.fullmatch(channel.name):
            raise document.error(f"{at}.name", "a channel's name is of letters, digits, `.`, `_` and `-`")
        if channel.name in names:
            raise document.error(f"{at}.name", f"a second channel with the name `{channel.name}`")
        names.add(channel.name)
        for key in ("timeout", "resend", "lasts"):
            if hasattr(channel, key):
                _duration(document, f"{at}.{key}", getattr(channel, key), least=0.1)
    for number, route in enumerate(alerts.routes):
        for name in several(route.to):
            if name not in names:
                have = ", ".join(sorted(names)) or "none"
                raise document.error(f".routes[{number}].to", f"there is no channel `{name}` (there are: {have})")
    _duration(document, ".group", alerts.group)
    if alerts.repeat is not None:
        _duration(document, ".repeat", alerts.repeat, least=60.0)
    for key in ("page", "grafana"):
        _address(document, f".{key}", getattr(alerts, key))
    if alerts.hourly < 1:
        raise document.error(".hourly", "at least 1")


def _address(document: Document[AlertSettings], path: str, url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c <= " " or c > "~" for c in url):
        raise document.error(path, "an address like https://host:port")
    if parts.username is not None or parts.query:
        raise document.error(path, "without a user, password or token: everybody reads it who gets messages")


def _duration(document: Document[AlertSettings], path: str, text: str, least: float = 0.0) -> None:
    try:
        if seconds(text) < least:
            raise ValueError(f"`{text}` is too short, at least {least:g}s")
    except ValueError as error:
        raise document.error(path, str(error)) from None
