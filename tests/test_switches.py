"""What is missing because it is switched off is said, with the switch; and nothing is said where that is not known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rli_agent.cli import main
from rli_agent.parsers.packs import Pack, Switch
from rli_agent.rulebook import Rulebook
from rli_agent.switches import switched_off

PACK = Pack(
    "p",
    switches=[
        Switch(["diff/*"], "rollout.calculate=True", where=["actor/*"], config=["rollout.calculate"]),
        Switch(["val/*"], "test_freq=5", config=["test_freq"], off=[-1, 0], default="on"),
    ],
)
VAL = "not printed by this run: val/*; to get it, set test_freq=5 (config.yaml:1 has -1)"
OF = "not printed by this run: diff/*; to get it, set rollout.calculate=True"


@pytest.mark.parametrize(
    ("names", "config", "said"),
    [
        (["actor/loss"], None, [OF]),
        (["actor/loss"], "rollout:\n  calculate: false\n", [f"{OF} (config.yaml:2 has False)"]),
        (["actor/loss"], "rollout:\n  calculate: true\n", []),
        (["actor/loss"], "rollout: {calculate: 0}\n", []),  # not what `false` is
        (["actor/loss"], "\nbroken: [\n", [OF]),
        (["actor/loss", "diff/mean"], "rollout: {calculate: false}\n", []),
        (["train/loss"], "rollout: {calculate: false}\n", []),
        (["train/loss"], "test_freq: -1\n", [VAL]),
        (["train/loss"], "test_freq: 5\n", []),
        (["train/loss"], None, []),
    ],
)  # fmt: skip
def test_a_switch_that_is_off_is_told(tmp_path: Path, names: list[str], config: str | None, said: list[str]) -> None:
    file = tmp_path / "config.yaml"
    if config is not None:
        file.write_text(config)
    assert list(switched_off(PACK, names, [file], tmp_path)) == said


def test_what_switches_name_is_what_their_packs_read() -> None:
    for pack in Rulebook().packs.values():
        for switch in pack.switches:
            assert switch.set
            assert switch.off
            assert switch.metrics


def test_a_watch_says_it_once_some_steps_are_there(tmp_path: Path) -> None:
    run = tmp_path / "run"
    hydra = run / "outputs" / "2026-01-14" / "09-30-05" / ".hydra"
    hydra.mkdir(parents=True)
    (hydra / "config.yaml").write_text("actor_rollout_ref:\n  rollout:\n    calculate_log_probs: false\n")
    line = "step:{0} - training/global_step:{0} - actor/pg_loss:0.1 - critic/score/mean:0.5 - timing_s/step:3.0\n"
    (run / "train.log").write_text("".join(line.format(n) for n in range(1, 9)))
    command = [sys.executable, "-m", "rli_agent", "watch", "--once", "--listen", "none", "--state-dir"]
    command += [str(tmp_path), str(run)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RLI_AGENT_")}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    (said,) = [text for text in printed.splitlines() if text.startswith("not printed")]
    assert "calculate_log_probs=True (outputs/2026-01-14/09-30-05/.hydra/config.yaml:3 has False)" in said


def test_rules_show_tells_what_a_pack_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "show", "trl"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("trl: framework, ")
    assert "train/kl: beta above 0 in GRPOConfig" in printed
    assert main(["rules", "show", "trll"]) == 2
    assert "no pack is called 'trll'" in capsys.readouterr().err
