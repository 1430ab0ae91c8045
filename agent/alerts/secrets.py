"""Secrets: read from the environment or from files, and kept out of everything that is shown or stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

_VARIABLE = re.compile(r"\$\{(\w+)\}")
#: Shorter texts are not hidden: they would be found everywhere.
_SHORTEST = 4
_SHORTEST_PART = 6


class Secrets:
    """Resolves what settings refer to, and remembers it, so that `hide` can take it out of any text."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """folder: where relative paths of secret files begin."""
        self._environment = environment
        self._folder = folder
        self._known: set[str] = set()

    def resolve(self, text: str) -> str:
        """The text with `${NAME}` taken from the environment, or, as `file:PATH`, what the file holds.

        Raises ValueError, which names the variable or the file, never what it holds.
        """
        if text.startswith("file:"):
            return self._remember(self._read(Path(text.removeprefix("file:")).expanduser()))

        def value(found: re.Match[str]) -> str:
            if not self._environment.get(found[1]):
                raise ValueError(f"the environment variable {found[1]} is not set")
            return self._remember(self._environment[found[1]].strip())

        return _VARIABLE.sub(value, text)

    def secret(self, text: str) -> str:
        """Like resolve, for what is a secret even where it stands in the settings themselves."""
        return self._remember(self.resolve(text))

    def address(self, text: str) -> str:
        """Like resolve, for a URL: all but its host may be what nobody else may know."""
        url = self.resolve(text)
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0].split(":")
        pairs = parts.query.split("&")
        pieces = [f"{parts.path}?{parts.query}", *parts.path.split("/"), *pairs, *(p.partition("=")[2] for p in pairs)]
        pieces += [url, *login, *map(unquote, pieces)]
        self._known |= {piece for piece in pieces if len(piece) >= _SHORTEST_PART}
        return url

    def hide(self, text: str) -> str:
        """The text without any of the secrets: what a receiver answers may repeat them."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    def _remember(self, secret: str) -> str:
        if len(secret) >= _SHORTEST:
            self._known.add(secret)
        return secret

    def _read(self, path: Path) -> str:
        try:
            secret = (self._folder / path).read_text(encoding="utf-8").strip()
        except OSError as e:
            raise ValueError(f"{path} cannot be read: {e.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not text") from None
        if not secret:
            raise ValueError(f"{path} is empty")
        return secret
