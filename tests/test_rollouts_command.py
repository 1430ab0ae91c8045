"""`rli-agent rollouts`, as a user with nothing but SSH meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rli_agent.cli import main

Run = Callable[..., str]


def rollout(number: int, reward: float | None, completion: str = "Four.", **more: object) -> dict[str, Any]:
    asked = [{"role": "user", "content": f"What is {number // 2}+2?"}]
    return {
        "example_id": number // 2, "reward": reward, "env_name": "math", "prompt": asked,
        "completion": [{"role": "assistant", "content": completion}],
        "token_usage": {"input_tokens": 9, "output_tokens": 5}, **more,
    }  # fmt: skip


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for step in range(3):
        folder = tmp_path / f"run_default/rollouts/step_{step}"
        folder.mkdir(parents=True)
        records = [rollout(n, float(n % 3 == 0), f"Answer {step}-{n}.") for n in range(6)]
        (folder / "train_rollouts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
        (folder / "eval_rollouts.jsonl").write_text(json.dumps(rollout(0, 1.0, env_name="aime")) + "\n")
    return tmp_path


@pytest.fixture
def run(output: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*arguments: str, status: int = 0) -> str:
        assert main(["rollouts", str(output), *arguments]) == status
        said = capsys.readouterr()
        return said.out if status == 0 else said.err

    return ran


def add(output: Path, *records: dict[str, Any] | str) -> None:
    with (output / "run_default/rollouts/step_2/train_rollouts.jsonl").open("a") as file:
        file.writelines(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records)


def objects(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_the_first_line_says_how_the_newest_step_is(run: Run) -> None:
    first, *rest = run().splitlines()
    assert first == (
        "step 2, train: 6 rollouts, reward 0.3333 ± 0.471 (0 to 1), 66.7% of 3 prompts solved, "
        "1 of 3 prompts without any spread of the reward, 5 tokens a response (at most 5)"
    )
    text = "\n".join(rest)
    assert text.index("Answer 2-1.") < text.index("Answer 2-2.") < text.index("Answer 2-4."), "the worst, in order"
    assert "What is 0+2?" in text
    assert "train_rollouts.jsonl:2" in text


def test_any_step_phase_and_environment_can_be_asked_for(run: Run) -> None:
    assert run("--step", "1").startswith("step 1, train: 6 rollouts")
    assert run("--eval").startswith("step 2, eval: 1 rollouts")
    assert run("--step", "0", "--eval", "--env", "aime", "--best", "1").startswith("step 0, eval: 1 rollouts")
    assert "there are steps 0 to 2" in run("--step", "9", status=2)
    assert "no rollouts of chess were found" in run("--env", "chess", status=2)


def test_the_best_and_those_with_an_error_or_cut_off(run: Run, output: Path) -> None:
    add(output, rollout(7, 0.9, "Best."), rollout(8, None, "Bad.", error={"error": "SandboxError"}))
    add(output, rollout(9, 0.5, "Long.", is_truncated=True))
    assert "Best." not in run("--worst", "1")
    best = run("--best", "3")
    assert best.index("Answer 2-0.") < best.index("Answer 2-3.") < best.index("Best.")
    failed = run("--errored")
    assert "1 of them with errors" in failed
    assert "SandboxError" in failed
    assert "Bad." in failed
    assert "Long." in run("--truncated")
    assert [o["reward"] for o in objects(run("--json", "--worst", "2"))[1:]] == [None, 0.0], "no reward is the worst"


def test_the_same_prompt_can_be_followed_over_the_steps(run: Run) -> None:
    lines = run("--prompt", "What is 1+2?").splitlines()
    assert len(lines) == 3
    assert all("2 rollouts, reward 0.5" in line for line in lines)
    assert "no prompt holds" in run("--prompt", "nowhere", status=2)
    assert "2 of them with this prompt" in run("--prompt", "What is 1+2?", "--step", "1")


def test_long_texts_are_cut_in_their_middle_unless_asked_for_whole(run: Run, output: Path) -> None:
    add(output, rollout(6, -1.0, "begin " + "x" * 5000 + " middle " + "y" * 5000 + " end"))
    short, whole = run("--worst", "1"), run("--worst", "1", "--full")
    assert "begin" in short
    assert "end" in short
    assert "bytes left out" in short
    assert "middle" not in short
    assert "middle" in whole


def test_what_a_model_writes_is_shown_and_never_obeyed(run: Run, output: Path) -> None:
    add(output, rollout(6, -1.0, "\x1b[2J\x1b]0;title\x07 red \ud800 alert"))
    said = run("--worst", "1")
    assert not {"\x1b", "\x07", "\ud800"} & set(said)
    assert "alert" in said
    assert "alert" in objects(run("--worst", "1", "--json"))[1]["completion"][0]


def test_bad_lines_are_counted_and_passed_over(run: Run, output: Path) -> None:
    add(output, "{broken\n", "[1]\n", "\n", '{"other": 1}\n', '{"example_id": 7, "reward": 1.0')
    assert "step 2, train: 6 rollouts" in run()
    assert run().splitlines()[0].endswith("; 2 lines could not be read")


def test_without_rollouts_it_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollouts", str(tmp_path)]) == 2
    assert "no rollout files" in capsys.readouterr().err
    assert main(["rollouts", str(tmp_path / "gone")]) == 2
    assert "no such file or directory" in capsys.readouterr().err
