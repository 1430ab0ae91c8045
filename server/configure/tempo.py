"""Tempo: one template for 2.x and one for 3.x, which have different keys and refuse each other's.

Spans of a run that was logged days ago are found by a search only if their block's time range was not cut down when
they arrived: `ingestion_time_range_slack`, whose default is 2 min, stands below `storage.trace.wal` in 2.x and below
`live_store.wal` in 3.x (tried with 2.6.1 and 3.0.3). A block is searched once it is cut and the list of blocks is read
again: hence the short intervals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rli_agent.publish.listen import shown
from rli_agent.server.configure.merge import merged
from rli_agent.server.configure.settings import TempoSettings, hours
from rli_agent.server.locate import Installed
from rli_agent.server.version import Version

#: How old a span may be when it arrives and still be found.
SLACK = "720h"
MAX_TRACE_BYTES = 50_000_000


def render(settings: TempoSettings, version: Version, bind: str, ports: dict[str, int], data: Path) -> str:
    """tempo.yaml. `ports`: by purpose: query, otlp, grpc."""
    retention = f"{max(1, round(hours(settings.retention)))}h"  # Tempo's durations know no days
    local = {"path": str(data / "blocks")}
    trace: dict[str, Any] = {
        "backend": "local", "local": local, "wal": {"path": str(data / "wal")}, "blocklist_poll": "10s",
    }  # fmt: skip
    ours: dict[str, Any] = {
        "target": "all",
        "server": {
            "http_listen_address": bind, "http_listen_port": ports["query"],
            "grpc_listen_address": "127.0.0.1", "grpc_listen_port": ports["grpc"], "log_level": "info",
        },
        "distributor": {"receivers": {"otlp": {"protocols": {"http": {"endpoint": shown(bind, ports["otlp"])}}}}},
        "memberlist": {"bind_addr": ["127.0.0.1"]},
        "usage_report": {"reporting_enabled": False},
        "query_frontend": {"search": {"max_duration": SLACK}},
        "storage": {"trace": trace},
    }  # fmt: skip
    if version >= (2, 3, 0):
        ours["overrides"] = {"defaults": {"global": {"max_bytes_per_trace": MAX_TRACE_BYTES}}}
    if version.major >= 3:
        ours["live_store"] = {
            "wal": {"path": str(data / "live"), "ingestion_time_range_slack": SLACK},
            "shutdown_marker_dir": str(data / "marker"),
        }
        ours["backend_scheduler"] = {
            "local_work_path": str(data / "work"),
            "provider": {"compaction": {"compaction": {"block_retention": retention}}},
        }
        # It waits so long for a compaction at its end; the default made every stop take 30 s, this one 5 (3.0.3).
        ours["backend_worker"] = {"compaction": {"block_retention": retention}, "finish_on_shutdown_timeout": "5s"}
    else:
        trace["wal"]["ingestion_time_range_slack"] = SLACK
        ours["ingester"] = {
            "max_block_duration": "1m", "trace_idle_period": "5s", "flush_check_period": "5s",
            "complete_block_timeout": "5m",
            # Without these it is not ready for minutes: it waits for other ingesters, and for 15 s more.
            "lifecycler": {
                "address": "127.0.0.1", "min_ready_duration": "0s",
                "ring": {"kvstore": {"store": "inmemory"}, "replication_factor": 1},
            },
        }  # fmt: skip
        ours["compactor"] = {"compaction": {"block_retention": retention}}
    return yaml.safe_dump(merged(ours, settings.extra), sort_keys=False)


def command(it: Installed, config: Path) -> list[str]:
    return [str(it.binary), f"-config.file={config}"]
