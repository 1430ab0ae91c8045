"""The configurations in samples/beyond, as the programs that read them see them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

SAMPLES = Path(__file__).parents[1] / "samples" / "beyond"


@pytest.mark.parametrize("path", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_it_is_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


@pytest.mark.real
def test_prometheus_takes_its_own() -> None:
    command = ["promtool", "check", "config", "--syntax-only", str(SAMPLES / "prometheus.yml")]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.real
@pytest.mark.skipif(shutil.which("tempo") is None, reason="no tempo is on PATH, and no package of the system brings it")
def test_tempo_takes_its_own() -> None:
    said = subprocess.run(["tempo", "-version"], capture_output=True, text=True)
    if "version 3" in said.stdout + said.stderr:
        pytest.skip("the sample is for Tempo 2")
    command = ["tempo", f"-config.file={SAMPLES / 'tempo-s3.yaml'}", "-config.verify=true"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
