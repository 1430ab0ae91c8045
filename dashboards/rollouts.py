"""Rollouts: what the model wrote and what it got for it, from the rollout files."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.timeseries import Panel

from rli_agent.dashboards.board import board
from rli_agent.dashboards.panels import HALF, QUARTER, THIRD, common_curve, curve, heat, number, query, stacked
from rli_agent.dashboards.variables import RUNS, choice, run_choice

_BY = ("environment", "stat")
_LEGEND = "{{environment}} {{stat}}"
_CHOSEN = 'environment=~"$environment", stat=~"$phase"'


def dashboard() -> Dashboard:
    """For runs that write rollout files (docs/rollouts.md says which do)."""
    variables = [
        *run_choice(),
        choice("environment", "Environment", f"label_values(rl_rollouts_total{{{RUNS}}}, environment)"),
        choice("phase", "Training or evaluation", f"label_values(rl_rollouts_total{{{RUNS}}}, stat)"),
    ]
    found = board("rli-rollouts", "RL rollouts", variables)
    found.with_row(Row("How much, how good?"))
    for title, name in (
        ("Rollouts", "rl_rollouts_total"),
        ("With an error", "rl_rollouts_errored_total"),
        ("Cut off", "rl_rollouts_truncated_total"),
        ("Empty", "rl_rollouts_empty_total"),
    ):
        found.with_panel(number(title, f"sum by (run) ({name}{{{RUNS}, {_CHOSEN}}})", width=QUARTER))
    found.with_panel(_curve("Reward", "rl_rollout_reward_mean", "rl_rollout_reward_min", "rl_rollout_reward_max"))
    found.with_panel(_curve("Spread of the reward", "rl_rollout_reward_std"))
    found.with_panel(_curve("Solved", "rl_rollout_solved_ratio", "rl_rollout_pass_at_k_ratio"))
    found.with_panel(heat("Rewards", "rl_rollout_reward", more=_CHOSEN, about="How many rollouts got which reward."))
    found.with_panel(
        heat(
            "Tokens of a response", "rl_rollout_response_tokens", more=_CHOSEN, about="How many rollouts are how long."
        )
    )
    found.with_panel(heat("Turns", "rl_rollout_turns", more=_CHOSEN))
    found.with_panel(heat("Time of a rollout", "rl_rollout_duration_seconds", unit="s", more=_CHOSEN))
    found.with_row(Row("What goes wrong?"))
    for title, names in (
        (
            "Failed, cut off, cancelled",
            ("rl_rollout_errored_ratio", "rl_rollout_truncated_ratio", "rl_rollout_cancelled_ratio"),
        ),
        (
            "Empty, repetitive, garbled",
            ("rl_rollout_empty_ratio", "rl_rollout_repetitive_ratio", "rl_rollout_garbled_ratio"),
        ),
        ("All the same", ("rl_rollout_uniform_groups_ratio", "rl_rollout_identical_ratio")),
    ):
        found.with_panel(_curve(title, *names))
    found.with_row(Row("What is the reward made of?"))
    for title, name in (
        ("Parts of the reward", "rl_rollout_reward_part_mean"),
        ("Of the environment", "rl_rollout_metric_mean"),
    ):
        found.with_panel(
            common_curve(title, name, by=(*_BY, "kind"), legend="{{environment}} {{kind}}", more=_CHOSEN, width=HALF)
        )
    rate = f"sum by (run, environment) (rate(rl_rollouts_total{{{RUNS}, {_CHOSEN}}}[$__rate_interval]))"
    found.with_panel(stacked(curve("Rollouts a second", query(rate, "{{run}} {{environment}}"), unit="cps", width=24)))
    return found


def _curve(title: str, *names: str) -> Panel:
    return common_curve(title, *names, by=_BY, legend=_LEGEND, more=_CHOSEN, width=THIRD)
