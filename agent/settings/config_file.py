"""Settings files: where they are looked up, and what they say."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from rli_agent.config_home import config_home
from rli_agent.errors import UserError
from rli_agent.parsers.typed_yaml import Document, TypedYamlError, read_typed
from rli_agent.settings.declared import OF_A_RUN, Setting, language

NAME = "config.yaml"
#: A settings file is read up to this many bytes.
LARGEST = 1 << 20


class Given(NamedTuple):
    """A setting's value as click takes it, and where it stands (`FILE:LINE`)."""

    value: Any
    origin: str


def user_file() -> Path:
    """The user's own settings file."""
    return config_home() / NAME


class Place(NamedTuple):
    """Where a settings file may be. `required`: the user named it. `of_a_run`: it may set little (see `OF_A_RUN`)."""

    path: Path
    required: bool = False
    of_a_run: bool = False


def places(named: Path | None, output_dirs: Iterable[Path]) -> list[Place]:
    """The files that count: the one that the user names alone, otherwise those in the run's directories and the user's
    own."""
    if named is not None:
        return [Place(named, required=True)]
    return [Place(folder / ".rli-agent" / NAME, of_a_run=True) for folder in output_dirs] + [Place(user_file())]


def from_files(settings: Sequence[Setting], files: Iterable[Place]) -> dict[str, Given]:
    """What settings files say, by key; the first that has a key says it. Raises UserError."""
    given: dict[str, Given] = {}
    for path, required, of_a_run in files:
        if required or os.path.isfile(path):  # a folder that may not be entered has none
            given = _read(path, settings, restricted=of_a_run) | given
    return given


def _read(path: Path, settings: Sequence[Setting], *, restricted: bool) -> dict[str, Given]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise UserError(f"{path}:1:1: not UTF-8 text (byte {e.start})", "save the settings file as UTF-8") from None
    except OSError as e:
        raise UserError(f"the settings file {path} cannot be read: {e.strerror or e}") from None
    if len(data) > LARGEST:
        raise UserError(f"{path} is larger than a settings file can be ({LARGEST >> 20} MiB)", "is it the right file?")
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return {}
    try:
        document = read_typed(text, str(path), language(settings))
        return dict(_given(document, path, settings, restricted))
    except TypedYamlError as e:
        raise UserError(str(e), "`rli-agent watch --help` and docs/settings.md list the settings") from None


def _given(
    document: Document[Any], path: Path, settings: Sequence[Setting], restricted: bool
) -> Iterable[tuple[str, Given]]:
    for setting in settings:
        value = getattr(document.value, setting.key)
        if value is msgspec.UNSET:
            continue
        at = f".{setting.key}"
        if restricted and setting.key not in OF_A_RUN:
            may = ", ".join(sorted(OF_A_RUN))
            what = f"`{setting.key}` cannot be set by a file in the run's directory, which may set only {may}"
            raise document.error(at, f"{what}; put it into {user_file()} or use {setting.flag}")
        option = setting.option
        if option.multiple and not isinstance(value, list):
            value = [value]
        if isinstance(option.type, click.Path):
            value = [_beside(path, v) for v in value] if option.multiple else _beside(path, value)
        try:
            option.type_cast_value(click.Context(click.Command("watch")), value)
        except click.BadParameter as e:
            raise document.error(at, f"`{setting.key}`: {e.message}") from None
        yield setting.key, Given(value, document.place(at))


def _beside(file: Path, value: str) -> str:
    """A path in a settings file counts from the file's folder."""
    return str(file.absolute().parent / Path(value).expanduser())
