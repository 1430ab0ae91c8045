"""`rli-agent compare`: two runs side by side, the answer first."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rli_agent.cli import main
from rli_agent.compare.comparison import Comparison
from rli_agent.reference.struct_schema import schema_of

SAMPLES = Path(__file__).parents[1] / "samples"
FRAMEWORKS = ("areal", "nemo-rl", "openrlhf", "prime-rl", "skyrl", "slime", "trl", "verl")
HOSTILE = "</script><script>alert(1)</script>\x1b[2J\u202e"


def make_run(
    folder: Path, seed: int, *, reward: float = 0.5, seconds: float = 30.0, rate: str = "1e-06", steps: int = 60,
    ends: str = "", more: str = "",
) -> Path:  # fmt: skip
    """A run of verl, with a configuration of Hydra's."""
    source = random.Random(seed)
    hydra = folder / "outputs" / "2026-01-14" / "09-30-05" / ".hydra"
    hydra.mkdir(parents=True)
    (hydra / "config.yaml").write_text(
        f"actor:\n  optim:\n    lr: {rate}\ntrainer:\n  total_training_steps: 60\n  project_name: p\n"
        f"  api_key: k{seed}x9Y8z7W6v5\n{more}"
    )
    lines = ["2026-01-14 09:30:00 INFO main_ppo", "(TaskRunner pid=12) Training from scratch"]
    for step in range(1, steps + 1):
        gen = seconds * 0.7 + source.gauss(0, 0.3)
        lines.append(
            f"(TaskRunner pid=12) step:{step} - actor/entropy:{1.0 / step + abs(source.gauss(0, 0.01)):.5f}"
            f" - critic/rewards/mean:{reward + source.gauss(0, 0.02):.5f} - timing_s/gen:{gen:.3f}"
            f" - timing_s/update_actor:{seconds * 0.3:.3f} - timing_s/step:{gen + seconds * 0.3:.3f}"
            f" - training/global_step:{step}"
        )
    (folder / "train.log").write_text("\n".join([*lines, ends, ""]))
    return folder


def compared(a: Path, b: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["compare", str(a), str(b), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def by_name(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(m for m in found["metrics"] if m["name"] == name)


def test_runs_that_differ_by_chance_are_said_not_to_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(make_run(tmp_path / "a", 1), make_run(tmp_path / "b", 2), capsys)
    assert "at 60 equal steps is more than noise" in found["answer"]
    assert [m["name"] for m in found["metrics"] if m["difference"]["verdict"] in ("slight", "clear")] == []


def test_what_differs_is_said_first_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 80.00 GiB"
    a = make_run(tmp_path / "a", 1)
    b = make_run(tmp_path / "b", 2, reward=0.62, seconds=40.0, rate="5e-06", steps=50, ends=oom)
    found = compared(a, b, capsys)
    answer = found["answer"]
    assert re.search(r"B better at reward \(0\.6\d+ against 0\.5\d*", answer)
    assert re.search(r"a step takes 1\.3 times as long \(40 s against 30 s, most of it rollout \(\+[67]", answer)
    assert "lr 1e-06 → 5e-06" in answer
    assert by_name(found, "rl_reward_mean")["better"] == "B"
    assert by_name(found, "rl_policy_entropy")["difference"]["verdict"] == "noise"
    assert found["b"]["problems"] == {"cuda_oom": 1}
    assert {s["key"]: (s["a"], s["b"]) for s in found["settings"]}["config.actor.optim.lr"] == ("1e-06", "5e-06")


def test_secrets_of_the_configuration_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(make_run(tmp_path / "a", 1), make_run(tmp_path / "b", 2), capsys)
    assert {"key": "config.trainer.api_key", "a": "[secret]", "b": "[secret]"} in found["settings"]
    assert "x9Y8z7W6v5" not in json.dumps(found)


@pytest.mark.real
def test_the_json_is_as_its_schema_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = schema_of(Comparison).removeprefix("```json\n").removesuffix("```\n")
    for other in ("prime-rl", "verl"):
        jsonschema.validate(compared(SAMPLES / "verl", SAMPLES / other, capsys), json.loads(text))


@pytest.mark.real
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_run_is_the_same_as_itself(framework: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(SAMPLES / framework, SAMPLES / framework, capsys)
    assert {m["difference"]["verdict"] for m in found["metrics"]} <= {"same", "few"}
    assert found["settings"] == found["only_a"] == found["only_b"] == []
    assert found["metrics"]


@pytest.mark.real
def test_the_terminal_has_the_answer_in_its_first_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = make_run(tmp_path / "a", 1), make_run(tmp_path / "b", 2, reward=0.7, more=f"note: '{HOSTILE}'\n")
    assert main(["compare", str(a), str(b)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith("B against A: B better at reward (0.7")
    assert "\x1b" not in printed
    assert main(["compare", str(a), str(b), "--all"]) == 0
    assert len(capsys.readouterr().out) > len(printed)


class Page(HTMLParser):
    """The elements of a page, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_is_one_file_in_which_text_is_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = make_run(tmp_path / "a", 1, more=f'note: "{HOSTILE.encode("unicode_escape").decode()}"\n')
    b = make_run(tmp_path / "b", 2, reward=0.7)
    assert main(["compare", str(a), str(b), "-o", str(tmp_path / "c.html")]) == 0
    assert capsys.readouterr().out.startswith("B against A: B better at reward")
    text = (tmp_path / "c.html").read_text()
    page = Page(text)
    assert sum(tag == "script" and attrs.get("type") != "application/json" for tag, attrs in page.tags) == 1
    assert not any(name in ("src", "href") for _, attrs in page.tags for name in attrs)
    assert "http-equiv" in text
    assert sum(tag == "figure" for tag, _ in page.tags) >= 2
    assert "<script>alert" not in text


@pytest.mark.real
def test_runs_may_be_named_by_id_or_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, state = make_run(tmp_path / "a", 1), make_run(tmp_path / "b", 2, reward=0.7), tmp_path / "state"
    for run in (a, b):
        assert main(["watch", "--once", str(run), "--state-dir", str(state)]) == 0
    store = next(state.glob("runs/a-*/run.sqlite"))
    identity = next(state.glob("runs/b-*")).name
    capsys.readouterr()
    assert main(["compare", str(store), identity, "--state-dir", str(state)]) == 0
    assert capsys.readouterr().out.startswith("B against A: B better at reward")


@pytest.mark.real
def test_what_cannot_be_compared_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    run = str(SAMPLES / "verl")
    for wrong, said in (("empty", "nothing to compare"), ("gone", "no such file or directory")):
        assert main(["compare", run, str(tmp_path / wrong)]) == 2
        assert said in capsys.readouterr().err.splitlines()[0]
