"""The JSON Schema in docs/status.md, from the structs that `rli-agent status --json` prints."""

from __future__ import annotations

import msgspec

from rli_agent.answer.report import Report


def schema() -> str:
    """The schema as a block of Markdown, one definition a line."""
    return schema_of(Report)


def schema_of(struct: type[msgspec.Struct]) -> str:
    """The same of any struct."""
    _, definitions = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": f"#/$defs/{struct.__name__}"}
    lines = [f"  {_json(key)}: {_json(value)}," for key, value in head.items()]
    defined = [f"    {_json(name)}: {_json(definitions[name])}" for name in sorted(definitions)]
    return "\n".join(["```json", "{", *lines, '  "$defs": {', ",\n".join(defined), "  }", "}", "```", ""])


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
