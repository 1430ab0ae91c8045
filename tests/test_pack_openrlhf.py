"""OpenRLHF until 0.8.1: figures behind a bar that is drawn again, overwritten, and cut by Ray's log reader."""

from __future__ import annotations

from datetime import timezone

import pytest

from rli_agent.events import Interval, Samples, Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.rulebook import packaged_rules

SOURCE = Source("driver.log", "trainer", packs=("openrlhf",))
RAY = "(PPOTrainer pid=7) "


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet([load_pack(packaged_rules() / "openrlhf.yaml")], SOURCE)


def read(rules: RuleSet, *lines: str) -> list[tuple[int, int | None, str, float]]:
    parser = SourceParser(SOURCE, rules, timezone.utc, 0.0)
    events = parser.feed("".join(line + "\n" for line in lines).encode(), 0, 1) + parser.flush()
    samples = [e for e in events if isinstance(e, Samples)]
    return [(e.line, e.step, n, v) for e in samples for n, v in zip(e.shape.names, e.values, strict=True)]


def bar(done: int, figures: str, episode: int = 1) -> str:
    return f"\rEpisode [{episode}/2]: {done:3}%|#   | {done}/31 [01:17<38:30, 77.00s/it, {figures}]"


def test_a_step_drawn_before_and_after_it_advances_is_one(rules: RuleSet) -> None:
    line = RAY + bar(0, "reward=0.1") + bar(1, "reward=0.1") + bar(1, "reward=0.2") + bar(2, "reward=0.2")
    assert read(rules, line) == [(1, 1, "train/reward", 0.1), (1, 2, "train/reward", 0.2)]


def test_a_bar_drawn_again_on_the_next_line_says_nothing_new(rules: RuleSet) -> None:
    again = RAY + bar(1, "reward=0.1")
    assert read(rules, again, again, RAY + bar(2, "reward=0.1, kl=0.5")) == [
        (1, 1, "train/reward", 0.1),
        (3, 2, "train/reward", 0.1),
        (3, 2, "train/kl", 0.5),
    ]


def test_steps_of_later_episodes_go_on_counting(rules: RuleSet) -> None:
    lines = [RAY + bar(31, "reward=0.1"), RAY + bar(1, "reward=0.2", 2), RAY + bar(2, "reward=0.3", 2)]
    assert [step for _, step, _, _ in read(rules, *lines)] == [31, 32, 33]
    assert [step for _, step, _, _ in read(rules, lines[1])] == [None]


def test_a_bar_overwritten_in_the_middle_of_a_figure_says_nothing(rules: RuleSet) -> None:
    cut = RAY + bar(1, "reward=0.1, actor_lr=6.72e-").rstrip("]")
    whole = bar(2, "reward=0.2, actor_lr=6.7e-7").lstrip("\r")
    assert read(rules, cut + whole) == [(1, 2, "train/reward", 0.2), (1, 2, "train/actor_lr", 6.7e-7)]


def test_generation_shows_while_it_goes_on(rules: RuleSet) -> None:
    parser = SourceParser(SOURCE, rules, timezone.utc, 0.0)
    first = f"{RAY}\rGenerate samples:   0%|          | 0/128 [00:00<?, ?it/s]\n".encode()
    begun = [e for e in parser.feed(first, 0, 1, 1000.0) if isinstance(e, Interval)]
    assert [(e.state, e.start, e.end) for e in begun] == [("rollout", 1000.0, None)]
    then = f"{RAY}INFO 04-14 22:58:43 experience_maker.py:116] 🚀 Starting experience making with 8 samples\n".encode()
    parser.feed(then, len(first), 2, 1060.0)
    assert [o.state for o in parser.state.opened.values()] == ["make_experience"]
