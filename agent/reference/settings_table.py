"""The table of settings in docs/settings.md, from the options of `rli-agent watch`."""

from __future__ import annotations

import click

from rli_agent.commands.watch import command as watch
from rli_agent.settings.declared import OF_A_RUN, Setting, settings_of


def table() -> str:
    """A Markdown table of all settings."""
    rows = ["| key in the file | variable | default | what it does |", "|---|---|---|---|"]
    for setting in settings_of(watch.params):
        mark = " †" if setting.key in OF_A_RUN else ""
        what = f"{setting.option.help} {_values(setting)}".strip().replace("|", "\\|")
        rows.append(f"| `{setting.key}`{mark} | `{setting.variable}` | {_default(setting.option)} | {what} |")
    return "\n".join(rows) + "\n"


def _values(setting: Setting) -> str:
    kind = setting.option.type
    said = ""
    if isinstance(kind, click.Choice):
        said = "One of " + ", ".join(f"`{choice}`" for choice in kind.choices) + "."
    elif setting.option.is_flag:
        said = "`true` or `false`."
    if setting.option.multiple:
        between = "`:`" if isinstance(kind, click.Path) else "spaces"
        said += f" A list; in the variable with {between} between."
    return said.strip()


def _default(option: click.Option) -> str:
    default = option.default
    if option.is_flag:
        return f"`{'true' if default is True else 'false'}`"
    return f"`{default}`" if isinstance(default, str | int | float) and default != "" else ""
