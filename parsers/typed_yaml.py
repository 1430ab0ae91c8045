"""YAML files that users write, read into msgspec structs: what is wrong with one is said with file, line and column.

The structs are the language: an unknown key or a wrong type is an error that names the nearest valid key.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class TypedYamlError(ValueError):
    """A file that cannot be used. str() is `FILE:LINE:COLUMN: what is wrong; the mend`."""


class Document(Generic[T]):
    """What a file says, as `value`; `error` points into the file, for what the types cannot say."""

    def __init__(self, name: str, node: Any, value: T) -> None:
        self.value = value
        self._name = name
        self._node = node

    def error(self, path: str, what: str) -> TypedYamlError:
        """An error at the place that a path like `.rules[3].pattern` names, or as near to it as the file has."""
        return TypedYamlError(f"{self._name}:{self._place(path)}: {what}")

    def place(self, path: str) -> str:
        """`FILE:LINE` of what stands at a path."""
        return f"{self._name}:{self._place(path).partition(':')[0]}"

    def _place(self, path: str) -> str:
        from rli_agent.parsers.typed_yaml_reading import node_at, place

        return place(node_at(self._node, path))


def read_typed(text: str, name: str, kind: type[T], *, quote: str = "values", trusted: bool = False) -> Document[T]:
    """Read a mapping into the struct `kind`. `name` is the file's, `quote` what to quote where it is no YAML.

    Raises TypedYamlError, and nothing else for what a file can hold. trusted: it ships with the package.
    """
    from rli_agent.parsers.typed_yaml_reading import read  # here: most commands meet no YAML, and PyYAML takes a while

    return Document(name, *read(text, name, kind, quote=quote, trusted=trusted))
