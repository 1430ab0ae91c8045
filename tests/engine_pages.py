"""Pages of engines' own metrics, with the names that their versions give them; counters rise with each page."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from loopback import answering

VLLM = """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 1
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} N
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="m"} N
# TYPE vllm:num_preemptions_total counter
vllm:num_preemptions_total{engine="0",model_name="m"} N
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="m"} N
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0",model_name="m"} N
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} N
"""
SGLANG = """
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="m"} 3
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{model_name="m"} 1
# TYPE sglang:token_usage gauge
sglang:token_usage{model_name="m"} 0.25
# TYPE sglang:gen_throughput gauge
sglang:gen_throughput{model_name="m"} 512.5
# TYPE sglang:cache_hit_rate gauge
sglang:cache_hit_rate{model_name="m"} 0.5
"""
ROUTER = """
# TYPE vllm_router_active_workers gauge
vllm_router_active_workers 2
# TYPE vllm_router_worker_health gauge
vllm_router_worker_health{worker="http://127.0.0.1:8100"} 1
# TYPE vllm_router_requests_total counter
vllm_router_requests_total{route="/v1/completions"} N
"""
TRANSFER_QUEUE = """
# TYPE tq_storage_utilization_ratio gauge
tq_storage_utilization_ratio{storage_unit_id="0"} 0.5
# TYPE tq_controller_request_total counter
tq_controller_request_total{op_type="put"} N
# TYPE tq_partition_production_progress gauge
tq_partition_production_progress{partition_id="train_0"} 1
# TYPE tq_partition_consumption_progress gauge
tq_partition_consumption_progress{partition_id="train_0",task_name="update"} 0.5
"""
HISTOGRAMS = (
    "vllm:time_to_first_token_seconds", "vllm:e2e_request_latency_seconds", "vllm:inter_token_latency_seconds",
    "sglang:time_to_first_token_seconds", "sglang:e2e_request_latency_seconds",
)  # fmt: skip


def engines_page(number: int) -> bytes:
    """The page that is scraped for the `number`th time."""
    text = (VLLM + SGLANG + ROUTER + TRANSFER_QUEUE).replace(" N\n", f" {number * 10}\n")
    for name in HISTOGRAMS:
        text += f"# TYPE {name} histogram\n"
        text += "".join(f'{name}_bucket{{model_name="m",le="{le}"}} {number}\n' for le in ("0.1", "1.0", "+Inf"))
        text += f'{name}_sum{{model_name="m"}} {number}\n{name}_count{{model_name="m"}} {number}\n'
    return text.lstrip().encode()


@contextlib.contextmanager
def serving_engines() -> Iterator[int]:
    """The port at which such pages are served, in the text format alone."""
    pages = itertools.count(1)
    with answering(lambda _: engines_page(next(pages))) as port:
        yield port
