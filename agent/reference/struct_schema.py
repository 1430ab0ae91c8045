"""The JSON Schemas in docs/status.md and docs/compare.md, from the structs that `--json` prints."""

from __future__ import annotations

import msgspec


def schema_of(struct: type[msgspec.Struct]) -> str:
    """A struct's schema as a block of Markdown, one definition a line."""
    _, definitions = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": f"#/$defs/{struct.__name__}"}
    lines = [f"  {_json(key)}: {_json(value)}," for key, value in head.items()]
    defined = [f"    {_json(name)}: {_json(definitions[name])}" for name in sorted(definitions)]
    return "\n".join(["```json", "{", *lines, '  "$defs": {', ",\n".join(defined), "  }", "}", "```", ""])


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
