"""Engines: vLLM, SGLang, their routers and verl's TransferQueue, by their own metrics and by what their logs say.

Old and new names of a metric stand in one query. Names: vLLM 0.7 to 0.33, SGLang 0.4 to 0.5, TransferQueue of verl 0.7.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel

from rli_agent.dashboards.board import board
from rli_agent.dashboards.panels import QUARTER, common_curve, curve, query
from rli_agent.dashboards.variables import run_choice

_WHO = "{{instance}} {{engine}}"


def dashboard() -> Dashboard:
    """The rows below the first are of engines that Prometheus scrapes itself."""
    found = board("rli-engines", "RL engines", run_choice())
    found.with_row(Row("By their logs"))
    for panel in (
        _logged("Requests", "rl_engine_requests_running", "rl_engine_requests_waiting"),
        _logged("KV cache in use", "rl_engine_kv_cache_usage_ratio"),
        _logged("Tokens", "rl_engine_generation_tokens_per_second", "rl_engine_prompt_tokens_per_second"),
        _logged("Prefix cache", "rl_engine_prefix_cache_hit_ratio"),
    ):
        found.with_panel(panel)
    found.with_row(Row("vLLM"))
    for panel in (
        curve(
            "Requests",
            query("vllm:num_requests_running", f"{_WHO} running"),
            query("vllm:num_requests_waiting", f"{_WHO} waiting", ref="B"),
        ),
        curve(
            "KV cache in use", query("vllm:kv_cache_usage_perc or vllm:gpu_cache_usage_perc", _WHO), unit="percentunit"
        ),
        curve(
            "Tokens",
            query(_rate("vllm:generation_tokens_total"), f"{_WHO} generated"),
            query(_rate("vllm:prompt_tokens_total"), f"{_WHO} read", ref="B"),
            unit="suffix: tok/s",
        ),
        curve("First token", *_quantiles("vllm:time_to_first_token_seconds"), unit="s"),
        curve("Whole request", *_quantiles("vllm:e2e_request_latency_seconds"), unit="s"),
        curve(
            "Between two tokens",
            *_quantiles("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
            unit="s",
        ),
        curve("Preempted for want of KV cache", query(_rate("vllm:num_preemptions_total"), _WHO), unit="cps"),
        curve(
            "Prefix cache",
            query(f"{_rate('vllm:prefix_cache_hits_total')} / {_rate('vllm:prefix_cache_queries_total')}", _WHO),
            unit="percentunit",
        ),
        curve(
            "How requests end",
            query(
                "sum by (instance, finished_reason) (rate(vllm:request_success_total[$__rate_interval]))",
                "{{instance}} {{finished_reason}}",
            ),
            unit="cps",
        ),
    ):
        found.with_panel(panel)
    found.with_row(Row("SGLang"))
    for panel in (
        curve(
            "Requests",
            query(_sglang("num_running_reqs"), "{{instance}} running"),
            query(_sglang("num_queue_reqs"), "{{instance}} queued", ref="B"),
        ),
        curve("KV cache in use", query(_sglang("token_usage"), "{{instance}}"), unit="percentunit"),
        curve("Tokens generated", query(_sglang("gen_throughput"), "{{instance}}"), unit="suffix: tok/s"),
        curve("Prefix cache", query(_sglang("cache_hit_rate"), "{{instance}}"), unit="percentunit"),
        curve("First token", *_quantiles("sglang:time_to_first_token_seconds"), unit="s"),
        curve("Whole request", *_quantiles("sglang:e2e_request_latency_seconds"), unit="s"),
    ):
        found.with_panel(panel)
    found.with_row(Row("Routers"))
    for panel in (
        curve("Workers", query("vllm_router_active_workers", "{{instance}}")),
        curve("Healthy", query("vllm_router_worker_health", "{{worker}}")),
        curve(
            "Requests",
            query(
                "sum by (instance, route) (rate(vllm_router_requests_total[$__rate_interval]))",
                "{{instance}} {{route}}",
            ),
            unit="cps",
        ),
    ):
        found.with_panel(panel)
    found.with_row(Row("TransferQueue"))
    for panel in (
        curve("Storage in use", query("tq_storage_utilization_ratio", "{{storage_unit_id}}"), unit="percentunit"),
        curve(
            "Requests",
            query("sum by (op_type) (rate(tq_controller_request_total[$__rate_interval]))", "{{op_type}}"),
            unit="cps",
        ),
        curve(
            "Progress",
            query("tq_partition_production_progress", "{{partition_id}} produced"),
            query("tq_partition_consumption_progress", "{{partition_id}} {{task_name}} consumed", ref="B"),
            unit="percentunit",
        ),
    ):
        found.with_panel(panel)
    return found


def _logged(title: str, *names: str) -> Panel:
    return common_curve(title, *names, by=("engine",), legend="{{engine}}", width=QUARTER)


def _rate(counter: str) -> str:
    return f"rate({counter}[$__rate_interval])"


def _sglang(name: str) -> str:
    """A gauge of SGLang, whose names have had a colon and an underscore."""
    return f'{{__name__=~"sglang[:_]{name}"}}'


def _quantiles(*histograms: str) -> list[Dataquery]:
    found = []
    for ref, share in (("A", 0.5), ("B", 0.95)):
        each = [
            f"histogram_quantile({share}, sum by (le, instance) (rate({name}_bucket[$__rate_interval])))"
            for name in histograms
        ]
        found.append(query(" or ".join(each), f"{{{{instance}}}} p{share * 100:.0f}", ref=ref))
    return found
