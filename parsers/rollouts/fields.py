"""The fields of a JSON record that dotted paths name, and nothing else of it.

A record of a long rollout holds megabytes of token ids, log-probabilities and images. The paths are made into a typed
decoder that passes over all other fields without building them (msgspec); what a path leads to stays as it stands
in the record (`msgspec.Raw`) until it is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, defstruct, field

Path = tuple[str, ...]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


#: What Python's json writes although it is no JSON: numbers that are not finite, and halves of surrogate pairs.
_ODD = (b"NaN", b"Infinity", rb"\ud")
_HALVES = re.compile(rb"(\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE)


class _Node(Struct):
    """Base of the decoder's types. `places`: a key of the record → the attribute that holds its value."""


_PLACES: dict[type, dict[str, str]] = {}


def path_of(text: str) -> Path:
    """A dotted path; `*` runs over a list's items or an object's values."""
    return tuple(text.split("."))


class Fields:
    """Reads the fields at some paths. One that `*` runs through in its middle leads through lists.

    keys: fields of which it is to be known whether they are there. shapes: what is known of the values at some paths,
    as types for msgspec; all others are kept as they stand.
    """

    def __init__(
        self, paths: Iterable[Path], keys: Iterable[str] = (), shapes: Mapping[Path, Any] | None = None
    ) -> None:
        tree: dict[str, Any] = {}
        ends = {_end(path): (shapes or {}).get(path, Raw) for path in paths}
        for end, shape in sorted(ends.items(), key=lambda item: len(item[0])):
            _grow(tree, end, shape)
        for key in keys:
            tree.setdefault(key, Raw)
        everything = not tree or "*" in tree  # a record is an object: what runs over all of it needs all of it
        self._typed = _decode if everything else msgspec.json.Decoder(_type_of(tree)).decode

    def read_as_shaped(self, record: bytes) -> Any:
        """The record, for `hits` to look into. Raises ValueError where it is no JSON object, or not of these shapes."""
        return self._typed(record)

    def read(self, record: bytes) -> Any:
        """The record, whatever stands at the paths; None where it is no JSON object. Raises ValueError for no JSON.

        What Python's json writes besides (NaN, Infinity, half a surrogate pair) is read as well.
        """
        try:
            found = self._typed(record)
        except msgspec.ValidationError:  # a field is not what the paths took it for
            try:
                found = _decode(record)
            except msgspec.DecodeError:
                found = _lenient(record)
        except (msgspec.DecodeError, RecursionError):
            found = _lenient(record)
        return found if isinstance(found, dict | _Node) else None


def _lenient(record: bytes) -> Any:
    """What msgspec refuses, by Python's own reader, where there is a chance: it takes its time."""
    if not any(sign in record for sign in _ODD):
        raise ValueError("no JSON")
    try:
        return json.loads(_HALVES.sub(lambda m: m[1] or rb"\ufffd", record))
    except RecursionError:
        raise ValueError("nested too deep") from None


def hits(found: Any, path: Path) -> list[Any]:
    """All that stands at a path, as it is (Raw) or decoded: for `value_of` and `raw_of`."""
    if path and isinstance(found, _Node) and path[0] not in _PLACES[type(found)]:
        return []  # as for most paths: they are those of other schemas
    here = [found]
    for step in path:
        inner: list[Any] = []
        for item in here:
            if isinstance(item, Raw):
                item = value_of(item)
            if isinstance(item, _Node):
                place = _PLACES[type(item)].get(step)
                if place is not None and (there := getattr(item, place)) is not UNSET:
                    inner.append(there)
            elif step == "*":
                inner += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            elif isinstance(item, dict) and step in item:
                inner.append(item[step])
        here = inner
        if not here:
            break
    return here


def value_of(hit: Any) -> Any:
    """What a hit says; None where it is no JSON after all."""
    if not isinstance(hit, Raw):
        return hit
    try:
        return _decode(hit)
    except (msgspec.DecodeError, RecursionError):
        return None


def raw_of(hit: Any) -> memoryview:
    """A hit as JSON text."""
    if isinstance(hit, Raw):
        return memoryview(hit)
    try:
        return memoryview(_encode(hit))
    except (TypeError, UnicodeEncodeError):
        return memoryview(b"null")


def values(found: Any, paths: Iterable[Path]) -> list[Any]:
    """What stands at these paths, decoded."""
    return [value_of(hit) for path in paths for hit in hits(found, path)]


def holds(found: Any, key: str) -> bool:
    """Whether a record has this field."""
    return bool(hits(found, (key,)))


def _end(path: Path) -> Path:
    """Where typed decoding ends: before a `*` at the end, which may run over an object."""
    return path[:-1] if path[-1] == "*" and len(path) > 1 else path


def _grow(tree: dict[str, Any], path: Path, shape: Any) -> None:
    """Add a path; below one that ends on its way nothing is added: it is decoded when it is asked for."""
    here = tree
    for step in path[:-1]:
        here = here.setdefault(step, {})
        if not isinstance(here, dict):
            return
    here.setdefault(path[-1], shape)


def _type_of(tree: dict[str, Any]) -> Any:
    if "*" in tree and len(tree) > 1:
        return Raw
    if "*" in tree:
        item = _type_of(tree["*"]) | None if isinstance(tree["*"], dict) else tree["*"]
        return list[item]  # type: ignore[valid-type]
    places = {key: f"f{i}" for i, key in enumerate(tree)}
    made = defstruct(
        "Record",
        [
            (places[key], _type_of(below) | None if isinstance(below, dict) else below, field(name=key, default=UNSET))
            for key, below in tree.items()
        ],
        bases=(_Node,),
    )
    _PLACES[made] = places
    return made
