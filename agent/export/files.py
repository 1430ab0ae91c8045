"""Where an export goes: a file, or a directory of files, that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rli_agent.errors import UserError

#: In place of a file: standard output.
STANDARD_OUTPUT = Path("-")


@contextmanager
def new_file(path: Path, force: bool) -> Iterator[Path]:
    """A place to write what becomes `path` when all is written. Raises UserError where something is there already, or
    it cannot be written."""
    if path == STANDARD_OUTPUT:
        try:
            yield Path("/dev/stdout")
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritable(path, error) from None
        return
    _refuse(path, force)
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def new_directory(path: Path, force: bool) -> Iterator[Path]:
    """The same for a directory of files; with `force`, files of the same name are replaced and others stay."""
    _refuse(path, force)
    part = path.with_name(f".{path.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        path.mkdir(exist_ok=True)
        for file in sorted(part.iterdir()):
            os.replace(file, path / file.name)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _refuse(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise UserError(f"{path} is there already", "give another -o, or --force to write over it")
    if not path.absolute().parent.is_dir():
        raise UserError(f"there is no directory {path.absolute().parent}", "make it, or give another -o")


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be written: {error.strerror or error}", "give a place with room in -o")
