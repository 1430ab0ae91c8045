"""What `/metrics` shows of figures: names, labels, values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from expositions import (
    CATALOGUE,
    NOW,
    RUN,
    TRAINER,
    exposition,
    names,
    samples,
    scrape,
    shape,
    value,
)

from rli_agent.events import (
    PROBLEM_KINDS,
    Shape,
    Source,
)
from rli_agent.journal import logger
from rli_agent.publish.exposition import WAITING_LIMIT, Exposition, RunLabels


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    handler = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(handler)


def test_a_figure_is_published_under_rl_insights_name_and_the_common_one() -> None:
    it = exposition()
    make = shape("actor/entropy", "val-core/openai/gsm8k/acc/mean@1", metrics={"actor/entropy": "rl_policy_entropy"})
    it.record([samples(make, 0.25, 0.5, step=7)], TRAINER)
    text = it.render(False).decode()
    base = 'project="proj",experiment_name="exp",run="run-1",framework="verl",role="trainer"'
    assert f"rl_insight_monitor_actor_entropy{{{base}}} 0.25\n" in text
    assert f"rl_insight_monitor_val_core_openai_gsm8k_acc_mean_1{{{base}}} 0.5\n" in text
    assert f"rl_policy_entropy{{{base}}} 0.25\n" in text
    assert f"rl_step{{{base}}} 7.0\n" in text


def test_common_figures_are_in_base_units_and_native_ones_as_printed() -> None:
    it = exposition()
    make = shape(
        "kv", "mem",
        units={"kv": "percent", "mem": "GiB"},
        metrics={"kv": "rl_engine_kv_cache_usage_ratio", "mem": "rl_memory_peak_bytes"},
    )  # fmt: skip
    it.record([samples(make, 95.9, 2.0)], TRAINER)
    found = scrape(it)
    assert value(found, "rl_insight_monitor_kv") == 95.9
    assert value(found, "rl_engine_kv_cache_usage_ratio") == pytest.approx(0.959)
    assert value(found, "rl_memory_peak_bytes") == 2 * 2**30


def test_non_finite_figures_are_spelled_as_prometheus_reads_them() -> None:
    it = exposition()
    it.record([samples(shape("a", "b", "c", "d"), math.nan, math.inf, -math.inf, 1e-06)], TRAINER)
    text = it.render(True).decode()
    for key, spelled in {"a": "NaN", "b": "+Inf", "c": "-Inf", "d": "1e-06"}.items():
        assert f'rl_insight_monitor_{key}{{project="proj",' in text
        assert f'role="trainer"}} {spelled}\n' in text
    found = scrape(it)
    assert math.isnan(value(found, "rl_insight_monitor_a"))


def test_a_scrape_sees_the_newest_step_and_keeps_what_the_newest_line_lacks() -> None:
    it = exposition()
    short, long = shape("a"), shape("a", "val")
    for step in range(1, 12):
        it.record([samples(long, step, 0.5, step=step) if step == 10 else samples(short, step, step=step)], TRAINER)
    found = scrape(it)
    assert value(found, "rl_insight_monitor_a") == 11
    assert value(found, "rl_insight_monitor_val") == 0.5
    assert value(found, "rl_step") == 11


def test_the_newest_wins_within_one_commit_too() -> None:
    it = exposition()
    short, long = shape("a"), shape("a", "val")
    it.record([samples(short, 9), samples(long, 10, 0.5), samples(short, 11)], TRAINER)
    assert value(scrape(it), "rl_insight_monitor_a") == 11


def test_an_older_file_that_is_read_later_does_not_turn_the_clock_back() -> None:
    it = exposition()
    make = shape("a")
    it.record([samples(make, 200, step=200, time=2000, file="logs/attempt_2/trainer.log")], TRAINER)
    it.record([samples(make, 100, step=100, time=1000, file="logs/attempt_1/trainer.log")], TRAINER)
    found = scrape(it)
    assert value(found, "rl_insight_monitor_a") == 200
    assert value(found, "rl_step") == 200
    # the same, with scrapes between, and another shape for the same name
    it.record([samples(shape("a", "b"), 50, 1, step=50, time=500, file="logs/attempt_0/trainer.log")], TRAINER)
    found = scrape(it)
    assert value(found, "rl_insight_monitor_a") == 200
    assert value(found, "rl_insight_monitor_b") == 1


def test_a_resume_in_the_same_file_goes_back_in_steps() -> None:
    it = exposition()
    make = shape("a")
    it.record([samples(make, 1, step=412, time=500.0)], TRAINER)
    it.record([samples(make, 2, step=400, time=499.0)], TRAINER)
    found = scrape(it)
    assert value(found, "rl_step") == 400
    assert value(found, "rl_insight_monitor_a") == 2


def test_a_time_in_the_future_does_not_pin_a_value() -> None:
    it = exposition()
    it.record([samples(shape("a"), 1, time=NOW + 1e6, file="x.log")], TRAINER)
    it.record([samples(shape("a"), 2, time=NOW, file="y.log")], TRAINER)
    assert value(scrape(it), "rl_insight_monitor_a") == 2


def test_roles_are_apart_and_a_record_may_name_its_own() -> None:
    it = exposition()
    it.record([samples(shape("time/step"), 1, step=3)], TRAINER)
    it.record([samples(shape("time/step"), 2, step=5)], Source("logs/orchestrator.log", "orchestrator"))
    it.record([samples(shape("time/step", role="env"), 3, step=6)], Source("metrics.jsonl", "metrics"))
    found = scrape(it)
    for role, seconds, step in (("trainer", 1, 3), ("orchestrator", 2, 5), ("env", 3, 6)):
        assert value(found, "rl_insight_monitor_time_step", role=role) == seconds
        assert value(found, "rl_step", role=role) == step


def test_a_new_label_is_added_to_all_series_of_its_name() -> None:
    it = exposition()
    it.record([samples(shape("reward"), 1)], TRAINER)
    assert "environment" not in it.render(False).decode().partition("rl_insight_monitor_reward{")[2].partition("\n")[0]
    it.record([samples(shape("reward", environment="math"), 2)], TRAINER)
    it.record([samples(shape("reward", engine="0"), 3)], TRAINER)
    text = it.render(False).decode()
    lines = [line for line in text.splitlines() if line.startswith("rl_insight_monitor_reward{")]
    assert [line.partition('role="trainer",')[2] for line in lines] == [
        'engine="",environment=""} 1.0', 'engine="",environment="math"} 2.0', 'engine="0",environment=""} 3.0',
    ]  # fmt: skip
    scrape(it)


def test_labels_of_the_source_tell_engines_apart() -> None:
    it = exposition()
    make = shape("vllm:num_requests_running", metrics={"vllm:num_requests_running": "rl_engine_requests_running"})
    for node in "01":
        it.record([samples(make, float(node))], Source(f"node_{node}.log", "inference", labels=(("engine", node),)))
    found = scrape(it)
    for name in ("rl_insight_monitor_vllm_num_requests_running", "rl_engine_requests_running"):
        assert [value(found, name, engine=node) for node in "01"] == [0, 1]


def test_scores_are_told_apart_by_the_frameworks_key() -> None:
    it = exposition()
    keys = ("val-core/aime/acc/mean@8", "val-core/gsm8k/acc/mean@1")
    it.record([samples(shape(*keys, metrics=dict.fromkeys(keys, "rl_eval_score")), 0.1, 0.9)], TRAINER)
    found = scrape(it)
    assert [value(found, "rl_eval_score", stat=key) for key in keys] == [0.1, 0.9]


def test_labels_that_others_own_are_renamed() -> None:
    it = exposition()
    it.record([samples(Shape(("a",), (None,), (None,), (("run", "x"), ("__name__", "y"), ("7b", "z"))), 1)], TRAINER)
    assert value(scrape(it), "rl_insight_monitor_a", exported_run="x", run="run-1", _name__="y", _7b="z") == 1


def test_keys_that_get_one_name_are_one_series_counted_and_said_once(said: list[str]) -> None:
    it = exposition()
    for i in range(3):
        it.record([samples(shape("a/b", "a.b"), i, i + 10)], TRAINER)
        found = scrape(it)
        assert value(found, "rl_insight_monitor_a_b") == i + 10
    assert value(found, "rli_agent_name_collisions") == 1
    assert len(said) == 1
    assert "'a/b'" in said[0]
    assert "'a.b'" in said[0]


def test_a_pack_cannot_feed_what_is_no_gauge_of_the_catalogue(said: list[str]) -> None:
    it = exposition()
    bad = ("rl_problems_total", "rl_phase_duration_seconds", "rl_made_up", 'evil{} 1\n"')
    make = shape("a", "b", "c", "d", metrics=dict(zip("abcd", bad, strict=True)))
    it.record([samples(make, 1, 2, 3, 4)], TRAINER)
    found = scrape(it)
    assert not names(found) & {"rl_phase_duration_seconds", "rl_made_up"}
    assert len(said) == 4


def test_series_beyond_the_limit_are_counted_and_said_once(said: list[str]) -> None:
    room = len(PROBLEM_KINDS) + 2  # and rl_step
    it = exposition(series_limit=room)
    make = shape("a", "b", "c")
    for i in range(5):
        it.record([samples(make, i, i, i)], TRAINER)
        found = scrape(it)
    assert value(found, "rli_agent_series") == room
    assert value(found, "rli_agent_dropped_series_total") == len(make.names) + 1 - 2
    assert sum(1 for name, _ in found if not name.startswith("rli_agent_")) == room
    assert len(said) == 1
    assert f"more than {room} series" in said[0]
    assert value(found, "rl_insight_monitor_a") == 4, "what is in goes on being updated"


def test_more_shapes_than_are_remembered_lose_nothing() -> None:
    it = exposition()
    for i in range(WAITING_LIMIT + 50):  # nobody scrapes meanwhile
        it.record([samples(shape("a", environment=str(i)), i, step=i)], TRAINER)
    found = scrape(it)
    assert value(found, "rl_insight_monitor_a", environment="0") == 0
    assert value(found, "rl_insight_monitor_a", environment=str(WAITING_LIMIT + 49)) == WAITING_LIMIT + 49


def test_the_runs_labels_may_become_known_later() -> None:
    it = Exposition(RunLabels(run="r"), CATALOGUE)
    it.record([samples(shape("a"), 1)], TRAINER)
    assert value(scrape(it), "rl_insight_monitor_a", run="r") == 1
    it.relabel(RUN)
    found = scrape(it)
    assert all(dict(labels)["framework"] == "verl" for _, labels in found)


@pytest.mark.parametrize(
    ("namespace", "says"),
    [("rl", "mix"), ("rli", "mix"), ("rl_policy", "mix"), ("9x", "not usable"), ("", "not usable")],
)
def test_a_namespace_that_cannot_be_is_refused(namespace: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        exposition(namespace=namespace)


def test_another_namespace() -> None:
    it = exposition(namespace="mine")
    it.record([samples(shape("a/b"), 1)], TRAINER)
    assert value(scrape(it), "mine_a_b") == 1
