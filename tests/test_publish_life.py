"""How the run's life stands, on the page that Prometheus reads."""

from __future__ import annotations

import pytest

from rli_agent.catalogue import Catalogue
from rli_agent.life.state import LifeState
from rli_agent.publish.exposition import Exposition
from rli_agent.publish.naming import RunLabels


def page(state: LifeState | None) -> dict[str, float]:
    """The figures of the run's life: name, and the value of `state` where there is one."""
    it = Exposition(RunLabels(run="r"), Catalogue.load())
    it.life = lambda: state
    found = {}
    for line in it.render(False).decode().splitlines():
        name, _, rest = line.partition("{")
        if name in ("rl_run_life", "rl_run_active", "rl_last_step_timestamp_seconds", "rl_usual_step_seconds"):
            word = rest.partition('state="')[2].partition('"')[0]
            found[f"{name} {word}".strip()] = float(line.rpartition(" ")[2])
    return found


def test_where_nobody_follows_the_life_nothing_is_said() -> None:
    assert page(None) == {}


def test_before_the_first_step_there_is_none_to_date() -> None:
    shown = page(LifeState())
    assert shown["rl_run_active"] == 1
    assert "rl_last_step_timestamp_seconds" not in shown


@pytest.mark.parametrize(("life", "active"), [("running", 1), ("stalled", 1), ("finished", 0), ("preempted", 0)])
def test_the_state_that_it_is_in_is_1_and_the_others_0(life: str, active: int) -> None:
    shown = page(LifeState(life=life, step_at=1_800_000_000.0, gaps=[10.0, 30.0, 20.0]))
    assert [name for name, value in shown.items() if "rl_run_life" in name and value] == [f"rl_run_life {life}"]
    assert len([name for name in shown if name.startswith("rl_run_life")]) == 7
    assert shown["rl_run_active"] == active
    assert shown["rl_last_step_timestamp_seconds"] == 1_800_000_000.0
    assert shown["rl_usual_step_seconds"] == 20.0
