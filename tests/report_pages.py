"""A report read back as a browser reads it."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from rli_agent.cli import group

VOID = {"meta", "br", "hr", "col", "link", "img", "input"}


class Element:
    """A node of the page."""

    def __init__(self, name: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.name, self.attributes, self.parent = name, attributes, parent
        self.children: list[Element] = []
        self.said: list[str | Element] = []

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.said)

    def all(self, name: str, class_: str | None = None) -> list[Element]:
        """Those below it, itself included, of a name and a class."""
        here = [self] if self.name == name and (class_ is None or class_ in self.classes) else []
        return here + [found for child in self.children for found in child.all(name, class_)]

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


class Page(HTMLParser):
    """The whole page; every element must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.root = self._at = Element("", {}, None)
        self.feed(text)
        self.close()
        assert self._at is self.root, f"<{self._at.name}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {key: value or "" for key, value in attrs}, self._at)
        self._at.children.append(made)
        self._at.said.append(made)
        if tag not in VOID:
            self._at = made

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._at.name, f"</{tag}> closes <{self._at.name}>"
        assert self._at.parent is not None
        self._at = self._at.parent

    def handle_data(self, data: str) -> None:
        self._at.said.append(data)

    def all(self, name: str, class_: str | None = None) -> list[Element]:
        return self.root.all(name, class_)

    def section(self, name: str) -> Element | None:
        """The part with this name."""
        return next((s for s in self.all("section") if s.attributes.get("id") == f"section-{name}"), None)

    def told(self, name: str) -> str:
        """A part's text; "" where it is not there."""
        found = self.section(name)
        return found.text if found is not None else ""

    def data(self, name: str) -> Any:
        """The figures of that name."""
        (found,) = [script for script in self.all("script") if script.attributes.get("id") == name]
        return json.loads(found.text)

    @property
    def policy(self) -> dict[str, str]:
        (found,) = [m for m in self.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy"]
        rules = (rule.strip().partition(" ") for rule in found.attributes["content"].split(";"))
        return {name: allowed for name, _, allowed in rules}


def digest(text: str) -> str:
    """How a policy names a text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def report(folder: Path, *arguments: object, home: Path) -> Page:
    """What `rli-agent report` makes of a run."""
    output = home / "report.html"
    command = ["report", str(folder), "-o", str(output), "--zone", "UTC", "--state-dir", str(home / "state")]
    result = CliRunner().invoke(group, [*command, *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return Page(output.read_text(encoding="utf-8"))
