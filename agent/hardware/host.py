"""The host itself, as psutil reads it from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from rli_agent.hardware.figures import Figure


class HostReader:
    """CPU, memory, disks and network interfaces of this machine."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # from now on

    def read(self) -> Iterator[Figure]:
        """Raises OSError."""
        yield Figure("rl_host_cpu_busy_ratio", psutil.cpu_percent() / 100)
        yield Figure("rl_host_cpus", float(os.cpu_count() or 1))
        memory = psutil.virtual_memory()
        yield Figure("rl_host_memory_total_bytes", float(memory.total))
        yield Figure("rl_host_memory_used_bytes", float(memory.total - memory.available))
        disks = psutil.disk_io_counters()
        if disks is not None:
            yield Figure("rl_host_disk_read_bytes_total", float(disks.read_bytes))
            yield Figure("rl_host_disk_written_bytes_total", float(disks.write_bytes))
        links = [link for name, link in psutil.net_io_counters(pernic=True).items() if name != "lo"]
        yield Figure("rl_host_network_received_bytes_total", float(sum(link.bytes_recv for link in links)))
        yield Figure("rl_host_network_sent_bytes_total", float(sum(link.bytes_sent for link in links)))


def room(place: Path) -> Iterator[Figure]:
    """Of the file system on which a directory lies. Raises OSError."""
    used = psutil.disk_usage(str(place))
    yield Figure("rl_host_disk_used_bytes", float(used.used))
    yield Figure("rl_host_disk_total_bytes", float(used.used + used.free))
