"""From settings to channels that can be used."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from msgspec import Struct

from rli_agent.alerts import settings as kinds
from rli_agent.alerts.channel import Channel
from rli_agent.alerts.links import Places
from rli_agent.alerts.routing import Routed, Router
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import AlertSettings, AnyChannel, load_alerts
from rli_agent.durations import seconds
from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.parsers.typed_yaml import Document

#: The simplest way: the environment names one address, or a file that holds it. The channel has this name.
NAME = "webhook"
VARIABLE = "RLI_AGENT_WEBHOOK"
FILE_VARIABLE = "RLI_AGENT_WEBHOOK_FILE"

#: Where each kind of channel lies; imported when it is used, since some bring heavy libraries.
_KINDS: dict[type[AnyChannel], tuple[str, str]] = {
    kinds.Slack: ("slack", "SlackChannel"),
    kinds.Discord: ("discord", "DiscordChannel"),
    kinds.Webhook: ("webhook", "WebhookChannel"),
    kinds.Email: ("mail", "MailChannel"),
    kinds.PagerDuty: ("pagerduty", "PagerDutyChannel"),
    kinds.Alertmanager: ("alertmanager", "AlertmanagerChannel"),
    kinds.Apprise: ("apprise", "AppriseChannel"),
    kinds.Command: ("command", "CommandChannel"),
}


class Alerts(Struct):
    """Whom the agent tells. group, repeat: seconds; repeat None: an incident is told once. hourly: messages an hour on
    a channel that are not critical. places: where messages say that one may look on."""

    channels: list[Channel]
    router: Router
    places: Places
    group: float = 0.0
    repeat: float | None = None
    hourly: int = 20


def open_alerts(file: Path | None, environment: Mapping[str, str]) -> Alerts:
    """The channels of the file and of the environment, checked. Raises UserError."""
    document = load_alerts(file) if file is not None else None
    settings = document.value if document is not None else AlertSettings(channels=[])
    channels, routed = [], []
    if document is not None and file is not None:
        secrets = Secrets(environment, file.parent)
        for number, one in enumerate(settings.channels):
            try:
                channels.append(_opened(one, secrets))
            except ValueError as error:
                place = document.error(f".channels[{number}]", f"channel `{one.name}`: {secrets.hide(str(error))}")
                raise UserError(str(place), "`rli-agent alerts test` tries the channels") from None
            routed.append(Routed(one.name, one.resolved, isinstance(one, kinds.PagerDuty)))
        _warn_of_readers(file, document)
    simple = _from_environment(environment)
    if simple is not None:
        if any(channel.name == simple.name for channel in channels):
            hint = f"rename the one in {file}, or unset {VARIABLE}"
            raise UserError(f"{VARIABLE} makes a channel `{NAME}`, and so does {file}", hint)
        channels.append(simple)
        routed.append(Routed(simple.name))
    repeat = seconds(settings.repeat) if settings.repeat is not None else None
    places = Places(settings.page, settings.grafana)
    return Alerts(channels, Router(routed, settings.routes), places, seconds(settings.group), repeat, settings.hourly)


def _opened(settings: AnyChannel, secrets: Secrets) -> Channel:
    module, name = _KINDS[type(settings)]
    made = getattr(import_module(f"rli_agent.alerts.channels.{module}"), name)(settings, secrets)
    assert isinstance(made, Channel)
    return made


def _from_environment(environment: Mapping[str, str]) -> Channel | None:
    url, file = environment.get(VARIABLE, "").strip(), environment.get(FILE_VARIABLE, "").strip()
    if not url and not file:
        return None
    variable = VARIABLE if url else FILE_VARIABLE
    secrets = Secrets(environment, Path())
    try:
        address = secrets.address(url or f"file:{file}")
        return _opened(_kind_of(address), secrets)
    except ValueError as error:
        raise UserError(f"the webhook in {variable} cannot be used: {secrets.hide(str(error))}") from None


def _kind_of(address: str) -> AnyChannel:
    """Slack's and Discord's addresses are known by their hosts."""
    host = address.partition("://")[2].partition("/")[0].lower()
    if host == "hooks.slack.com":
        return kinds.Slack(name=NAME, url=address)
    if host in ("discord.com", "discordapp.com") or host.endswith(".discord.com"):
        return kinds.Discord(name=NAME, url=address)
    return kinds.Webhook(name=NAME, url=address)


def _warn_of_readers(file: Path, document: Document[AlertSettings]) -> None:
    """Secrets that stand in the file itself are everybody's who can read it."""
    literal = [
        f"{one.name}.{key}"
        for one in document.value.channels
        for key in one.secret
        if (text := getattr(one, key)) and "${" not in text and not text.startswith("file:")
    ]
    if literal and os.stat(file).st_mode & (stat.S_IRGRP | stat.S_IROTH):
        logger.warning(
            "{} holds secrets ({}) and others can read it: chmod 600, or refer to them as ${{NAME}} or file:PATH",
            file, ", ".join(literal),
        )  # fmt: skip
