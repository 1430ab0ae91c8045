"""The catalogue of common metrics: the shipped file keeps Prometheus's rules, the loader refuses what breaks them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rli_agent.catalogue import Catalogue, CatalogueError, base_factor

SHIPPED = Catalogue.load()

ASKED_FOR = re.findall(
    r"\w+",
    """
rl_reward_mean rl_reward_max rl_reward_min rl_reward_std rl_policy_entropy rl_policy_kl rl_policy_kl_old rl_policy_loss
rl_value_loss rl_loss rl_grad_norm rl_value_grad_norm rl_learning_rate rl_clip_fraction rl_advantage_mean
rl_response_length_mean_tokens rl_response_length_max_tokens rl_prompt_length_mean_tokens rl_truncated_ratio
rl_errored_ratio rl_cancelled_ratio rl_trainable_ratio rl_turns_mean rl_off_policy_max_steps rl_async_level_steps
rl_mismatch_kl rl_rollout_probs_diff_mean rl_eval_score rl_step rl_step_duration_seconds rl_phase_duration_seconds
rl_state_elapsed_seconds rl_throughput_tokens_per_second rl_throughput_tokens_per_second_per_gpu rl_mfu_ratio
rl_memory_peak_bytes rl_engine_requests_running rl_engine_requests_waiting rl_engine_kv_cache_usage_ratio
rl_engine_prefix_cache_hit_ratio rl_engine_prompt_tokens_per_second rl_engine_generation_tokens_per_second
rl_engine_preemptions rl_inflight_rollouts rl_max_steps rl_problems_total rl_rollouts_total rl_rollout_reward_mean
""",
)


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_quantities_that_dashboards_and_detectors_use_are_there(name: str) -> None:
    assert name in SHIPPED


@pytest.mark.parametrize("quantity", SHIPPED, ids=lambda q: q.name)
def test_a_name_ends_in_its_unit_and_in_no_other(quantity) -> None:  # type: ignore[no-untyped-def]
    suffixes = {"ratio": ("_ratio", "_fraction"), "none": (), "nats": ()}
    stem = quantity.name.removesuffix("_total").removesuffix("_per_gpu")
    wanted = suffixes.get(quantity.unit, (f"_{quantity.unit}",))
    assert not wanted or stem.endswith(wanted)
    if not wanted:
        others = ("_seconds", "_bytes", "_tokens", "_per_second", "_steps", "_ratio", "_fraction", "_ms", "_percent")
        assert quantity.name == "rl_max_steps" or not stem.endswith(others)


@pytest.mark.parametrize("quantity", SHIPPED, ids=lambda q: q.name)
def test_help_is_one_sentence_without_full_stop(quantity) -> None:  # type: ignore[no-untyped-def]
    assert quantity.help[0].isupper()
    assert not quantity.help.endswith(".")
    assert "\n" not in quantity.help + quantity.scale


def test_ratios_are_healthy_between_zero_and_one() -> None:
    for quantity in SHIPPED:
        if quantity.unit == "ratio" and quantity.healthy:
            assert all(end is None or 0 <= end <= 1 for end in quantity.healthy)


def test_lookup() -> None:
    assert SHIPPED["rl_problems_total"].type == "counter"
    assert SHIPPED.get("rl_no_such_thing") is None
    with pytest.raises(KeyError):
        SHIPPED["rl_no_such_thing"]
    assert len(SHIPPED) == len(list(SHIPPED))


@pytest.mark.parametrize(
    ("unit", "printed", "base"),
    [("percent", 41.5, 0.415), ("ms", 1500, 1.5), ("us", 2e6, 2), ("GiB", 2, 2147483648), ("s", 3, 3), (None, 3, 3)],
)
def test_printed_units_become_base_units(unit: str | None, printed: float, base: float) -> None:
    assert printed * base_factor(unit) == pytest.approx(base)


ENTRY = "{name: rl_x, help: X, unit: none, better: up, healthy: null}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"metrics: [{ENTRY}, {ENTRY}]", "defined twice"),
        (f"metrics: [{ENTRY.replace('rl_x', 'reward')}]", "is not allowed"),
        (f"metrics: [{ENTRY.replace('rl_x', 'rl_X')}]", "is not allowed"),
        (f"metrics: [{ENTRY.replace('rl_x', 'rl_x_total')}]", "end in `_total`"),
        (f"metrics: [{ENTRY.replace('null', '[2, 1]')}]", "2.0 is above 1.0"),
        (f"metrics: [{ENTRY.replace('none', 'parsecs')}]", "parsecs"),
        (f"metrics: [{ENTRY.replace('better', 'bettr')}]", "bettr"),
        ("metrics: [", ":2:1: did not find"),
        ("- 1", ":1:1: not a mapping"),
        ("", ":1:1: not a mapping"),
    ],
)
def test_a_broken_catalogue_is_refused_with_file_and_reason(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError) as error:
        Catalogue.load(path)
    assert str(path) in str(error.value)
    assert says in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"absent\.yaml: cannot be read: No such file"):
        Catalogue.load(tmp_path / "absent.yaml")


def test_an_open_ended_range_and_bytes_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"metrics: [{ENTRY.replace('null', '[null, 3]')}]")
    assert Catalogue.load(path)["rl_x"].healthy == (None, 3.0)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match=":1:1: not UTF-8 text"):
        Catalogue.load(path)
