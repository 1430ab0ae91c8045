"""`rli-agent status --restart-hint`: the command that would resume a run, and that nothing is started."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from prime_rl_logs import write_run

import rli_agent.samples
from rli_agent.cli import main


def hint(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    main(["status", str(run), "--restart-hint", "--state-dir", str(tmp_path / "state")])
    return capsys.readouterr().out.splitlines()


def commands(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("#")]


def test_what_wandb_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", ago=9000.0)
    noted = run / "wandb/offline-run-20260822_060000-ab12/files/wandb-metadata.json"
    noted.parent.mkdir(parents=True)
    noted.write_text(json.dumps({"program": "/x/rl", "args": ["@", "my config.toml"]}))
    lines = hint(run, tmp_path, capsys)
    assert lines[0].startswith("# Down: stalled")
    assert commands(lines) == ["python3 /x/rl @ 'my config.toml' --ckpt.resume-step -1"]


def test_verl_s_overrides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(Path(rli_agent.samples.__path__[0]) / "verl", run)
    (command,) = commands(hint(run, tmp_path, capsys))
    words = shlex.split(command)
    assert words[:3] == ["python3", "-m", "verl.trainer.main_ppo"]
    assert words[-1] == "trainer.resume_mode=auto"


def test_a_batch_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", ago=9000.0)
    (run / "rl.sbatch").write_text("#!/bin/bash\n")
    assert commands(hint(run, tmp_path, capsys)) == [f"sbatch {run / 'rl.sbatch'}"]


def test_a_run_that_goes_on_would_run_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = hint(write_run(tmp_path / "run"), tmp_path, capsys)
    assert lines[1].startswith("# The run goes on")
    assert commands(lines) == [], "nothing says how it was started"
    assert "--ckpt.resume-step -1" in lines[-1]


def test_the_line_for_the_launcher_s_window_types_the_command_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "it's a run", ago=9000.0)
    (run / "rl.sbatch").write_text("#!/bin/bash\n")
    folder, typed = tmp_path / "bin", tmp_path / "typed"
    folder.mkdir()
    (folder / "tmux").write_text(
        '#!/bin/sh\ncase "$1" in\nlist-windows) echo work:shell; echo work:Launcher;;\n'
        f'*) printf "%s\\n" "$@" > {typed};;\nesac\n'
    )
    (folder / "tmux").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    command, keys = commands(hint(run, tmp_path, capsys))
    assert not typed.exists(), "nothing was sent"
    subprocess.run(["sh", "-c", keys], check=True)
    assert typed.read_text().splitlines() == ["send-keys", "-t", "work:Launcher", command, "Enter"]


@pytest.mark.real
@pytest.mark.parametrize(
    "noted", ['{"program": "x", "args": ["a\\nrm -rf /"]}', '{"program": ["x"]}', "[]", "not JSON", '{"args": 3}']
)
def test_what_cannot_be_a_command_line_is_none(noted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", ago=9000.0)
    path = run / "wandb/run-20260822_060000-ab12/files/wandb-metadata.json"
    path.parent.mkdir(parents=True)
    path.write_text(noted)
    lines = hint(run, tmp_path, capsys)
    assert commands(lines) == []
    assert "is not known here" in lines[-1]


def test_words_of_a_shell_stay_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", ago=9000.0)
    path = run / "wandb/run-20260822_060000-ab12/files/wandb-metadata.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"program": "train.py", "args": ["$(touch owned)", "; touch owned"]}))
    (command,) = commands(hint(run, tmp_path, capsys))
    assert shlex.split(command)[2:4] == ["$(touch owned)", "; touch owned"]
