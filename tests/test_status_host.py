"""What the machine adds to a run's status: processes by their files, a SLURM job, GPUs. The programs that are asked are
stand-ins on PATH, which print what the real ones do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path

import msgspec
import pytest
from prime_rl_logs import write_run

from rli_agent.answer.report import Report
from rli_agent.cli import main
from rli_agent.machine import gpus, processes, slurm
from rli_agent.machine.gpu_evidence import gpu_evidence
from rli_agent.machine.programs import output

WRITER = """
import sys, time
log = open(sys.argv[1], "a")
print("ready", flush=True)
sys.stdin.read()
"""
READER = WRITER.replace('"a"', '"r"')
SHOWN = (
    "JobId=4711 JobName=rl grpo UserId=ada(1000) JobState={state} Reason=None Requeue=1 RunTime=02:00:00 "
    "TimeLimit=1-00:00:00 StartTime=2026-08-22T06:00:00 EndTime=2026-08-23T06:00:00 NodeList=node[01-02] "
    "Command=/home/ada/rl.sbatch WorkDir=/home/ada StdErr={out} StdIn=/dev/null StdOut={out} Power=\n"
)


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def stand_in(folder: Path, name: str, prints: str, code: int = 0) -> None:
    text = folder / f"{name}.txt"
    text.write_text(prints)
    script = folder / name
    script.write_text(f"#!/bin/sh\ncat {text}\nexit {code}\n")
    script.chmod(0o755)


def status(capsys: pytest.CaptureFixture[str], *arguments: object) -> Report:
    main(["status", "--json", *map(str, arguments)])
    told = capsys.readouterr()
    assert told.out, told.err
    return msgspec.json.decode(told.out, type=Report)


@pytest.fixture
def holder() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def hold(holder: list[subprocess.Popen[str]], script: str, file: Path) -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    holder.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process.pid


def test_a_process_that_writes_the_run_belongs_to_it_and_one_that_reads_it_does_not(
    tmp_path: Path, holder: list[subprocess.Popen[str]]
) -> None:
    run = write_run(tmp_path / "run")
    elsewhere = tmp_path / "elsewhere.log"
    elsewhere.touch()
    log = run / "logs/trainer.log"
    link = tmp_path / "a link, so that the command line does not name the run"
    link.symlink_to(log)
    writer, reader, other = (
        hold(holder, script, file) for script, file in ((WRITER, link), (READER, link), (WRITER, elsewhere))
    )
    found = {p.pid: p for p in processes.of_run(run) if p.sure}
    assert found.keys() == {writer}
    assert found[writer].because == "writes logs/trainer.log"
    assert not {reader, other} & found.keys()


def test_a_run_is_found_by_a_process_of_it(
    tmp_path: Path, holder: list[subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    pid = hold(holder, WRITER, run / "logs/trainer.log")
    report = status(capsys, "--pid", pid, "--state-dir", tmp_path / "state")
    assert report.run.root == str(run)
    assert pid in [p.pid for p in report.processes]


def test_a_run_is_found_by_its_job(tmp_path: Path, bin_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run")
    out = run / "job_4711.log"
    out.touch()
    stand_in(bin_dir, "scontrol", SHOWN.format(state="RUNNING", out=out))
    report = status(capsys, "--job", "4711", "--state-dir", tmp_path / "state", "--zone", "UTC")
    assert report.run.root == str(run)
    assert report.progress.step == 30
    assert report.job == slurm.Job(
        "4711", "RUNNING", None, "node[01-02]", 1787464800.0, str(out), str(out), "/home/ada", "/home/ada/rl.sbatch"
    )


def test_a_job_that_scontrol_has_forgotten_is_asked_of_sacct(bin_dir: Path) -> None:
    stand_in(bin_dir, "scontrol", "slurm_load_jobs error: Invalid job id specified\n", 1)
    stand_in(bin_dir, "squeue", "slurm_load_jobs error: Invalid job id specified\n", 1)
    stand_in(bin_dir, "sacct", "CANCELLED by 1000|None|node01|2026-08-22T06:00:00|/home/ada\n")
    job = slurm.job("4711", timezone.utc)
    assert job == slurm.Job("4711", "CANCELLED", None, "node01", 1787378400.0, work_dir="/home/ada")


def test_squeue_is_enough(bin_dir: Path) -> None:
    stand_in(bin_dir, "squeue", "PENDING|Resources|(null)|N/A|/home/ada\n")
    assert slurm.job("4711", timezone.utc) == slurm.Job("4711", "PENDING", "Resources", work_dir="/home/ada")


@pytest.mark.parametrize("number", ["4711; rm -rf /", "--help", "", "12 13"])
def test_what_is_no_job_id_reaches_no_program(number: str, bin_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in(bin_dir, "scontrol", SHOWN.format(state="RUNNING", out="/x"))
    assert slurm.job(number, timezone.utc) is None
    assert main(["status", "--job", number]) == 2
    assert "is not a job id" in capsys.readouterr().err


def test_the_job_is_known_by_the_environment_of_the_run_s_processes(
    tmp_path: Path, bin_dir: Path, holder: list[subprocess.Popen[str]], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = write_run(tmp_path / "run")
    stand_in(bin_dir, "scontrol", SHOWN.format(state="COMPLETING", out="/gone"))
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    hold(holder, WRITER, run / "logs/trainer.log")
    report = status(capsys, run, "--state-dir", tmp_path / "state")
    assert report.job is not None
    assert report.job.state == "COMPLETING"


def test_gpus_and_what_of_them_the_run_uses(
    tmp_path: Path, bin_dir: Path, holder: list[subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    pid = hold(holder, WRITER, run / "logs/trainer.log")
    smi = bin_dir / "nvidia-smi"
    smi.write_text(
        '#!/bin/sh\ncase "$1" in\n'
        "--query-gpu*) printf '0, NVIDIA H100, 40960, 81559, 97\\n1, NVIDIA H100, 10, 81559, [N/A]\\n';;\n"
        f"*) printf '{pid}, 2048\\n{pid}, 1024\\n7, [N/A]\\n';;\nesac\n"
    )
    smi.chmod(0o755)
    report = status(capsys, run, "--state-dir", tmp_path / "state")
    assert report.gpus == [
        gpus.Gpu(0, "NVIDIA H100", 40960 << 20, 81559 << 20, 0.97),
        gpus.Gpu(1, "NVIDIA H100", 10 << 20, 81559 << 20, None),
    ]
    assert {p.pid: p.gpu_memory_bytes for p in report.processes}[pid] == 3072 << 20


def smi(bin_dir: Path, busy: list[str], pids: list[int]) -> None:
    """An nvidia-smi that says how busy each GPU is, and which processes use them."""
    figures = "".join(f"{n}, NVIDIA H100, 40960, 81920, {share}\\n" for n, share in enumerate(busy))
    used = "".join(f"{pid}, 2048\\n" for pid in pids)
    script = bin_dir / "nvidia-smi"
    script.write_text(f"#!/bin/sh\ncase \"$1\" in\n--query-gpu*) printf '{figures}';;\n*) printf '{used}';;\nesac\n")
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("busy", "meaning"),
    [
        (["0", "2"], "None of them computes"),
        (["96", "100"], "All compute and nothing comes of it"),
        (["100", "0", "99"], "GPU 1 idles while the others are busy"),
        (["40", "0"], None),
        (["[N/A]", "[N/A]"], None),
    ],
    ids=["idle", "busy", "one idles", "some", "unknown"],
)
def test_gpus_of_a_run_that_does_not_move_tell_why(
    busy: list[str], meaning: str | None, tmp_path: Path, bin_dir: Path, holder: list[subprocess.Popen[str]]
) -> None:
    run = write_run(tmp_path / "run")
    smi(bin_dir, busy, [hold(holder, WRITER, run / "logs/trainer.log")])
    figures, *told = gpu_evidence(run)
    assert figures.startswith("GPUs of this machine: 0 ")
    assert "with 40 of 80 GiB used" in figures
    assert [line.startswith(meaning or "?") for line in told] == ([True] if meaning else [])


def test_gpus_that_others_use_say_nothing_of_the_run(
    tmp_path: Path, bin_dir: Path, holder: list[subprocess.Popen[str]]
) -> None:
    run = write_run(tmp_path / "run")
    hold(holder, WRITER, run / "logs/trainer.log")
    assert gpu_evidence(run) == [], "no GPU"
    smi(bin_dir, ["99"], [1])
    assert gpu_evidence(run) == []


def test_diagnose_says_what_the_gpus_do_while_a_run_hangs(
    tmp_path: Path, bin_dir: Path, holder: list[subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", ago=90_000.0)
    smi(bin_dir, ["0"], [hold(holder, WRITER, run / "logs/trainer.log")])
    assert main(["diagnose", str(run)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("stalled")
    assert "None of them computes" in told


def test_a_program_that_hangs_holds_nobody_up(bin_dir: Path) -> None:
    (bin_dir / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    (bin_dir / "squeue").chmod(0o755)
    began = time.monotonic()
    assert output(["squeue"], patience=0.2) is None
    assert time.monotonic() - began < 10.0


def test_programs_that_fail_or_print_junk_tell_nothing(bin_dir: Path) -> None:
    for name in ("nvidia-smi", "scontrol", "squeue", "sacct"):
        stand_in(bin_dir, name, "\x00\ufffd,,,\n|||\n")
    assert gpus.gpus() == []
    assert gpus.memory_by_process() == {}
    assert slurm.job("1", timezone.utc) is None


def test_a_process_of_nobody(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert main(["status", "--pid", str(gone.pid), "--state-dir", str(tmp_path)]) == 2
    assert f"no process {gone.pid}" in capsys.readouterr().err
    assert main(["status", "--pid", str(os.getpid()), "--state-dir", str(tmp_path)]) in (0, 1, 2)
