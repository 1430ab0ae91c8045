"""Run overview: is it healthy, where is it, what does it wait for? For every framework; several runs overlaid."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from rli_agent.dashboards.board import board
from rli_agent.dashboards.marks import events
from rli_agent.dashboards.panels import (
    HALF,
    QUARTER,
    THIRD,
    bars,
    common_curve,
    curve,
    listing,
    number,
    query,
    stacked,
)
from rli_agent.dashboards.variables import RUNS, run_choice

#: The trainer's step; where no role is the trainer's, the newest of any.
STEP = f"max by (run) (rl_step{{{RUNS}}})"
MAX_STEPS = f"max by (run) (rl_max_steps{{{RUNS}}})"
STEP_SECONDS = f"max by (run) (quantile_over_time(0.5, rl_step_duration_seconds{{{RUNS}}}[1h]))"
#: Seconds without a new step, as the scrapes saw it; nothing where no step came in the last day.
SINCE_STEP = f"time() - max by (run) (max_over_time(timestamp(changes(rl_step{{{RUNS}}}[2m]) > 0)[1d:1m]))"
WAITING = "(wait|load_data)"


def dashboard() -> Dashboard:
    """The dashboard that one opens first."""
    found = board("rli-overview", "RL run overview", run_choice(), events())
    _answer(found)
    _learning(found)
    _time(found)
    _engines(found)
    _machine(found)
    return found


def _answer(found: Dashboard) -> None:
    found.with_row(Row("How is it?"))
    found.with_panel(number("Step", STEP, about="The newest step that the run logged (`rl_step`)."))
    found.with_panel(
        number("Done", f"{STEP} / {MAX_STEPS}", unit="percentunit", about="Step of the steps planned (`rl_max_steps`).")
    )
    found.with_panel(
        number(
            "Time left",
            f"clamp_min({MAX_STEPS} - {STEP}, 0) * {STEP_SECONDS}",
            unit="s",
            about="Steps to come times the median duration of the steps of the last hour; evaluations and checkpoints "
            "between steps come on top.",
        )
    )
    found.with_panel(
        number(
            "Steps without a new one",
            f"({SINCE_STEP}) / {STEP_SECONDS}",
            unit="suffix: steps",
            about="Time since the last step, in durations of a step: above 3 the run is stuck, in an evaluation or in "
            "a checkpoint.",
            steps=[(None, "green"), (3, "orange"), (6, "red")],
        )
    )
    found.with_panel(
        listing(
            "Doing now",
            f"sort_desc(rl_state_elapsed_seconds{{{RUNS}}})",
            [("run", "Run"), ("lane", "Lane"), ("state", "State")],
            value="For",
            unit="s",
            width=HALF,
            about="States that were announced and not yet ended, the oldest first.",
        )
    )
    found.with_panel(
        listing(
            "Problems",
            f"sort_desc(sum by (run, role, kind, level) (rl_problems_total{{{RUNS}}}) > 0)",
            [("run", "Run"), ("role", "Role"), ("kind", "Kind"), ("level", "Level")],
            value="Count",
            width=HALF,
            about="All since the run began; `rli-agent diagnose` says which came first.",
        )
    )


def _learning(found: Dashboard) -> None:
    found.with_row(Row("Does it learn?"))
    for panel in (
        common_curve("Reward", "rl_reward_mean"),
        common_curve("Evaluation", "rl_eval_score", by=("stat",), legend="{{stat}}"),
        common_curve("Entropy", "rl_policy_entropy"),
        common_curve("KL from the reference", "rl_policy_kl", "rl_policy_kl_old"),
        common_curve("Gradient norm", "rl_grad_norm"),
        common_curve("Loss", "rl_policy_loss", "rl_loss", "rl_value_loss"),
        common_curve(
            "Length",
            "rl_response_length_mean_tokens",
            "rl_sequence_length_mean_tokens",
            "rl_response_length_max_tokens",
        ),
        common_curve("Cut off, failed, cancelled", "rl_truncated_ratio", "rl_errored_ratio", "rl_cancelled_ratio"),
        common_curve("Clipped by PPO", "rl_clip_fraction"),
        common_curve("Engine against trainer: KL", "rl_mismatch_kl"),
        common_curve("Engine against trainer: probabilities", "rl_rollout_probs_diff_mean"),
        common_curve("Staleness", "rl_off_policy_max_steps", "rl_off_policy_mean_steps", "rl_async_level_steps"),
    ):
        found.with_panel(panel)


def _time(found: Dashboard) -> None:
    found.with_row(Row("Where does the time go?"))
    found.with_panel(common_curve("Duration of a step", "rl_step_duration_seconds", by=("lane",), legend="{{lane}}"))
    phases = f'max by (run, lane, state) (rl_phase_duration_seconds{{{RUNS}, state!="step"}})'
    found.with_panel(
        stacked(
            curve(
                "States of a step",
                query(phases, "{{run}} {{lane}} {{state}}"),
                unit="s",
                width=HALF + 4,
                about="The newest duration of each state of each lane (`rl_phase_duration_seconds`).",
            )
        )
    )
    waits = f'sum by (run, lane) (rl_phase_duration_seconds{{{RUNS}, state=~"{WAITING}"}})'
    steps = f"max by (run, lane) (rl_step_duration_seconds{{{RUNS}}})"
    found.with_panel(
        curve(
            "Who waits",
            query(f"{waits} / ({steps} or {waits} * 0 + 1)", "{{run}} {{lane}} waits"),
            unit="percentunit",
            about="Share of a lane's step that it spends waiting. A trainer that waits wants more inference; an "
            "orchestrator that waits wants a faster trainer.",
        )
    )
    found.with_panel(common_curve("Throughput", "rl_throughput_tokens_per_second", by=("role",), legend="{{role}}"))
    found.with_panel(
        common_curve("Throughput of a GPU", "rl_throughput_tokens_per_second_per_gpu", by=("role",), legend="{{role}}")
    )
    found.with_panel(common_curve("Use of the GPUs", "rl_mfu_ratio"))
    found.with_panel(common_curve("GPU memory", "rl_memory_peak_bytes"))


def _engines(found: Dashboard) -> None:
    found.with_row(Row("Do the engines keep up?"))
    for panel in (
        common_curve("Requests", "rl_engine_requests_running", "rl_engine_requests_waiting", width=QUARTER),
        common_curve("KV cache in use", "rl_engine_kv_cache_usage_ratio", width=QUARTER),
        common_curve("Tokens generated", "rl_engine_generation_tokens_per_second", width=QUARTER),
        common_curve("Prefix cache", "rl_engine_prefix_cache_hit_ratio", width=QUARTER),
    ):
        found.with_panel(panel)
    rate = f"sum by (run, kind) (increase(rl_problems_total{{{RUNS}}}[$__rate_interval]))"
    found.with_panel(stacked(curve("Problems by kind", query(rate, "{{run}} {{kind}}"), width=HALF + THIRD - QUARTER)))
    found.with_panel(
        bars(
            "Rollouts under way",
            f"max by (run, role) (rl_inflight_rollouts{{{RUNS}}})",
            legend="{{run}} {{role}}",
            width=24 - (HALF + THIRD - QUARTER),
        )
    )


def _machine(found: Dashboard) -> None:
    found.with_row(Row("Is it the machine?"))
    for panel in (
        common_curve("GPUs busy", "rl_gpu_busy_ratio", by=("host", "gpu"), legend="{{host}} {{gpu}}", width=QUARTER),
        common_curve(
            "GPU memory in use", "rl_gpu_memory_used_bytes", by=("host", "gpu"), legend="{{host}} {{gpu}}",
            width=QUARTER,
        ),
        common_curve("Processors busy", "rl_host_cpu_busy_ratio", by=("host",), legend="{{host}}", width=QUARTER),
        common_curve(
            "Memory of its processes", "rl_host_process_memory_bytes", by=("host", "process"),
            legend="{{host}} {{process}}", width=QUARTER,
        ),
    ):  # fmt: skip
        found.with_panel(panel)
