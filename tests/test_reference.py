"""What is made from the code is as the code says; the schema takes the packs that ship, and refuses what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from rli_agent.reference.pages import stale
from rli_agent.rulebook import pack_files, packaged_rules

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads((ROOT / "rules" / "pack.schema.json").read_text())
SHIPPED = [p for p in pack_files() if p.parent == packaged_rules()]


def test_no_reference_text_is_stale() -> None:
    assert [str(path.relative_to(ROOT)) for path in stale(ROOT)] == [], "run `make docs`"


def test_what_was_changed_is_found_and_made_anew(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "dashboards").mkdir()
    page = tmp_path / "docs" / "a.md"
    page.write_text("before\n<!-- made: settings -->\nold\n<!-- end -->\nbehind\n")
    made = stale(tmp_path)
    rules = tmp_path / "dashboards" / "rli-agent-detectors.rules.yml"
    assert set(made) == {page, tmp_path / "rules" / "pack.schema.json", rules}
    for path, text in made.items():
        path.write_text(text)
    assert "| `listen` | `RLI_AGENT_LISTEN` |" in page.read_text()
    assert page.read_text().endswith("<!-- end -->\nbehind\n")
    assert stale(tmp_path) == {}


@pytest.mark.real
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_pack_that_ships_names_the_schema_and_keeps_to_it(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=pack.schema.json\n")
    assert (path.parent / "pack.schema.json").exists()
    # YAML 1.2, in which `on` and `off` are words, as editors and the loader read it
    loader: Any = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items():
        keep = [(tag, rx) for tag, rx in found if not tag.endswith(":bool") or first in "tTfF"]
        loader.yaml_implicit_resolvers[first] = keep
    jsonschema.validate(yaml.load(text, loader), SCHEMA)


@pytest.mark.parametrize("pack", [{}, {"pack": "a", "rulez": []}, {"pack": "a", "rules": [{"id": "x"}]}])
def test_the_schema_refuses_what_the_loader_refuses(pack: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(pack, SCHEMA)
