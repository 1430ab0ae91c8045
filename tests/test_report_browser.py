"""A report in a browser: its script runs under its policy, and it asks for nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from report_pages import Page, report

from rli_agent.samples.make_samples import RUNS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.real
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
@pytest.mark.parametrize("framework", ["prime-rl", "verl"])
def test_the_script_comes_to_its_end_without_a_complaint(framework: str, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    RUNS[framework]().write(tmp_path / "run")
    report(tmp_path / "run", home=tmp_path)
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr", "--dump-dom", (tmp_path / "report.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    complaints = [line for line in done.stderr.splitlines() if re.search(r"CONSOLE|Refused to|Content Security", line)]
    assert not complaints
    page = Page(done.stdout)
    sections = page.all("section", "live")  # the last thing that the script does for a timeline
    assert [section.attributes["id"] for section in sections] == ["section-timeline"]
