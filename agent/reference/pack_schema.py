"""rules/pack.schema.json: the language of rule packs for editors, from the structs that read it."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import msgspec

from rli_agent.parsers.packs import Pack

#: In a docstring: `key: text`, up to the next key or the end; in Rule's table: `key   text`.
_SENTENCE = r"(?:^|[.;] |\n|, ){key}(?:, \w+)*: (.+?)(?=[.;]\s+[a-z_]+(?:, \w+)*: |\Z)"
_ROW = r"^{key}(?: / \w+)?\s{{2,}}(.+?)(?=^\w[\w /]*\s{{2,}}|\Z)"


def schema() -> str:
    """JSON Schema (2020-12) of a rule pack, as text."""
    made: dict[str, Any] = msgspec.json.schema(Pack)
    for definition in made["$defs"].values():
        told = inspect.cleandoc(definition.get("description", ""))
        if told:
            definition["description"] = told
        for key, described in definition.get("properties", {}).items():
            text = _of(key, told)
            if text and "$ref" not in described:
                described["description"] = text
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "rli-agent rule pack"}
    return json.dumps(head | made, indent=1, ensure_ascii=False) + "\n"


def _of(key: str, told: str) -> str:
    """What a struct's docstring says of one of its keys."""
    for pattern, flags in ((_ROW, re.MULTILINE | re.DOTALL), (_SENTENCE, re.DOTALL)):
        found = re.search(pattern.format(key=re.escape(key)), told, flags)
        if found is not None:
            return " ".join(found[1].split())
    return ""
