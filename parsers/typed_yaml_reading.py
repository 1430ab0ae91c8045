"""How a YAML file becomes a struct, and what is said where it does not (see typed_yaml.py)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import inspect

from rli_agent.parsers.typed_yaml import TypedYamlError

T = TypeVar("T")
#: Levels of nesting that a file may have.
MAX_DEPTH = 50


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML whose only booleans are true and false, as in YAML 1.2: `on` is a key here, and `no` a label's value."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, rx) for tag, rx in found if not tag.endswith(":bool")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(?:true|false)$", re.IGNORECASE), list("tTfF"))
# As in YAML 1.2: 1e-4 is a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read(text: str, name: str, kind: type[T], *, quote: str, trusted: bool) -> tuple[Any, T]:
    """The file's root node and what it says; see `typed_yaml.read_typed`."""
    try:
        if not trusted:
            _bound(text, name)
        loader = _Loader(text)
        node = loader.get_single_node()
        construct = partial(_value, loader) if trusted else loader.construct_document
        data = construct(node) if node is not None else None
    except TypedYamlError:
        raise
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        at = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise TypedYamlError(f"{name}:{at}: {e.problem or 'not YAML'}; quote {quote} with single quotes") from None
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise TypedYamlError(f"{name}:1:1: not YAML: {e}") from None
    if not isinstance(data, dict):
        raise TypedYamlError(f"{name}:1:1: not a mapping; known keys: {', '.join(sorted(_keys(kind, '')))}")
    try:
        return node, msgspec.convert(data, kind)
    except msgspec.ValidationError as e:
        raise TypedYamlError(_explain(str(e), node, name, kind)) from None


def _value(loader: _Loader, node: Any) -> Any:
    """What a node says, three times as fast as the loader tells it. Not for a hostile file: what an alias stands for is
    read anew each time."""
    if node.tag == "tag:yaml.org,2002:str":
        return node.value
    if node.tag == "tag:yaml.org,2002:map":
        loader.flatten_mapping(node)
        return {_value(loader, key): _value(loader, value) for key, value in node.value}
    if node.tag == "tag:yaml.org,2002:seq":
        return [_value(loader, item) for item in node.value]
    return loader.construct_object(node, deep=True)


def _bound(text: str, name: str) -> None:
    """libyaml's loader overflows the process's stack where YAML is nested too deep."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise TypedYamlError(f"{name}:{place(event)}: nested deeper than {MAX_DEPTH} levels")


def _explain(message: str, node: Any, name: str, kind: type[Any]) -> str:
    what, _, where = message.partition(" - at `")
    path = where.rstrip("`")
    found = node_at(node, path)
    mend = ""
    if unknown := re.search(r"unknown field `([^`]+)`", what):
        key = unknown.group(1)
        what = f"unknown key `{key}`"
        mend = _nearest(key, _keys(kind, path, node), "known keys here")
        found = _key_mark(found, key) or found
    elif invalid := re.search(r"Invalid (?:enum )?value '([^']*)'", what):
        what = f"unknown value `{invalid.group(1)}`"
        mend = _nearest(invalid.group(1), _values(kind, path, node), "there are")
    what = what.replace("Object missing required field", "missing key").replace("`null`", "nothing")
    what = what.replace("Expected `str` of length >= 1", "an empty text")
    what = what.replace("Expected `str` of length <=", "a text longer than")
    return f"{name}:{place(found)}: {what}" + (f"; {mend}" if mend else f" (in {path or '$'})")


def _nearest(word: str, known: list[str], there_are: str) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"{there_are}: {', '.join(sorted(known))}"


def place(node: Any) -> str:
    """`LINE:COLUMN` of a node."""
    mark = node.start_mark if node is not None else None
    return f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"


def _steps(path: str) -> list[tuple[str, str]]:
    """A path's steps: (key, "") or ("", index); `...` as an index is any."""
    return re.findall(r"\.([\w$-]+)|\[(\d+|\.\.\.)\]", path)


def node_at(node: Any, path: str) -> Any:
    """What stands at a path below a node, or the nearest that is there."""
    for key, index in _steps(path):
        if key and isinstance(node, yaml.MappingNode):
            node = next((v for k, v in node.value if k.value == key), node)
        elif index.isdigit() and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
            node = node.value[int(index)]
    return node


def _key_mark(node: Any, key: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return next((k for k, _ in node.value if k.value == key), None)
    return None


def _keys(kind: type[Any], path: str, node: Any = None) -> list[str]:
    """The keys that a struct knows at a path."""
    found = {f.encode_name: None for t in _types(kind, path, node) for f in getattr(t, "fields", ())}
    return [key for key in found if not key.startswith("$")]


def _values(kind: type[Any], path: str, node: Any) -> list[str]:
    """The words that may stand at a path: those of a literal, or the tags of structs."""
    parent, _, key = path.rpartition(".")
    tags = [str(t.tag) for t in _types(kind, parent, None) if isinstance(t, inspect.StructType) and t.tag_field == key]
    literals = [t for t in _types(kind, path, node) if isinstance(t, inspect.LiteralType)]
    return tags + [str(value) for t in literals for value in t.values]


def _types(kind: type[Any], path: str, node: Any) -> list[inspect.Type]:
    """The types that may stand at a path. node: the file's; of structs told apart by a tag it keeps the one."""
    types = _members(inspect.type_info(kind), node)
    for key, index in _steps(path):
        node = node_at(node, f".{key}" if key else f"[{index}]") if node is not None else None
        types = [one for t in types for inner in _inner(t, key, index) for one in _members(inner, node)]
    return types


def _members(kind: inspect.Type, node: Any) -> list[inspect.Type]:
    kinds = list(kind.types) if isinstance(kind, inspect.UnionType) else [kind]
    return [k for k in kinds if not _other_tag(k, node)]


def _other_tag(kind: inspect.Type, node: Any) -> bool:
    if not isinstance(kind, inspect.StructType) or kind.tag_field is None or not isinstance(node, yaml.MappingNode):
        return False
    return any(k.value == kind.tag_field and v.value != kind.tag for k, v in node.value)


def _inner(kind: inspect.Type, key: str, index: str) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        yield from (f.type for f in kind.fields if f.encode_name == key)
    elif isinstance(kind, inspect.DictType):
        yield kind.value_type
    elif index and isinstance(kind, (inspect.ListType, inspect.VarTupleType)):
        yield kind.item_type
