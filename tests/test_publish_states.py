"""What `/metrics` shows of states, problems, rollouts and facts, and of the agent itself."""

from __future__ import annotations

import pytest
from expositions import (
    CATALOGUE,
    RUN,
    TRAINER,
    batch,
    exposition,
    interval,
    names,
    problem,
    samples,
    scrape,
    shape,
    value,
)

from rli_agent.events import (
    PROBLEM_KINDS,
    RunFact,
    Source,
)
from rli_agent.life.state import Attempt, LifeState
from rli_agent.publish.exposition import Exposition


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
    it.life = lambda: LifeState(life="failed")
    assert "rl_state_elapsed_seconds" not in names(scrape(it))


def test_a_state_that_an_earlier_attempt_left_open_goes_with_it() -> None:
    it = Exposition(RUN, CATALOGUE, clock=lambda: 200.0)
    it.record([interval("save_ckpt", 90.0, None), interval("rollout", 190.0, None)], TRAINER)
    it.life = lambda: LifeState(life="running", attempt=Attempt(number=2, start=150.0))
    found = scrape(it)
    assert value(found, "rl_state_elapsed_seconds", state="rollout") == 10
    assert "save_ckpt" not in str(found)


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
