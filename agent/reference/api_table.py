"""The tables of docs/api.md, from the document that the agent serves at /api/openapi.json."""

from __future__ import annotations

from typing import Any

from rli_agent.web.openapi import openapi


def questions() -> str:
    """A Markdown table of all questions: path, parameters with their defaults and bounds, what answers."""
    rows = ["| GET | parameters | answer | what |", "|---|---|---|---|"]
    for path, methods in openapi()["paths"].items():
        asked = methods["get"]
        parameters = ", ".join(_parameter(one) for one in asked["parameters"] if one["in"] == "query")
        ((kind, content),) = asked["responses"]["200"]["content"].items()
        answer = content["schema"].get("$ref", "").rpartition("/")[2] or kind
        rows.append(f"| `{path}` | {parameters} | {answer} | {asked['summary']} |")
    return "\n".join(rows) + "\n"


def answers() -> str:
    """Each struct with what its docstring says."""
    schemas = openapi()["components"]["schemas"]
    lines = []
    for name, schema in sorted(schemas.items()):
        keys = ", ".join(f"`{key}`" for key in schema["properties"])
        lines.append(f"* **{name}**: {' '.join(schema['description'].split())} {keys}")
    return "\n".join(lines) + "\n"


def _parameter(one: dict[str, Any]) -> str:
    schema = one["schema"]
    words = _kinds(schema)
    default = schema.get("default")
    if one["required"]:
        words.append("needed")
    elif default not in (None, "", []):
        words.append(f"{default}")
    return f"`{one['name']}` ({', '.join(words)})" if words else f"`{one['name']}`"


def _kinds(schema: dict[str, Any]) -> list[str]:
    """What a value may be, where that is not plain from its name."""
    schema = next((part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"), schema)
    if "enum" in schema:
        return ["\\|".join(map(str, sorted(schema["enum"])))]
    if schema.get("type") == "array":
        return [f"at most {schema['maxItems']}"] if "maxItems" in schema else []
    if schema.get("type") == "boolean":
        return ["0\\|1"]
    return [f"at most {schema['maximum']}"] if schema.get("type") == "integer" and schema["maximum"] < 10**6 else []
