"""A client of the page's API."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from agent_process import Agent


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class PageClient:
    """Asks the page at a port, with its token or without."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port = port
        self.token = token

    @classmethod
    def of(cls, agent: Agent) -> PageClient:
        """The client of a watch, by the line that it prints."""
        agent.says(r"page: http://\S+")
        found = re.search(r"page: http://127\.0\.0\.1:(\d+)/\?token=(\w+)", agent.output)
        assert found is not None, agent.output
        return cls(int(found[1]), found[2])

    def get(self, path: str, /, headers: dict[str, str] | None = None, **query: object) -> Answer:
        """The answer to a GET, shown the token unless the headers say otherwise."""
        said = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            asked = path + (f"?{urlencode(query, doseq=True)}" if query else "")
            connection.request("GET", asked, headers={name: value.encode() for name, value in said.items()})
            reply = connection.getresponse()
            return Answer(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()

    def ask(self, path: str, /, **query: object) -> Any:
        """The JSON of an answer that must be there."""
        answer = self.get(path, None, **query)
        assert answer.status == 200, answer.body
        return answer.json

    def run(self) -> str:
        """The id of the one run that is shown."""
        (report,) = self.ask("/api/runs")["runs"]
        return str(report["run"]["id"])

    @contextmanager
    def events(self, **query: object) -> Iterator[Iterator[tuple[str, Any, float]]]:
        """The events of a stream, with the moment of their coming."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        asked = f"/api/events?{urlencode(query, doseq=True)}"
        connection.request("GET", asked, headers={"Authorization": f"Bearer {self.token}"})
        reply = connection.getresponse()
        assert (reply.status, reply.getheader("Content-Type")) == (200, "text/event-stream")
        try:
            yield _events(reply)
        finally:
            reply.close()
            connection.close()


def _events(reply: http.client.HTTPResponse) -> Iterator[tuple[str, Any, float]]:
    kind = ""
    while line := reply.readline():
        if line.startswith(b"event: "):
            kind = line[7:].decode().strip()
        elif line.startswith(b"data: "):
            yield kind, json.loads(line[6:]), time.monotonic()
