"""Commands whose options may also come from the environment and from settings files.

Before: the command line, then the environment, then files, then RL-Insight's variables, then the default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from rli_agent.errors import UserError
from rli_agent.settings.config_file import from_files, places
from rli_agent.settings.declared import CONFIG_VARIABLE, Setting, misspelt, settings_of
from rli_agent.settings.rl_insight import from_rl_insight

_ORIGINS, _FILES = "rli_agent.settings.origins", "rli_agent.settings.files"


class Configured(click.Command):
    """A command with settings: those of its options that `rli-agent watch` has too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if any("--config" in param.opts for param in self.params):
            return  # it means another file by that
        self.params.append(
            click.Option(
                ["--config", "config_file"], type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE", envvar=CONFIG_VARIABLE, expose_value=False,
                help="Take settings from this YAML file and no other (docs/settings.md).",
            )
        )  # fmt: skip

    def settings(self) -> list[Setting]:
        """All that a settings file may hold."""
        from rli_agent.commands.watch import command as watch  # here: it is made with this class

        return settings_of(watch.params)

    def taken(self) -> list[Setting]:
        """Those that this command has an option for: one of the same name that means the same."""
        meant = {(s.key, s.option.name) for s in self.settings()}
        return [s for s in settings_of(self.params) if (s.key, s.option.name) in meant]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for setting in self.taken():
            setting.option.envvar = setting.variable
        asked, _, _ = self.make_parser(ctx).parse_args(list(args))
        if not set(args) & set(ctx.help_option_names):
            self._look_up(ctx, asked)
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as e:
            variable = e.param.envvar if e.param is not None and e.param.name not in asked else None
            if isinstance(variable, str) and os.environ.get(variable):
                raise UserError(f"{variable} in the environment: {e.message}", "fix it, or unset it") from None
            raise

    def _look_up(self, ctx: click.Context, asked: dict[str, Any]) -> None:
        settings = self.settings()
        for complaint in misspelt(os.environ, settings):
            click.echo(complaint, err=True)
        named = asked.get("config_file") or os.environ.get(CONFIG_VARIABLE) or None
        files = places(Path(named) if named else None, [Path(p) for p in _paths(asked.get("paths"))])
        given = from_rl_insight(os.environ) | from_files(settings, files)
        names = {s.key: s.option.name or s.key for s in self.taken()}
        mine = {names[key]: value for key, value in given.items() if key in names}
        ctx.default_map = {name: value.value for name, value in mine.items()}
        ctx.meta[_FILES] = [place.path for place in files]
        ctx.meta[_ORIGINS] = {name: value.origin for name, value in mine.items()}


def _paths(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    return [p for p in given if isinstance(p, str)] if isinstance(given, list | tuple) else []


def origin(ctx: click.Context, setting: Setting) -> str:
    """Where the value of a setting of the command that runs came from."""
    name = setting.option.name or setting.key
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE:
        return setting.flag
    if source is ParameterSource.ENVIRONMENT:
        return setting.variable
    if source is ParameterSource.DEFAULT_MAP:
        return str(ctx.meta[_ORIGINS][name])
    return "default"


def files(ctx: click.Context) -> list[Path]:
    """The settings files that were looked for."""
    return list(ctx.meta[_FILES])
