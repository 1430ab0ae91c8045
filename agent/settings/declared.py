"""Which settings there are. The options of `rli-agent watch` declare them: each is a key of the settings file and a
variable of the environment as well."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import click
import msgspec
from click.types import FloatParamType, IntParamType
from msgspec import Struct

PREFIX = "RLI_AGENT_"
#: Names the settings file.
CONFIG_VARIABLE = PREFIX + "CONFIG"
#: What a file in a run's directory may set. It may be a stranger's: it says how the run is to be read and called, never
#: what the agent opens, runs, listens at or sends to.
OF_A_RUN = frozenset({"framework", "project", "experiment", "zone"})
#: Secrets, which come from the environment alone (or from files that it names), → what each is for.
SECRETS = {
    PREFIX + "WEBHOOK": "address of the webhook that messages go to (docs/alerts.md)",
    PREFIX + "OTLP_HEADERS": "headers sent along with spans, `name=value,name=value` (docs/spans.md)",
    PREFIX + "REMOTE_WRITE_HEADERS": "headers sent along by remote write, `name=value,name=value` (docs/history.md)",
}
#: Other variables of the agent that are no option of `watch`.
OTHERS = (CONFIG_VARIABLE, PREFIX + "WEBHOOK_FILE", PREFIX + "EVENTS")


class Setting(Struct, frozen=True):
    """`key` in the settings file, `variable` in the environment; both are named after the option `flag`."""

    key: str
    flag: str
    variable: str
    option: click.Option


def settings_of(options: Iterable[click.Parameter]) -> list[Setting]:
    """The settings that options declare, by key. `--help` and `--config` are none."""
    settings = []
    for option in options:
        if isinstance(option, click.Option):
            flag = max((o for o in option.opts if o.startswith("--")), key=len, default="")
            key = flag[2:].replace("-", "_")
            if key not in ("", "help", "config", "json"):
                settings.append(Setting(key, flag, PREFIX + key.upper(), option))
    return sorted(settings, key=lambda s: s.key)


def language(settings: Iterable[Setting]) -> type[Any]:
    """The struct that a settings file holds: what `rli_agent.parsers.typed_yaml` reads it into."""
    return msgspec.defstruct(
        "SettingsFile",
        [(s.key, _kind(s.option) | msgspec.UnsetType, msgspec.UNSET) for s in settings],
        forbid_unknown_fields=True,
    )


def _kind(option: click.Option) -> Any:
    one: Any = str
    if option.is_flag:
        one = bool
    elif isinstance(option.type, FloatParamType | click.FloatRange):
        one = float
    elif isinstance(option.type, IntParamType | click.IntRange):
        one = int
    return list[one] | one if option.multiple else one


def misspelt(environment: Mapping[str, str], settings: Iterable[Setting]) -> list[str]:
    """What to say of variables that look like a setting's and are none. Others may be anybody's (a secret that a file
    of alerts refers to)."""
    known = {s.variable for s in settings} | {*SECRETS, *OTHERS}
    told = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if near:
                told.append(f"{name} in the environment is not a setting; did you mean {near[0]}?")
    return told
