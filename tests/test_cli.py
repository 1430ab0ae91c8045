"""The command line: what it answers, what it says of mistakes, and that no traceback reaches a user."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import rli_agent.parsing
from rli_agent.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "prime-rl"
AGENT = [sys.executable, "-m", "rli_agent"]
LINE = "2026-08-25 06:30:00,000 ERROR the disk of the moon is full\n"


def events(printed: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: rli-agent {name}" in capsys.readouterr().out


def test_an_unknown_command_is_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["whatch"]) == 2
    assert "No such command 'whatch'. Did you mean 'watch'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "first"),
    [(["whatch"], "No such command 'whatch'. Did you mean 'watch'?"),
     (["watch", "--one"], "No such option '--one'"),
     (["parse"], "Missing argument 'PATH...'."),
     (["watch", ".", "--from", "here"],
      "Invalid value for '--from': 'here' is not one of 'start', 'end', 'checkpoint'.")],
)  # fmt: skip
def test_the_first_line_says_what_is_wrong(capsys: pytest.CaptureFixture[str], given: list[str], first: str) -> None:
    assert main(given) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"error: {first}")
    assert lines[1].startswith("  Usage: rli-agent ")


@pytest.mark.parametrize("command", ["parse", "rules explain", "detect", "diagnose"])
def test_what_cannot_be_read_is_said_in_one_form(command: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss":\n{"step": 2, "loss": 0.5}\n')
    done = subprocess.run([*AGENT, *command.split(), tmp_path], capture_output=True, text=True, timeout=60)
    assert "rli_agent.track" not in done.stderr
    assert ("cannot be read and are skipped" in done.stderr) == (command != "diagnose")


def test_a_path_for_a_command_is_answered_with_the_commands_that_take_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([str(tmp_path)]) == 2
    assert f"rli-agent status {tmp_path}; " in capsys.readouterr().err


@pytest.mark.parametrize("group", [[], ["runs"], ["rules"], ["config"], ["alerts"], ["server"]])
def test_the_list_of_commands_ends_no_line_in_dots(capsys: pytest.CaptureFixture[str], group: list[str]) -> None:
    assert main([*group, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "..." not in printed.partition("Options:")[2]


def test_version_names_what_a_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("rli-agent ", "Python 3.", "SQLite 3.", "msgspec "))


def test_a_users_mistake_is_one_sentence_and_a_hint(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["parse", str(tmp_path / "gone")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"error: {tmp_path / 'gone'}: no such file or directory"
    assert said[1].startswith("  give ")


def test_a_fault_of_ours_is_one_line_and_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(rli_agent.parsing, "parse_paths", lambda *_: 1 / 0)
    assert main(["parse", str(SAMPLE)]) == 70
    (line,) = capsys.readouterr().err.splitlines()
    found = re.fullmatch(
        r"internal error: ZeroDivisionError: division by zero; please report it, details are in (\S+)", line
    )
    assert found is not None
    assert "Traceback" in Path(found[1]).read_text()


def test_a_fault_is_told_also_where_its_details_cannot_be_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    monkeypatch.setattr(rli_agent.parsing, "parse_paths", lambda *_: 1 / 0)
    assert main(["parse", str(SAMPLE)]) == 70
    (line,) = capsys.readouterr().err.splitlines()
    assert "the details could not be written" in line


def test_an_interrupt_ends_without_a_word(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rli_agent.parsing, "parse_paths", interrupted)
    assert main(["parse", str(SAMPLE)]) == 130
    assert "Traceback" not in "".join(capsys.readouterr())


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen([*AGENT, "parse", SAMPLE], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_parse_reads_standard_input() -> None:
    result = subprocess.run([*AGENT, "parse", "-"], input=LINE, capture_output=True, text=True, check=True)
    (problem,) = events(result.stdout)
    assert (problem["type"], problem["level"], problem["line"]) == ("problem", "ERROR", 1)


def test_standard_input_goes_with_no_other_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", "-", str(SAMPLE)]) == 2
    assert "standard input" in capsys.readouterr().err


@pytest.mark.parametrize(("zone", "utc"), [("UTC", 1787639400.0), ("Asia/Tokyo", 1787607000.0)])
def test_stamps_without_a_zone_are_read_in_the_given_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, zone: str, utc: float
) -> None:
    (tmp_path / "train.log").write_text(LINE)
    assert main(["parse", "--zone", zone, str(tmp_path)]) == 0
    times = [e["time"] for e in events(capsys.readouterr().out) if e["type"] == "problem"]
    assert times == [utc]


def test_an_unknown_zone_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["parse", "--zone", "Moon/Tranquility", str(tmp_path)]) == 2
    assert "no time zone is called 'Moon/Tranquility'" in capsys.readouterr().err


def test_watch_once_reads_a_run_and_says_how_it_ended(tmp_path: Path) -> None:
    command = [*AGENT, "watch", "--once", "--listen", "none", "--state-dir", str(tmp_path), str(SAMPLE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "step 12 of 12" in result.stdout.splitlines()[-1]


# -- rules


def block_of(page: Path) -> str:
    """The first rule pack that a page of the documentation shows."""
    shown = re.search(r"```yaml\n(pack: .*?)```", page.read_text(), re.DOTALL)
    assert shown is not None
    return shown[1]


@pytest.mark.parametrize("page", ["README.md", "docs/rule-packs.md"])
def test_the_pack_that_the_documentation_shows_passes_the_check(
    page: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pack = tmp_path / "my-trainer.yaml"
    pack.write_text(block_of(ROOT / page))
    assert main(["rules", "check", str(pack)]) == 0, capsys.readouterr().out
    assert " 0 errors, " in capsys.readouterr().out


def test_a_pack_whose_example_fails_does_not_pass(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(block_of(ROOT / "README.md"))
    bad.write_text(good.read_text().replace("value: 0.5", "value: 0.6"))
    assert good.read_text() != bad.read_text()
    assert main(["rules", "check", str(good), str(bad)]) == 1
    said = capsys.readouterr().out
    assert re.search(rf"error: {bad}:\d+:\d+: 'iter 3: .*expected .*; if the rules are right, write expect: ", said)


def test_a_file_that_is_no_pack_is_told_with_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pack = tmp_path / "broken.yaml"
    pack.write_text("pack: broken\nruels: []\n")
    assert main(["rules", "check", str(pack)]) == 1
    assert f"error: {pack}:2:" in capsys.readouterr().out


def test_the_list_shows_which_of_two_packs_is_in_force(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "verl.yaml"
    mine.write_text(block_of(ROOT / "README.md").replace("pack: my-trainer", "pack: verl"))
    assert main(["rules", "list", "--rules", str(mine)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("verl ")]
    assert len(lines) == 2
    assert lines[0].endswith(f"(not in force: {mine} has the same name)")
    assert lines[1].endswith(str(mine))


def test_the_list_fails_for_a_pack_that_cannot_be_loaded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("pack: [\n")
    assert main(["rules", "list", "--rules", str(tmp_path)]) == 1
    assert "broken.yaml:" in capsys.readouterr().err
