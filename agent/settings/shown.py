"""What `rli-agent config show` tells of the settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from rli_agent.settings.command import origin
from rli_agent.settings.declared import SECRETS, settings_of
from rli_agent.settings.rl_insight import unused

#: Stands for a secret that is set.
HIDDEN = "set, not shown"
_PASSWORD = re.compile(r"//[^/@\s]*@")


class Shown(Struct, frozen=True):
    """A setting as it holds. `origin`: a flag, a variable, FILE:LINE or `default`."""

    key: str
    value: str | int | float | bool | list[str] | None
    origin: str

    @property
    def text(self) -> str:
        if self.value is None:
            return "-"
        if isinstance(self.value, list):
            return " ".join(self.value) or "-"
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


def shown(ctx: click.Context, watch: click.Command, values: Mapping[str, Any]) -> list[Shown]:
    """All settings with the values that options of the running command have; then the secrets, and what is set in the
    environment and changes nothing."""
    rows = []
    for setting in settings_of(watch.params):
        value = values[setting.option.name or setting.key]
        rows.append(Shown(setting.key, _plain(value), origin(ctx, setting)))
    for variable in SECRETS:
        value = HIDDEN if os.environ.get(variable, "").strip() else None
        rows.append(Shown(variable, value, "environment" if value else "default"))
    if os.environ.get("RLI_AGENT_WEBHOOK_FILE"):
        rows.append(Shown("RLI_AGENT_WEBHOOK_FILE", os.environ["RLI_AGENT_WEBHOOK_FILE"], "environment"))
    rows += [Shown(name, os.environ[name], f"not used: {why}") for name, why in unused(os.environ).items()]
    return rows


def _plain(value: Any) -> str | int | float | bool | list[str] | None:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [str(v) for v in value]
    return str(value) if isinstance(value, Path) else _PASSWORD.sub("//…@", str(value))
