"""`rli-agent rules new`: a pack from a log that passes its check, whatever the log holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rli_agent.cli import main
from rli_agent.parsers.pack_files import load_pack
from rli_agent.rule_checks import check_pack

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "rule-packs.md").read_text()
WALK = GUIDE[GUIDE.index("## From a log to a pack") : GUIDE.index("## A pack in one minute")]


def drafted(log: Path, target: Path) -> int:
    return main(["rules", "new", "--from", str(log), "--name", "my-trainer", "--to", str(target)])


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_walk_through_comes_true(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = WALK[: WALK.index("\nThen\n")]
    (tmp_path / "train-7.log").write_text("".join(f"{m}\n" for m in re.findall(r"^    (.*)$", text, re.MULTILINE)))
    commands = re.findall(r"^    rli-agent (.*)$", WALK, re.MULTILINE)
    assert main(commands[0].split()) == 0
    pack = tmp_path / "my-trainer.yaml"
    (rules,) = re.findall(r"```yaml\n(.*?)```", WALK, re.DOTALL)
    missing = [line for line in rules.splitlines() if line not in pack.read_text().splitlines()]
    assert missing == []
    assert main(commands[1].split()) == 0
    figures = [e for e in printed(capsys, "parse", "--rules", pack, "train-7.log") if e["type"] == "metric"]
    assert len(figures) == 5 * 3 + 2 + 2
    assert {"name": "tok/s", "step": 5, "value": 1201}.items() <= figures[-2].items()
    better = pack.read_text().replace("(?P<checkpoint>", "(?P<duration>")
    better = better.replace("    metrics:\n      checkpoint: {name: checkpoint, unit: s}\n", "    state: save_ckpt\n")
    pack.write_text(better)
    assert main(commands[1].split()) == 1
    (shown,) = re.findall(r"^    (error: .*)$", WALK, re.MULTILINE)
    assert shown in capsys.readouterr().out.splitlines()
    mend = shown.rpartition("write expect: ")[2]
    for value in ("3.2", "3.3"):
        was = f"expect: [{{name: checkpoint, value: {value}}}]"
        better = better.replace(was, f"expect: {mend.replace('3.2', value)}")
    pack.write_text(better)
    assert main(commands[1].split()) == 0


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["step:{i} - a/b:0.{i} - c/mean@4:{i}.5 - d:1e-0{i} - e:nan"], {"a/b", "c/mean@4", "d", "e"}),
        (["{{'loss': 0.{i}, 'grad_norm': {i}.5, 'epoch': 0.{i}}}"], {"loss", "grad_norm", "epoch"}),
        (['{{"loss": 0.{i}, "reward": {i}.5}}'], {"loss", "reward"}),
        (["[2026-01-02 10:11:1{i}] INFO: update {i} of 9, reward = {i}.5 (took {i}.1s)"], {"reward", "took"}),
        (["step={i}" + "".join(f", part_{n}={{i}}.{n}" for n in range(90))], {f"part_{n}" for n in range(90)}),
        (["loss {i}.5", "loss {i}.5 in {i}1 parts"], {"loss", "parts"}),
        (["Loaded {i}2 files", "noise", "GPU {i}1 °C"], {"files", "GPU"}),
    ],
)
def test_figures_get_the_names_that_stand_beside_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, lines: list[str], names: set[str]
) -> None:
    log, pack = tmp_path / "train.log", tmp_path / "pack.yaml"
    log.write_text("".join(f"{line.format(i=i)}\n" for i in (1, 3, 2, 4) for line in lines))
    assert drafted(log, pack) == 0
    assert main(["rules", "check", str(pack)]) == 0
    metrics = [e for e in printed(capsys, "parse", "--framework", "my-trainer", "--rules", pack, log) if "name" in e]
    assert {e["name"] for e in metrics} == names


def test_what_a_problems_or_an_engines_rule_takes_is_left_to_it(tmp_path: Path) -> None:
    log, pack = tmp_path / "train.log", tmp_path / "pack.yaml"
    oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {i}.00 GiB."
    log.write_text("".join(f"{oom.format(i=i)}\niter {i}: loss 0.{i}\n" for i in range(9)))
    assert drafted(log, pack) == 0
    assert [rule.id for rule in load_pack(pack).rules] == ["iter-loss"]


@pytest.mark.parametrize(("content", "said"), [(b"", "no line with a figure"), (b"hello\nhello\n", "no line with")])
def test_a_log_that_gives_nothing_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, said: str
) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(content)
    assert drafted(log, tmp_path / "pack.yaml") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "pack.yaml").exists()


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log, pack = tmp_path / "train.log", tmp_path / "pack.yaml"
    log.write_text("iter 1: loss 0.5\niter 2: loss 0.25\n")
    pack.write_text("mine")
    assert drafted(log, pack) == 2
    assert "is there already" in capsys.readouterr().err
    assert pack.read_text() == "mine"


WORDS = st.sampled_from(
    re.findall(r"\S+", r"loss it's step x= [k] {q} ( )* k: {0} 1.5 /a/b 's' nan x=nan % \d $ ^ | it, #")
)


@pytest.mark.real
@given(st.lists(st.tuples(st.lists(WORDS, max_size=8), st.integers(3, 5)), min_size=1, max_size=4))
@example([(["{0}"], 4)])  # the word behind the first figure is the name of the second
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_lines_there_are_the_pack_passes_its_check(tmp_path: Path, kinds: list[tuple[list[str], int]]) -> None:
    log, pack = tmp_path / "train.log", tmp_path / "pack.yaml"
    pack.unlink(missing_ok=True)
    lines = [f"{' '.join(words)} value={i}.5".replace("{0}", str(i)) for words, most in kinds for i in range(1, most)]
    log.write_text("".join(f"{line}\n" for line in lines))
    assert drafted(log, pack) == 0
    _, findings = check_pack(pack)
    assert [f.text for f in findings if f.level == "error"] == []
