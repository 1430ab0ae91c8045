"""What people asked and models answered is not in a bundle; what machines say is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.bundle.prompts import LogText, PromptCutter
from rli_agent.logs.lines import shown

ASKED = "Natalia sold clips to 48 of her friends in April, and then half as many in May"
#: As consoles print it: verl's reward managers, TRL's table, vLLM until 0.10, SGLang, OpenRLHF, slime, AReaL.
PRINTED = (
    f"[prompt] system\nYou are helpful\nuser\n{ASKED}\n[response] {ASKED}\nmore of it\n[ground_truth] 72\n[score] 1.0",
    f"(TaskRunner pid=12) [prompt] {ASKED}\n(TaskRunner pid=12) {ASKED}\n(TaskRunner pid=12) [response] {ASKED}",
    f"╭──── Step 3 ────╮\n│ │ {ASKED} │ {ASKED} │ 0.00 │\n╰────╯",
    f"INFO 01-14 09:30:05 logger.py:39] Received request cmpl-1: prompt: '{ASKED}', params: SamplingParams(n=1)",
    f"[2026-01-14 09:30:05] Receive: obj=GenerateReqInput(text='{ASKED}', sampling_params={{'n': 1}})",
    f"Sample: ['{ASKED}', 0.85]",
    f"2026-01-14 09:30:05 INFO First rollout sample: ['{ASKED}'], label: 7, reward: 1.0",
    f"2026-01-14 09:30:05 INFO Finish rollout: [{ASKED!r}]",
    f'2026-01-14 09:30:05 INFO {{"prompt": "{ASKED}", "completion": "{ASKED}", "reward": 1.0}}',
    f"2026-01-14 09:30:05 INFO prompt: {ASKED}",
    f"2026-01-14 09:30:05 DEBUG messages=[{{'role': 'user', 'content': '{ASKED}'}}]",
    f"{ASKED}\n\n{ASKED}",
)
#: What stays as it is.
TECHNICAL = (
    "2026-01-14 09:30:05 INFO Starting RL trainer in World(world_size=8, rank=0)",
    "INFO 01-14 09:30:05 [loggers.py:259] Engine 000: Avg prompt throughput: 8163.3 tokens/s, Running: 43 reqs",
    "Traceback (most recent call last):\n"
    '  File "/app/train.py", line 12, in main\n    loss = model(batch)\n'
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
    "slurmstepd: error: *** JOB 12 ON node1 CANCELLED AT 2026-01-14T09:30:05 DUE TO TIME LIMIT ***",
    "node1:12:34 [0] NCCL INFO Channel 00/02 : 0 1",
    "Training:  45%|####5     | 45/100 [02:30<03:03,  3.3s/it]",
    "2026-01-14 09:30:05 ERROR worker died: prompt_length=2048 max_response_length: 1024",
)


def cut(text: str, known: bool = False) -> tuple[str, PromptCutter]:
    cutter = PromptCutter()
    lines = [LogText(line, shown(line.encode())[1], known) for line in text.split("\n")]
    return "\n".join(cutter.log(lines)), cutter


@pytest.mark.parametrize("text", PRINTED)
def test_no_text_of_prompt_or_completion_is_left(text: str) -> None:
    left, cutter = cut(text)
    for piece in ("Natalia", "48 of her", "half as many", "You are helpful", "more of it"):
        assert piece not in left
    assert cutter.lines + cutter.parts > 0


@pytest.mark.parametrize("text", TECHNICAL)
def test_what_machines_say_stays(text: str) -> None:
    left, cutter = cut(text)
    assert left == text
    assert (cutter.lines, cutter.parts) == (0, 0)


def test_lines_that_a_rule_has_read_stay() -> None:
    line = "step:1 - actor/entropy:0.35 - response_length/mean:512.0 - prompt_length/mean:101.5"
    assert cut(line, known=True)[0] == line
    assert "may be of a prompt" in cut(line)[0]


@given(st.lists(st.sampled_from((*PRINTED, *TECHNICAL)), max_size=6))
def test_wherever_it_stands_in_a_log(pieces: list[str]) -> None:
    left, _ = cut("\n".join(pieces))
    assert "Natalia" not in left


@given(st.lists(st.text(max_size=60), max_size=8))
def test_a_text_without_time_or_level_leaves_nothing_but_notes(lines: list[str]) -> None:
    left, cutter = cut("\n".join(f"the {line.replace(chr(10), ' ')}" for line in lines))
    assert all(line.startswith("[cut: ") for line in left.splitlines()) or not lines
    assert cutter.lines == len(lines) or not lines


def test_configurations_keep_settings_and_lose_texts(tmp_path: Path) -> None:
    del tmp_path
    text = (
        f"data:\n  prompt_key: prompt\n  max_prompt_length: 512\n  system_prompt: |\n    {ASKED}\n    {ASKED}\n"
        f"  answer_template: '{ASKED}'\nrollout:\n  n: 8\n  prompt: {ASKED}\nlast: 1\n"
    )
    cutter = PromptCutter()
    left = cutter.config(text)
    assert "Natalia" not in left
    for kept in ("prompt_key: prompt", "max_prompt_length: 512", "n: 8", "last: 1", "answer_template: '[cut: "):
        assert kept in left
    assert cutter.parts == 3
    toml = f'[env]\nsystem_prompt = """\n{ASKED}\n"""\nname = "math"\n'
    assert "Natalia" not in PromptCutter().config(toml)
    assert 'name = "math"' in PromptCutter().config(toml)
