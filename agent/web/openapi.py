"""The API as an OpenAPI document, made from the structs that it answers with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from rli_agent.web.elsewhere import Fleet
from rli_agent.web.parameters import Listening, Nothing
from rli_agent.web.routes import ROUTES
from rli_agent.web.stores import RunList


class Refusal(Struct, frozen=True):
    """Why there is no answer, and what to do."""

    error: str
    hint: str


_REF = "#/components/schemas/{name}"
_RUN = {"name": "run", "in": "path", "required": True, "schema": {"type": "string"}, "description": "A run's id."}
_REFUSALS = {
    "400": "A parameter is wrong.", "401": "The token is missing.", "404": "There is no such run, or nothing to show.",
    "421": "The Host is not this machine.", "503": "Busy; ask again.",
}  # fmt: skip


@lru_cache(maxsize=1)
def openapi() -> dict[str, Any]:
    """The document."""
    answers = [RunList, Fleet, Refusal, *dict.fromkeys(route.answer for route in ROUTES.values())]
    _, schemas = msgspec.json.schema_components(answers, ref_template=_REF)
    paths = {"/api/runs": _get("All runs, and how they are.", Nothing, RunList)}
    paths["/api/fleet"] = _get("The runs of all machines that a Prometheus knows.", Nothing, Fleet)
    for name, route in ROUTES.items():
        paths[f"/api/runs/{{run}}/{name}"] = _get(route.about, route.parameters, route.answer, (_RUN,))
    stream = _get("What changes, as server-sent events `status` (a brief Report) and `changed`.", Listening, None)
    paths["/api/events"] = stream
    return {
        "openapi": "3.1.0",
        "info": {"title": "rli-agent", "version": "1", "description": "What the agent knows of its runs."},
        "security": [{"cookie": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "rli_agent_…"},
            },
        },
    }


def _get(
    about: str, parameters: type[Struct], answer: type[Struct] | None, more: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    ref = {"$ref": _REF.format(name=answer.__name__)} if answer is not None else {"type": "string"}
    kind = "application/json" if answer is not None else "text/event-stream"
    refusal = {"application/json": {"schema": {"$ref": _REF.format(name=Refusal.__name__)}}}
    replies: dict[str, Any] = {"200": {"description": "The answer.", "content": {kind: {"schema": ref}}}}
    replies |= {status: {"description": why, "content": refusal} for status, why in _REFUSALS.items()}
    return {"get": {"summary": about, "parameters": [*more, *_parameters(parameters)], "responses": replies}}


def _parameters(kind: type[Struct]) -> list[dict[str, Any]]:
    _, schemas = msgspec.json.schema_components([kind])
    made: dict[str, Any] = schemas[kind.__name__]
    about, needed = made.get("description", ""), made.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": schema, "description": about}
        for name, schema in made["properties"].items()
    ]
