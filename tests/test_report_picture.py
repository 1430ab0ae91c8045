"""`rli-agent report --png`: the report at a glance."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from report_pages import report
from test_report import refused, steps

from rli_agent.samples.make_samples import RUNS


def size(png: Path) -> tuple[int, int]:
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


@pytest.mark.real
@pytest.mark.parametrize("framework", ["prime-rl", "verl"])
def test_a_picture_is_drawn_beside_the_page(framework: str, tmp_path: Path) -> None:
    RUNS[framework]().write(tmp_path / "run")
    report(tmp_path / "run", "--png", tmp_path / "run.png", home=tmp_path)
    assert size(tmp_path / "run.png") == (1600, 1050)
    assert (tmp_path / "run.png").stat().st_size > 50_000


def test_figures_over_magnitudes_and_foreign_letters_are_drawn_without_a_word(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    run = steps(tmp_path / "実験$x_{1}", 12, **{"actor/grad_norm": lambda n: 10.0 ** (n - 6), "actor/entropy": "nan"})
    report(run, "--png", tmp_path / "run.png", home=tmp_path)
    assert size(tmp_path / "run.png") == (1600, 1050)
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_a_run_that_tells_nothing_but_a_failure_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    failure = "Traceback (most recent call last):\nValueError: x\n"
    (tmp_path / "run/train.log").write_text(f"verl/trainer/main_ppo.py\n{failure}")
    report(tmp_path / "run", "--png", tmp_path / "run.png", home=tmp_path)
    assert size(tmp_path / "run.png") == (1600, 1050)


def test_without_matplotlib_it_is_said_and_the_page_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = tmp_path / "r.html"
    said = refused(steps(tmp_path / "run", 2), "-o", page, "--png", tmp_path / "r.png", "--state-dir", tmp_path / "s")
    assert "a picture needs matplotlib" in said
    assert "pip install" in said
    assert page.exists()


@pytest.mark.real
def test_matplotlib_is_not_loaded_where_no_picture_is_asked_for(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 2)
    code = (
        "import sys; from rli_agent.cli import main; "
        f"main(['report', {str(run)!r}, '-o', {str(tmp_path / 'r.html')!r}, '--state-dir', {str(tmp_path / 's')!r}]); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
