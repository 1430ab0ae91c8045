"""What `/metrics` shows of events: names, labels, values, and that any text in them gives a valid exposition."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from rli_agent.catalogue import Catalogue
from rli_agent.events import (
    PROBLEM_KINDS,
    Event,
    Interval,
    Labels,
    Problem,
    RolloutBatch,
    RunFact,
    Samples,
    Shape,
    Source,
)
from rli_agent.publish.exposition import WAITING_LIMIT, Exposition, RunLabels
from rli_agent.rollout_statistics import RolloutStatistics

CATALOGUE = Catalogue.load()
RUN = RunLabels("proj", "exp", "run-1", "verl")
BASE = ["project", "experiment_name", "run", "framework", "role"]
TRAINER = Source("logs/trainer.log", "trainer", "trainer")
NOW = 2_000_000_000.0

Found = dict[tuple[str, Labels], float]


def exposition(**options: object) -> Exposition:
    return Exposition(RUN, CATALOGUE, clock=lambda: NOW, **options)  # type: ignore[arg-type]


def shape(
    *keys: str, metrics: dict[str, str] | None = None, units: dict[str, str] | None = None, **labels: str
) -> Shape:
    return Shape(
        keys,
        tuple((units or {}).get(k) for k in keys),
        tuple((metrics or {}).get(k) for k in keys),
        tuple(labels.items()),
    )


def samples(
    make: Shape, *values: float, step: int | None = 1, time: float | None = 100.0, file: str = TRAINER.file
) -> Samples:
    return Samples(file, 1, 0, time, "logged", step, make, list(values), "")


def interval(state: str, start: float | None, end: float | None, lane: str = "trainer", **more: object) -> Interval:
    return Interval(TRAINER.file, 1, 0, "logged", lane, state, 1, start, end, **more)  # type: ignore[arg-type]


def problem(kind: str = "nan", level: str = "ERROR", count: int = 1) -> Problem:
    return Problem(TRAINER.file, 1, 0, 1.0, "logged", level, kind, "it broke", count)  # type: ignore[arg-type]


def statistics(rewards: list[float], part: str) -> RolloutStatistics:
    found = RolloutStatistics(len(rewards))
    for reward in rewards:
        found.add("reward", reward)
        found.add(f"part:{part}", reward)
    return found


def batch(
    count: int, total: float, step: int = 1, *, errors: int = 0, truncated: int = 0, **more: object
) -> RolloutBatch:
    fields = {"file": f"rollouts/{step}.jsonl", "time": None, "phase": "train", "environment": "math"} | more
    statistics = RolloutStatistics(count, errors, truncated)
    for _ in range(count):
        statistics.add("reward", total / count)
    return RolloutBatch(line=1, offset=0, time_is="estimated", step=step, total=statistics, **fields)  # type: ignore[arg-type]


def scrape(it: Exposition) -> Found:
    """All series by name and labels without empty ones, from both formats, which must say the same and be valid."""
    text = check_text(it.render(False).decode())
    om = check_text(it.render(True).decode(), openmetrics=True)
    moving = ("rli_agent_process_", "rl_state_elapsed")
    assert {k: repr(v) for k, v in text.items() if not k[0].startswith(moving)} == {
        k: repr(v) for k, v in om.items() if not k[0].startswith(moving)
    }
    return text


def check_text(text: str, openmetrics: bool = False) -> Found:
    found: Found = {}
    names: list[str] = []
    for family in (parse_openmetrics if openmetrics else parse_text)(text):
        names.append(family.name)
        assert family.documentation
        assert family.type in ("gauge", "counter", "histogram")
        for sample in family.samples:
            key = (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if v)))
            assert key not in found, f"{key} stands twice"
            found[key] = sample.value
        labels = {tuple(name for name in s.labels if name != "le") for s in family.samples}
        assert len(labels) <= 1, f"the labels of {family.name} differ"
        base = BASE[:4] if family.name.startswith("rli_agent_") else BASE
        assert all(list(s.labels)[: len(base)] == base for s in family.samples)
    assert max(Counter(names).values()) == 1
    heads = [line.split()[2] for line in text.split("\n") if line.startswith("# TYPE ")]
    assert len(heads) == len(set(heads))
    return found


def value(found: Found, name: str, **labels: str) -> float:
    """The one series of that name whose labels include these. Fails when it is not exactly one."""
    hits = [v for (n, have), v in found.items() if n == name and labels.items() <= dict(have).items()]
    assert len(hits) == 1, f"{len(hits)} series {name} {labels}"
    return hits[0]


def names(found: Found) -> set[str]:
    return {name for name, _ in found}


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []
    handler = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(handler)


# -- figures ---------------------------------------------------------------------------------------------------------


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


# -- states, problems, rollouts, facts -------------------------------------------------------------------------------


def test_finished_states_show_their_last_duration() -> None:
    it = exposition()
    it.record([interval("rollout", 10, 14), interval("rollout", 20, 26), interval("step", 10, 31)], TRAINER)
    it.record([interval("save_ckpt", None, None, duration=3.5)], TRAINER)
    found = scrape(it)
    assert value(found, "rl_phase_duration_seconds", lane="trainer", state="rollout") == 6
    assert value(found, "rl_phase_duration_seconds", state="save_ckpt") == 3.5
    assert value(found, "rl_step_duration_seconds", lane="trainer") == 21
    assert value(found, "rl_step") == 1
    assert "rl_state_elapsed_seconds" not in names(found)


def test_a_printed_step_time_and_the_steps_interval_are_one_series() -> None:
    it = exposition()
    make = shape("timing_s/step", metrics={"timing_s/step": "rl_step_duration_seconds"})
    it.record([samples(make, 21.5, time=31.0), interval("step", 10, 31.5, duration=21.5)], TRAINER)
    assert value(scrape(it), "rl_step_duration_seconds") == 21.5


def test_an_open_state_grows_with_the_clock_and_goes_when_it_ends() -> None:
    now = 100.0
    it = Exposition(RUN, CATALOGUE, clock=lambda: now)
    it.record([interval("rollout", 90.0, None), interval("wait", 95.0, None, lane="orchestrator")], TRAINER)
    assert value(scrape(it), "rl_state_elapsed_seconds", lane="trainer", state="rollout") == 10
    now = 160.0
    it.record([interval("rollout", 80, 85)], TRAINER)  # an earlier one, laid out late: does not end this one
    found = scrape(it)
    assert value(found, "rl_state_elapsed_seconds", state="rollout") == 70
    it.record([interval("rollout", 90.0, 150.0)], TRAINER)
    found = scrape(it)
    assert value(found, "rl_phase_duration_seconds", state="rollout") == 60
    assert value(found, "rl_state_elapsed_seconds", state="wait") == 65
    it.end_open_states()
    assert "rl_state_elapsed_seconds" not in names(scrape(it))


def test_a_clock_that_steps_back_gives_no_negative_time() -> None:
    now = 100.0
    it = Exposition(RUN, CATALOGUE, clock=lambda: now)
    it.record([interval("rollout", 99.0, None)], TRAINER)
    now = 50.0
    assert value(scrape(it), "rl_state_elapsed_seconds") == 0


def test_problems_count_up_from_zero() -> None:
    it = exposition()
    it.record([], TRAINER)
    found = scrape(it)
    assert {k: v for k, v in found.items() if k[0] == "rl_problems_total"}.keys() == {
        ("rl_problems_total", tuple(sorted([*labels_of_run(), ("role", "trainer"), ("kind", k), ("level", "ERROR")])))
        for k in PROBLEM_KINDS
    }
    it.record([problem("nan"), problem("nan", count=3), problem("kv_preemption", "WARNING")], TRAINER)
    scrape(it)
    it.record([problem("nan")], TRAINER)
    found = scrape(it)
    assert value(found, "rl_problems_total", kind="nan", level="ERROR") == 5
    assert value(found, "rl_problems_total", kind="kv_preemption", level="WARNING") == 1
    assert value(found, "rl_problems_total", kind="nccl") == 0
    assert "# TYPE rl_problems counter" in it.render(True).decode()
    assert "# TYPE rl_problems_total counter" in it.render(False).decode()


def labels_of_run() -> list[tuple[str, str]]:
    return [(name, getattr(RUN, name)) for name in RUN.__struct_fields__ if getattr(RUN, name)]


def test_rollouts_count_once_though_their_file_is_summed_up_again_and_again() -> None:
    it = exposition()
    source = Source("rollouts/1.jsonl", "rollouts")
    it.record([batch(4, 1.0)], source)
    more = batch(8, 4.0, errors=1, truncated=2)
    more.added = batch(4, 3.0, errors=1, truncated=2).total
    it.record([more], source)
    found = scrape(it)
    assert value(found, "rl_rollouts_total", environment="math", stat="train") == 8
    assert value(found, "rl_rollouts_errored_total", environment="math") == 1
    assert value(found, "rl_rollouts_truncated_total", environment="math") == 2
    assert value(found, "rl_rollout_reward_mean", environment="math", stat="train") == 0.5
    it.record([batch(4, 4.0, step=2), batch(2, 0.0, step=2, phase="eval", environment="aime")], source)
    found = scrape(it)
    assert value(found, "rl_rollouts_total", stat="train") == 12
    assert value(found, "rl_rollout_reward_mean", stat="train") == 1.0
    assert value(found, "rl_rollout_reward_mean", stat="eval", environment="aime") == 0.0
    it.record([batch(4, 1.0, step=1, file="rollouts/old.jsonl")], source)
    assert value(scrape(it), "rl_rollout_reward_mean", stat="train") == 1.0, "files of steps are read in any order"


def test_a_rollout_file_written_anew_counts_anew_and_is_the_newest_step() -> None:
    it = exposition()
    it.record([batch(8, 0.0, step=20)], TRAINER)
    it.record([batch(8, 8.0, step=30)], TRAINER)
    it.record([batch(5, 2.5, step=20)], TRAINER)
    found = scrape(it)
    assert value(found, "rl_rollouts_total") == 8 + 8 + 5
    assert value(found, "rl_rollout_reward_mean") == 0.5


def test_files_of_one_step_are_one_batch() -> None:
    it = exposition()
    for number, total in enumerate((4.0, 0.0)):
        it.record([batch(4, total, step=7, file=f"rollout/7/{number}.jsonl", environment="")], TRAINER)
    assert value(scrape(it), "rl_rollout_reward_mean") == 0.5


def test_quantities_are_histograms_whose_buckets_only_fill() -> None:
    it = exposition()
    for number in (1, 2):
        more = batch(2, 2.0, step=number)
        for tokens in (100.0, 5000.0):
            more.total.add("response_tokens", tokens)
        it.record([more], TRAINER)
    found = scrape(it)
    assert value(found, "rl_rollout_response_tokens_bucket", le="128.0") == 2
    assert value(found, "rl_rollout_response_tokens_bucket", le="8192.0") == 4
    assert value(found, "rl_rollout_response_tokens_count") == 4
    assert value(found, "rl_rollout_response_tokens_sum") == 10200
    assert value(found, "rl_rollout_reward_bucket", le="0.9") == 0
    assert value(found, "rl_rollout_reward_bucket", le="+Inf") == 4
    assert "rl_rollout_reward_sum" not in names(found), "a sum of negative rewards would fall"


def test_rollouts_without_rewards_have_no_mean() -> None:
    it = exposition()
    nothing = batch(3, 0.0)
    nothing.total.figures.clear()
    it.record([nothing], TRAINER)
    found = scrape(it)
    assert value(found, "rl_rollouts_total") == 3
    assert "rl_rollout_reward_mean" not in names(found)


@pytest.mark.parametrize(("text", "steps"), [("400", 400), ("1e3", 1000), ("infinite", None), ("inf", None)])
def test_max_steps(text: str, steps: float | None) -> None:
    it = exposition()
    it.record([RunFact("x.toml", 1, 0, None, "observed", key, text) for key in ("max_steps", "model")], TRAINER)
    found = scrape(it)
    assert [v for (n, _), v in found.items() if n == "rl_max_steps"] == ([] if steps is None else [steps])


# -- the agent itself ------------------------------------------------------------------------------------------------


def test_the_agents_own_figures() -> None:
    it = exposition()
    own = it.own
    own.read("trainer", 10, 2000)
    own.read("trainer", 5, 1000)
    own.lag("logs/trainer.log", 4096, 1.5)
    own.parse_errors("metrics", 2)
    own.rule_timed_out("verl/step-line")
    own.committed(1234.5)
    own.exporter_queued("otlp", 7)
    own.exporter_failed("otlp")
    it.record([samples(shape("a", "b"), 1, 2), problem(), problem(), interval("wait", 1, 2)], TRAINER)
    found = scrape(it)
    assert value(found, "rli_agent_lines_total", role="trainer", run="run-1") == 15
    assert value(found, "rli_agent_bytes_total", role="trainer") == 3000
    assert value(found, "rli_agent_lag_bytes", source="logs/trainer.log") == 4096
    assert value(found, "rli_agent_lag_seconds", source="logs/trainer.log") == 1.5
    assert value(found, "rli_agent_parse_errors_total", role="metrics") == 2
    assert value(found, "rli_agent_rules_timed_out_total", rule="verl/step-line") == 1
    assert value(found, "rli_agent_last_commit_timestamp_seconds") == 1234.5
    assert value(found, "rli_agent_exporter_queue_depth", exporter="otlp") == 7
    assert value(found, "rli_agent_exporter_failures_total", exporter="otlp") == 1
    assert value(found, "rli_agent_events_total", type="metric") == 2
    assert value(found, "rli_agent_events_total", type="problem") == 2
    assert value(found, "rli_agent_events_total", type="state") == 1
    assert value(found, "rli_agent_build_info") == 1


def test_of_many_files_those_that_lag_most_are_shown() -> None:
    it = exposition()
    it.own.lag("behind.log", 10**9, 60.0)
    for i in range(1000):
        it.own.lag(f"step_{i}.jsonl", 0, 0.0)
    found = scrape(it)
    assert value(found, "rli_agent_lag_bytes", source="behind.log") == 10**9
    assert sum(name == "rli_agent_lag_bytes" for name, _ in found) == 200


# -- laws ------------------------------------------------------------------------------------------------------------

# Small alphabets, so that names, labels and roles meet; and all of Unicode, surrogates and controls with it.
TEXT = st.one_of(
    st.text('ab/_-:"\\\n\r\x00\x85\ud800é{}, ', max_size=4), st.text(st.characters(exclude_categories=()), max_size=8)
)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
LABELS = st.lists(
    st.tuples(st.one_of(TEXT, st.sampled_from(["role", "run", "__name__", "stat", "lane", "environment"])), TEXT),
    max_size=3,
).map(tuple)
METRICS = st.one_of(st.none(), st.sampled_from(sorted(q.name for q in CATALOGUE)), TEXT)


@st.composite
def lines(draw: st.DrawFn) -> Samples:
    figures = draw(
        st.lists(st.tuples(TEXT, st.one_of(st.none(), TEXT, st.just("percent")), METRICS, FLOATS), max_size=4)
    )
    parts = list(zip(*figures, strict=True)) or [(), (), (), ()]
    make = Shape(parts[0], parts[1], parts[2], draw(LABELS))
    return Samples(
        "f", 1, 0, draw(TIMES), "logged", draw(st.one_of(st.none(), st.integers(0, 99))), make, list(parts[3]), ""
    )


TIMES = st.one_of(st.none(), st.floats(0, 4e9))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    lines(),
    st.builds(Interval, TEXT, st.just(1), st.just(0), st.just("logged"), TEXT, st.one_of(TEXT, st.just("step")),
              st.one_of(st.none(), st.integers(0, 9)), TIMES, TIMES, st.one_of(st.none(), FLOATS), st.none(), LABELS),
    st.builds(Problem, TEXT, st.just(1), st.just(0), TIMES, st.just("logged"), st.sampled_from(["ERROR", "WARNING"]),
              TEXT, TEXT, st.integers(1, 9), st.none(), st.none(), LABELS),
    st.builds(RolloutBatch, TEXT, st.just(1), st.just(0), TIMES, st.just("logged"), st.none(),
              st.sampled_from(["train", "eval"]), TEXT, st.builds(statistics, st.lists(FLOATS, max_size=3), TEXT)),
    st.builds(RunFact, TEXT, st.just(1), st.just(0), TIMES, st.just("logged"),
              st.sampled_from(["max_steps", "x"]), TEXT),
)  # fmt: skip
SOURCES = st.builds(Source, TEXT, st.one_of(TEXT, st.just("trainer")), TEXT, st.just("text"), st.just(()), LABELS)


@pytest.mark.real
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(RunLabels, TEXT, TEXT, TEXT, TEXT),
    st.lists(st.tuples(st.lists(EVENTS, max_size=5), SOURCES), min_size=1, max_size=3),
    st.integers(16, 200),
)
def test_whatever_the_text_says_the_exposition_is_valid(
    run: RunLabels, commits: list[tuple[list[Event], Source]], limit: int
) -> None:
    it = Exposition(run, CATALOGUE, series_limit=limit, clock=lambda: NOW)
    counted: Found = {}
    for events, source in commits:
        it.record(events, source)
        found = scrape(it)  # checks syntax, one label set a name, no series twice, the same in both formats
        assert sum(not n.startswith("rli_agent_") for n, _ in found) <= limit
        assert value(found, "rli_agent_series") <= limit
        for key, count in counted.items():
            assert found[key] >= count, "counters only rise"
        counted = {key: v for key, v in found.items() if key[0].endswith("_total") and key[0].startswith("rl_")}


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=50))
def test_a_label_value_comes_back_as_it_was(text: str) -> None:
    it = exposition()
    it.record([samples(shape("a", environment=text), 1)], TRAINER)
    assert value(scrape(it), "rl_insight_monitor_a", environment=text) == 1


@settings(max_examples=100, deadline=None)
@given(FLOATS)
def test_a_value_comes_back_exactly(number: float) -> None:
    it = exposition()
    it.record([samples(shape("a"), number)], TRAINER)
    got = value(scrape(it), "rl_insight_monitor_a")
    assert got == number or (math.isnan(got) and math.isnan(number))


def test_text_is_bounded() -> None:
    it = exposition()
    it.record([samples(shape("k" * 100_000, environment="v" * 100_000), 1)], Source("f", "r" * 100_000))
    assert max(map(len, it.render(False).splitlines())) < 1500


def test_scrapes_and_reading_go_on_side_by_side() -> None:
    it = exposition()
    done = threading.Event()
    faults: list[BaseException] = []

    def scraper() -> None:
        try:
            while not done.is_set():
                check_text(it.render(False).decode())
        except BaseException as e:
            faults.append(e)

    threads = [threading.Thread(target=scraper) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(1, 400):
        keys = [f"k{step % 37}", "always"]
        it.record([samples(shape(*keys, environment=str(step % 5)), step, step, step=step), problem()], TRAINER)
        it.record([interval(f"s{step % 3}", float(step), None if step % 2 else step + 1.0)], TRAINER)
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
    found = scrape(it)
    assert value(found, "rl_step") == 399
    assert value(found, "rl_problems_total", kind="nan") == 399
