"""What a page of metrics says of an engine, by the names under which its log lines are known too.

Gauges are taken as they are, counters as what they grew by, or as rates. Names by version: vLLM 0.6 to 0.33, SGLang 0.3
to 0.5.23, vllm-router 0.1, sglang-router 0.1 to 0.3, verl's TransferQueue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Quantity(NamedTuple):
    """`name` is what it is called here; `sources` are the page's names, the first that is there counts.

    kind: gauge (`mean` over what it is split by, else the sum); rate, a second; growth since the last look; share, what
    the first of two counters grew by in what the second did. scale: 100 where log lines print percent.
    """

    name: str
    kind: Literal["gauge", "mean", "rate", "growth", "share"]
    sources: tuple[str, ...]
    scale: float = 1.0


_VLLM = (
    Quantity("vllm:num_requests_running", "gauge", ("vllm:num_requests_running",)),
    Quantity("vllm:num_requests_waiting", "gauge", ("vllm:num_requests_waiting",)),
    Quantity("vllm:num_requests_swapped", "gauge", ("vllm:num_requests_swapped",)),
    Quantity("vllm:kv_cache_usage_perc", "mean", ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"), 100.0),
    Quantity("vllm:avg_prompt_throughput_toks_per_s", "rate", ("vllm:prompt_tokens_total",)),
    Quantity("vllm:avg_generation_throughput_toks_per_s", "rate", ("vllm:generation_tokens_total",)),
    Quantity("vllm:num_preemptions", "growth", ("vllm:num_preemptions_total",)),
)
_HITS = tuple(
    Quantity("vllm:prefix_cache_hit_rate", "share", (f"vllm:{cache}_hits_total", f"vllm:{cache}_queries_total"), 100.0)
    for cache in ("gpu_prefix_cache", "prefix_cache")  # until 0.11, and since 0.10.2; the later counts where both are
)
_SGLANG = (
    Quantity("sglang:num_running_reqs", "gauge", ("sglang:num_running_reqs",)),
    Quantity("sglang:num_queue_reqs", "gauge", ("sglang:num_queue_reqs",)),
    Quantity("sglang:token_usage", "mean", ("sglang:full_token_usage", "sglang:token_usage")),
    # the gauge sglang:gen_throughput keeps its last value where nothing is generated
    Quantity("sglang:gen_throughput", "rate", ("sglang:generation_tokens_total",)),
    Quantity("sglang:input_throughput", "rate", ("sglang:prompt_tokens_total",)),
    Quantity("sglang:cache_hit_rate", "mean", ("sglang:cache_hit_rate",), 100.0),
    Quantity("sglang:num_retracted_reqs", "growth", ("sglang:num_retracted_requests_total",)),
)
_ROUTERS = tuple(
    Quantity(name, "growth" if name.endswith("_total") else "gauge", (name,))
    for name in (
        "vllm_router_active_workers", "vllm_router_running_requests", "vllm_router_worker_health",
        "vllm_router_request_errors_total", "vllm_router_retries_total",
        "sgl_router_active_workers", "sgl_router_running_requests", "sgl_router_worker_health",
        "sgl_router_request_errors_total", "sgl_router_retries_total",
        "smg_worker_pool_size", "smg_worker_health", "smg_http_connections_active", "smg_worker_errors_total",
        "smg_worker_retries_total",
    )
)  # fmt: skip
_QUEUES = tuple(
    Quantity(name, "mean" if name.endswith(("_ratio", "_progress")) else "gauge", (name,))
    for name in (
        "tq_partitions_total", "tq_global_index_allocated_total", "tq_global_index_reusable_total",
        "tq_partition_samples_total", "tq_partition_production_progress", "tq_partition_consumption_progress",
        "tq_storage_utilization_ratio", "tq_storage_active_keys_total", "tq_storage_capacity_total",
        "tq_storage_memory_rss_bytes", "tq_controller_memory_rss_bytes",
    )
)  # fmt: skip
QUANTITIES = (*_VLLM, *_HITS, *_SGLANG, *_ROUTERS, *_QUEUES)
PERCENT = frozenset(q.name for q in QUANTITIES if q.scale != 1.0)
_SOURCES = tuple(dict.fromkeys(name for q in QUANTITIES for name in q.sources))
#: What a page is split by, and stays split by. Ranks and models are added up.
_PARTS = ("engine", "dp_rank", "worker", "worker_url", "partition_id", "storage_unit_id")

#: Values by part of the page ("" where it has none) and name.
Values = dict[str, dict[str, list[float]]]


def values_of(page: str) -> Values:
    """The values of the page that any quantity is made of. Raises ValueError for lines that are no metrics."""
    lines = (line for line in page.split("\n") if line.startswith(_SOURCES))
    found: Values = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if sample.name in _SOURCES:
                part = next((sample.labels[label] for label in _PARTS if sample.labels.get(label)), "")
                found.setdefault(part, {}).setdefault(sample.name, []).append(float(sample.value))
    return found


def role_of(values: Values) -> str:
    """Who tells such values: an engine (inference), a router, or the trainer's queue."""
    names = {name for said in values.values() for name in said}
    if any(name.startswith(("vllm:", "sglang:")) for name in names):
        return "inference"
    return "trainer" if any(name.startswith("tq_") for name in names) else "router"


def figures(
    now: Mapping[str, list[float]], before: Mapping[str, list[float]], seconds: float
) -> Iterator[tuple[str, float]]:
    """Name and value of what one part of a page tells. `before` is the same `seconds` ago; without it there is nothing
    to tell of counters, nor where one was set back."""
    for quantity in QUANTITIES:
        there = [name for name in quantity.sources if name in now]
        if not there:
            continue
        if quantity.kind in ("gauge", "mean"):
            values = now[there[0]]
            value = sum(values) / len(values) if quantity.kind == "mean" else sum(values)
            yield quantity.name, _scaled(value, quantity.scale)
            continue
        grown = [sum(now[name]) - sum(before[name]) for name in there if name in before]
        if len(grown) < len(quantity.sources) or seconds <= 0 or min(grown) < 0:
            continue
        if quantity.kind == "share":
            if grown[1] > 0:
                yield quantity.name, _scaled(grown[0] / grown[1], quantity.scale)
        else:
            yield quantity.name, grown[0] / seconds if quantity.kind == "rate" else grown[0]


def _scaled(value: float, scale: float) -> float:
    """0.959 is 95.9 percent, not 95.89999999999999."""
    return value if scale == 1.0 else float(f"{value * scale:.12g}")
