"""The page's files: complete, from nowhere else, and without a way for a log's text to become markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "dashboards" / "page"
MODULES = sorted(PAGE.rglob("*.js"))
INDEX = (PAGE / "index.html").read_text()
#: What makes markup or code of a text.
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\(|new Function|javascript:"
)
#: The one address that is a name.
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_text_never_becomes_markup(module: Path) -> None:
    assert not MARKUP.findall(module.read_text())


def test_nothing_comes_from_elsewhere() -> None:
    for path in PAGE.rglob("*.*"):
        assert not re.findall(r"(?:https?:)?//[\w-]+\.\w+[^\s\"']*", path.read_text().replace(NAMESPACE, "")), path


def test_the_content_security_policy_has_nothing_to_refuse() -> None:
    assert not re.findall(r"\sstyle=|\son\w+=|<style", INDEX)
    assert re.findall(r"<script[^>]*>", INDEX) == ['<script type="module" src="page/main.js">']


def test_all_modules_are_asked_for_at_once() -> None:
    preloaded = set(re.findall(r'modulepreload" href="page/([^"]+)"', INDEX))
    assert preloaded == {str(path.relative_to(PAGE)) for path in MODULES} - {"main.js"}


def test_every_import_is_there() -> None:
    for module in MODULES:
        for wanted in re.findall(r"from '(\.[^']+)'", module.read_text()):
            assert (module.parent / wanted).is_file(), f"{module.name}: {wanted}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_are_of_a_readable_size(module: Path) -> None:
    lines = module.read_text().splitlines()
    assert len(lines) <= 300
    assert max(map(len, lines)) <= 120
