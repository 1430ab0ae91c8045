"""`rli-agent bundle`: one file with what a bug report needs, and nothing that nobody else may see."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from planted_secrets import planted

from rli_agent.cli import main

SAMPLES = Path(__file__).parents[1] / "samples"
FRAMEWORKS = ("areal", "nemo-rl", "openrlhf", "prime-rl", "skyrl", "slime", "trl", "verl")
ASKED = "Natalia sold clips to 48 of her friends"
SECRETS = planted(7)
ENVIRONMENT = "envSecret0of9The8Shell"


def run_with_secrets(folder: Path) -> Path:
    """A run that fails, whose log and configurations hold every kind of secret, and prompts."""
    run = folder / "run"
    (run / "logs").mkdir(parents=True)
    (run / "configs").mkdir()
    lines = ["09:30:05    INFO Starting RL trainer in World(world_size=8)", "09:30:06    INFO torch==2.6.0"]
    for number, one in enumerate(SECRETS):
        lines += [f"09:31:{number % 60:02}    INFO {one.text.splitlines()[0]}", *one.text.splitlines()[1:]]
        lines += [f"[prompt] {ASKED}", f"{ASKED} and more", f"09:32:00    INFO with {one.secret.splitlines()[0]} again"]
    lines += [
        f"09:33:00    INFO shell has {ENVIRONMENT}",
        "09:33:01   ERROR Traceback (most recent call last):",
        '  File "/home/ada/train.py", line 3, in main',
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of 80.00 GiB",
        "",
    ]
    (run / "logs" / "trainer.log").write_text("\n".join(lines))
    settings = ("\n".join(f"  {line}" for line in one.text.split("\n")) for one in SECRETS)
    config = "\n".join(f"setting_{number}:\n{text}" for number, text in enumerate(settings))
    (run / "configs" / "trainer.yaml").write_text(f"max_steps: 12\nsystem_prompt: {ASKED} and so on\n{config}\n")
    return run


def packed(run: Path, folder: Path, *options: str) -> tuple[Path, str]:
    target = folder / "out.tar.gz"
    done = subprocess.run(
        [sys.executable, "-m", "rli_agent", "bundle", run, "-o", target, "--state-dir", folder / "state", *options],
        env={**os.environ, "MY_API_KEY": ENVIRONMENT}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target, done.stdout


def contents(bundle: Path) -> dict[str, str]:
    with tarfile.open(bundle) as archive:
        assert all(member.isfile() and not member.name.startswith(("/", "..")) for member in archive)
        return {m.name.partition("/")[2]: archive.extractfile(m).read().decode() for m in archive.getmembers()}  # type: ignore[union-attr]


@pytest.mark.real
def test_no_secret_and_no_prompt_is_in_it(tmp_path: Path) -> None:
    bundle, said = packed(run_with_secrets(tmp_path), tmp_path)
    found = contents(bundle)
    everything = "\n".join(found.values()) + said
    assert len(SECRETS) >= 30
    for one in SECRETS:
        for part in one.secret.split():
            if len(part) >= 8:  # the words of a pass phrase are words of other texts too
                assert part not in everything, one.kind
    assert "correct horse" not in everything
    assert ENVIRONMENT not in everything
    assert "Natalia" not in everything
    assert bundle.stat().st_mode & 0o077 == 0


@pytest.mark.real
def test_what_a_bug_report_needs_is_in_it(tmp_path: Path) -> None:
    bundle, said = packed(run_with_secrets(tmp_path), tmp_path)
    found = contents(bundle)
    assert "cuda_oom" in found["problems.jsonl"]
    assert "GPU out of memory" in found["diagnosis.txt"].splitlines()[0]
    assert "torch.OutOfMemoryError: CUDA out of memory" in found["logs/logs/trainer.log"]
    assert '  File "/home/ada/train.py", line 3, in main' in found["logs/logs/trainer.log"]
    assert "max_steps: 12" in found["configs/configs/trainer.yaml"]
    assert json.loads(found["versions.json"])["named by the run"]["torch"] == ["2.6.0"]
    assert json.loads(found["status.json"])["health"] == "Degraded"
    assert json.loads(found["timeline.trace.json"])["traceEvents"]
    assert re.match(r"\S+out\.tar\.gz: \d+ files, \d+ kB; \d{2,} secrets cut out\n", said)


@pytest.mark.real
def test_the_manifest_tells_what_is_in_it_and_what_was_cut(tmp_path: Path) -> None:
    bundle, said = packed(run_with_secrets(tmp_path), tmp_path)
    found = contents(bundle)
    manifest = json.loads(found.pop("manifest.json"))
    assert {f["name"] for f in manifest["files"]} == found.keys()
    for file in manifest["files"]:
        assert file["sha256"] == hashlib.sha256(found[file["name"]].encode()).hexdigest()
        assert file["name"] in said
    cut = sum(text.count("[redacted: ") for text in found.values())
    assert sum(manifest["cut"]["secrets"].values()) == cut
    assert manifest["cut"]["prompt_lines"] > len(SECRETS)


@pytest.mark.real
def test_prompts_stay_if_asked_for_and_secrets_do_not(tmp_path: Path) -> None:
    bundle, _ = packed(run_with_secrets(tmp_path), tmp_path, "--with-prompts")
    found = contents(bundle)
    assert f"[prompt] {ASKED}" in found["logs/logs/trainer.log"]
    assert next(one.secret for one in SECRETS if one.kind == "openai") not in "".join(found.values())


@pytest.mark.real
def test_rollouts_are_in_it_only_if_asked_for(tmp_path: Path) -> None:
    bundle, _ = packed(SAMPLES / "verl", tmp_path, "--with-prompts")
    answer, *hits = map(json.loads, contents(bundle)["rollouts.jsonl"].splitlines())
    assert len(hits) >= 4
    assert {hit["step"] for hit in hits} == {answer["step"]}


@pytest.mark.real
def test_people_are_cut_if_asked_for(tmp_path: Path) -> None:
    bundle, _ = packed(run_with_secrets(tmp_path), tmp_path, "--people")
    assert "/home/ada" not in "".join(contents(bundle).values())


@pytest.mark.real
def test_it_is_no_larger_than_asked_and_says_what_had_no_room(tmp_path: Path) -> None:
    run = run_with_secrets(tmp_path)
    with (run / "logs" / "trainer.log").open("a") as log:
        for n in range(60_000):
            log.write(f"09:34:00    INFO nothing much happens for the time number {n}\n")
    bundle, said = packed(run, tmp_path, "--most", "0.05MB")
    found = contents(bundle)
    assert sum(len(text.encode()) for name, text in found.items() if name != "manifest.json") <= 50_000
    assert "no room: logs/logs/trainer.log" in said
    whole, _ = packed(run, tmp_path, "--force")
    log_text = contents(whole)["logs/logs/trainer.log"]
    assert len(log_text) < 400_000
    assert re.search(r"\[left out: [\d,]+ bytes\]", log_text)
    assert "time number 59999" in log_text


@pytest.mark.real
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_frameworks_run_can_be_packed(framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bundle", str(SAMPLES / framework), "-o", str(tmp_path / "b.tar.gz"), "--state-dir", str(tmp_path)]
    assert main(asked) == 0
    assert "0 secrets cut out" in capsys.readouterr().out.splitlines()[0]
    found = contents(tmp_path / "b.tar.gz")
    assert {"manifest.json", "status.json", "diagnosis.txt", "versions.json"} <= found.keys()
    assert any(name.startswith("logs/") for name in found)
    assert "rollouts" not in " ".join(found)


def test_nothing_to_pack_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["bundle", str(tmp_path / "empty"), "--state-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: there is nothing to pack: ")
    assert main(["bundle", str(SAMPLES / "verl"), "--most", "much"]) == 2
    assert "--most 'much' is neither" in capsys.readouterr().err
