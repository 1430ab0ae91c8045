"""`detectors.yaml` and what users' files change of it: every mistake is named with its place and the mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rli_agent.detect.loading import detector_files, load, packaged
from rli_agent.errors import UserError


def changed(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return file


def test_the_packaged_detectors_are_sound() -> None:
    names = [detector.name for detector in packaged()]
    assert len(names) == len(set(names))
    assert {"entropy_collapse", "nan_loss", "throughput_drop", "checkpoint_overdue"} <= set(names)
    assert all(detector.todo and detector.about for detector in packaged())


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    before = {d.name: d for d in packaged()}
    file = changed(tmp_path, "detectors:\n  - {name: reward_plateau, off: true}\n  - {name: kl_explosion, clear: 3}\n")
    after = {d.name: d for d in load([file])}
    assert after["reward_plateau"].off
    assert after["kl_explosion"].clear == 3
    assert after["kl_explosion"].cases == before["kl_explosion"].cases
    assert {n for n in before if after[n] != before[n]} == {"reward_plateau", "kl_explosion"}


def test_a_file_adds_a_threshold_on_any_key(tmp_path: Path) -> None:
    text = "detectors: [{name: hot, cases: [{series: gpu/temp, when: [{test: level, above: 85, times: 3, of: 5}]}]}]"
    assert load([changed(tmp_path, text)])[-1].name == "hot"


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ("{name: kl_explosion, sevrity: info}", "2:26: unknown key `sevrity`; did you mean `severity`?"),
        ("{name: kl_explosio}", "2:5: no detector is called `kl_explosio`; did you mean `kl_explosion`?"),
        ("{name: zzz}", "2:5: no detector is called `zzz`; a new detector needs `cases`"),
        ("{name: a, cases: []}", "a detector needs at least one case"),
        ("{name: a, cases: [{series: x, when: []}]}", "a case needs at least one test"),
        ("{name: a, cases: [{series: x, when: [{test: level}]}]}", "a level test needs `above` or `below`"),
        ("{name: a, cases: [{series: x, when: [{test: level, abov: 1}]}]}", "did you mean `above`?"),
        ("{name: a, cases: [{series: x, when: [{test: levl, above: 1}]}]}", "did you mean `level`?"),
        ("{name: a, cases: [{series: x, when: [{test: shift, towards: up}]}]}", "a shift test needs `by` or `sigmas`"),
        ("{name: a, cases: [{series: x, when: [{test: shift, towards: up, by: 0.5}]}]}", "`by` is a factor"),
        ("{name: a, cases: [{series: x, when: [{test: level, above: 1, times: 0}]}]}", "samples from 1 to 240"),
        ("{name: a, cases: [{series: rl_reward, when: [{test: level, above: 1}]}]}", "did you mean `rl_reward_std`?"),
        ("{name: a, cases: [{series: 'run:waits', when: [{test: level, above: 1}]}]}", "did you mean `run:wait_share`"),
        ("{name: kl_explosion, muted_by: [nan]}", "no detector is called `nan`"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, detector: str, said: str) -> None:
    file = changed(tmp_path, f"detectors:\n  - {detector}\n")
    with pytest.raises(UserError) as error:
        load([file])
    assert str(error.value).startswith(f"{file}:2:")
    assert said in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"detectors: 3", b"[" * 200, b"\x00\x01"])
def test_a_file_that_is_no_yaml_gets_a_clear_message(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.yaml"):
        load([file])


def test_the_example_of_the_documentation_is_sound(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "detectors.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    found = {d.name: d for d in load([changed(tmp_path, example)])}
    assert found["reward_plateau"].off
    assert found["lr_too_high"].cases


def test_users_files_are_looked_up_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    run = tmp_path / "run"
    for folder in (tmp_path / "config" / "rli-agent", run / ".rli-agent"):
        assert detector_files([run]) in ([], [tmp_path / "config" / "rli-agent" / "detectors.yaml"])
        folder.mkdir(parents=True)
        (folder / "detectors.yaml").write_text("detectors: []")
    assert detector_files([run]) == [
        tmp_path / "config" / "rli-agent" / "detectors.yaml", run / ".rli-agent" / "detectors.yaml",
    ]  # fmt: skip


def test_a_file_that_is_not_there_gets_a_clear_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load([tmp_path / "none.yaml"])
