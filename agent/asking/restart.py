"""The command line that would resume a run, for a person to run. Nothing is ever started or ended here.

How each framework resumes: prime-rl's `--ckpt.resume-step` (-1: the newest checkpoint, since 2025-10), verl's
`trainer.resume_mode` (0.2 on), SkyRL's `trainer.resume_mode`, OpenRLHF's `--load_checkpoint`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml
from msgspec import Struct

from rli_agent.answer.report import Report
from rli_agent.machine.processes import command_line
from rli_agent.machine.programs import output

#: Framework → what to add to its command line, and what that does or else is to be done.
RESUME = {
    "prime-rl": (["--ckpt.resume-step", "-1"], "it goes on from the newest checkpoint"),
    "verl": (["trainer.resume_mode=auto"], "it goes on from the newest checkpoint in trainer.default_local_dir"),
    "skyrl": (["trainer.resume_mode=latest"], "it goes on from the newest checkpoint in trainer.ckpt_path"),
    "openrlhf": (["--load_checkpoint"], "it goes on from the checkpoint in --ckpt_path"),
    "nemo-rl": ([], "NeMo RL goes on from the newest checkpoint in checkpointing.checkpoint_dir by itself"),
    "areal": ([], "AReaL goes on where its configuration says so (recover.mode, before that recover_mode: auto)"),
    "slime": ([], "slime goes on where --load names the directory that --save does"),
    "trl": ([], "the script must call trainer.train(resume_from_checkpoint=True)"),
}  # fmt: skip
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
#: A file that says how a run was started is small.
_LARGEST = 1 << 20


class Start(Struct, frozen=True):
    """How the run was started: `known` says by what that is known."""

    words: list[str]
    known: str
    folder: str | None = None


def restart_hint(report: Report) -> list[str]:
    """Lines for a shell: comments, and the command that a person may run."""
    lines = ["# Nothing was started or ended. To resume the run, somebody may run this:"]
    if report.progress.life in ("running", "starting") and report.health != "Down":
        lines.insert(0, "# The run goes on: started once more now, it would run twice.")
    more, what = RESUME.get(report.run.framework or "", ([], "see how its framework resumes"))
    start = _start(report)
    if start is None:
        added = f", with {shlex.join(more)} added" if more else ""
        return [*lines, f"# The command line that started it is not known here: repeat it{added}; {what}."]
    batch = start.words[0] == "sbatch"
    words = start.words if batch or set(more) <= set(start.words) else [*start.words, *more]
    command = f"cd {shlex.quote(start.folder)} && {shlex.join(words)}" if start.folder else shlex.join(words)
    lines += [f"# (as {start.known} has it; {what})", command]
    if batch and more:
        lines.append(f"# The job resumes if its configuration says so ({shlex.join(more)}).")
    window = _launcher()
    if window is not None:
        lines += ["# In the tmux window for that:", f"tmux send-keys -t {window} {shlex.quote(command)} Enter"]
    return lines


def _start(report: Report) -> Start | None:
    root = Path(report.run.root)
    folder = root if root.is_dir() else root.parent
    for found in (_of_processes(report), _of_wandb(folder), _of_batch_script(folder), _of_hydra(folder, report)):
        if found is not None and not any(_CONTROL.search(word) for word in found.words):
            return found
    return None


def _of_processes(report: Report) -> Start | None:
    """The launcher, which started the others."""
    for process in report.processes:
        words = command_line(process.pid)
        if process.because == "was started with the run's directory" and len(words) > 1:
            try:
                place = os.readlink(f"/proc/{process.pid}/cwd")
            except OSError:
                place = None
            return Start(words, f"process {process.pid}", place)
    return None


def _of_wandb(folder: Path) -> Start | None:
    """What W&B notes of each run: the program and its arguments."""
    for path in _newest(folder, "wandb/*run-*/files/wandb-metadata.json"):
        try:
            said = json.loads(path.read_bytes()[:_LARGEST])
            program, words = said["program"], said.get("args") or []
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(program, str) and isinstance(words, list) and all(isinstance(word, str) for word in words):
            return Start(["python3", program, *words], os.path.relpath(path, folder))
    return None


def _of_batch_script(folder: Path) -> Start | None:
    for path in _newest(folder, "*.sbatch"):
        return Start(["sbatch", str(path)], path.name)
    return None


def _of_hydra(folder: Path, report: Report) -> Start | None:
    """Hydra notes what was overridden; verl's entry point is known."""
    if report.run.framework != "verl":
        return None
    for path in _newest(folder, "**/.hydra/overrides.yaml"):
        try:
            words = yaml.safe_load(path.read_bytes()[:_LARGEST])
        except (OSError, yaml.YAMLError):
            continue
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return Start(["python3", "-m", "verl.trainer.main_ppo", *words], os.path.relpath(path, folder))
    return None


def _newest(folder: Path, pattern: str) -> Sequence[Path]:
    def changed(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    return sorted((p for p in folder.glob(pattern) if p.is_file()), key=changed, reverse=True)


def _launcher() -> str | None:
    """The tmux window called Launcher, as prime-rl's runbook has it; None where there is no tmux."""
    windows = (output(["tmux", "list-windows", "-a", "-F", "#{session_name}:#{window_name}"]) or "").splitlines()
    found = next((window for window in windows if window.endswith(":Launcher")), None)
    return shlex.quote(found) if found is not None else None
