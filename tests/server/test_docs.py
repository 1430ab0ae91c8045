"""What docs/server.md, docs/offline-install.md and the units say is what the code does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

import rli_agent.dashboards
from rli_agent.server.configure.settings import Settings
from rli_agent.server.install.releases import release
from rli_agent.server.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
SERVER = (ROOT / "docs" / "server.md").read_text()
OFFLINE = (ROOT / "docs" / "offline-install.md").read_text()
UNITS = sorted((ROOT / "samples" / "systemd").glob("*.service"))


def test_every_setting_is_shown_with_its_default() -> None:
    shown = re.search(r"```yaml\n(bind: .*?)```", SERVER, re.DOTALL)
    assert shown is not None
    assert yaml.safe_load(shown[1]) == msgspec.to_builtins(Settings())


def test_the_table_of_versions_is_right() -> None:
    for program in PROGRAMS:
        row = re.search(rf"\| {program.title} \| (.*) \| (.*) \| (\S+).* \|", SERVER)
        assert row is not None
        assert row.groups() == (str(program.minimum), str(program.reference), str(program.current))


def test_every_alert_is_listed_and_no_other() -> None:
    rules = yaml.safe_load((Path(rli_agent.dashboards.__path__[0]) / "rli-agent.rules.yml").read_text())
    known = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", SERVER, re.MULTILINE)) == known


def test_the_addresses_to_fetch_from_are_those_that_would_be_used() -> None:
    """The page fetches BASE/FILE; the code knows whole addresses."""
    for program in PROGRAMS:
        it = release(program, program.reference, "amd64")
        assert it is not None
        base, _, archive = it.url.rpartition("/")
        assert re.search(rf"base={re.escape(base)}(  +#.*)?\n", OFFLINE)
        assert f"curl -fLO $base/{archive}\n" in OFFLINE
        sums = it.sums[0].rpartition("/")[2]
        assert f"$base/{sums}" in OFFLINE


@pytest.mark.real
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    """All but the path of the agent, which is the user's."""
    text = unit.read_text().replace("%h/.local/bin/rli-agent", sys.executable)
    assert verified(tmp_path, unit.name, text) == ""
    assert "Unknown key 'KillMod'" in verified(tmp_path, unit.name, text.replace("[Service]", "[Service]\nKillMod=all"))


def verified(folder: Path, name: str, text: str) -> str:
    """What systemd says of a unit."""
    named = folder / name.replace("@.", "@data-run.")
    named.write_text(text)
    environment = {"XDG_RUNTIME_DIR": str(folder), "PATH": os.environ["PATH"]}
    line = ["systemd-analyze", "verify", "--user", str(named)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, env=environment).stderr


@pytest.mark.real
def test_the_demo_ends_with_answers() -> None:
    command = [sys.executable, "-m", "rli_agent", "server", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'query=max by \(run, role\) .*\n    \{role="orchestrator", run="[^"]+"\} 12\n', done.stdout)
    assert done.stdout.endswith("prometheus has ended\n")
