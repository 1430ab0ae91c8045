"""Figures of exporters that run on this machine anyway: node-exporter (1.x) and NVIDIA's DCGM exporter (3.x, 4.x)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rli_agent.engines.addresses import Address
from rli_agent.engines.page import NoPage, fetch
from rli_agent.hardware.figures import Figure

#: Where they listen unless told otherwise.
NODE, DCGM = Address("127.0.0.1", 9100), Address("127.0.0.1", 9400)
_LINE = re.compile(r"^(\w+)(?:\{([^}]*)\})? ([0-9.eE+-]+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_MIB = float(1 << 20)
#: Links that are no network: loopback and what containers make.
_NO_LINK = re.compile(r"lo|veth|docker|br-|cni|flannel|cali")
#: Names of the DCGM exporter → metric and factor.
_OF_DCGM = {
    "DCGM_FI_DEV_GPU_UTIL": ("rl_gpu_busy_ratio", 0.01),
    "DCGM_FI_DEV_FB_USED": ("rl_gpu_memory_used_bytes", _MIB),
    "DCGM_FI_DEV_POWER_USAGE": ("rl_gpu_power_watts", 1.0),
    "DCGM_FI_DEV_GPU_TEMP": ("rl_gpu_temperature_celsius", 1.0),
}
_OF_DISKS = {
    "node_disk_read_bytes_total": "rl_host_disk_read_bytes_total",
    "node_disk_written_bytes_total": "rl_host_disk_written_bytes_total",
}
_OF_LINKS = {
    "node_network_receive_bytes_total": "rl_host_network_received_bytes_total",
    "node_network_transmit_bytes_total": "rl_host_network_sent_bytes_total",
}
#: Disks as a whole: not their partitions, nor what is laid over them.
_DISK = re.compile(r"(?:sd|vd|hd|xvd)[a-z]+|nvme\d+n\d+|mmcblk\d+")


class NodeExporter:
    """The host's figures from its exporter. Raises OSError where none answers."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._before: tuple[float, float] | None = None
        if "node_cpu_seconds_total" not in _page(address):
            raise OSError("what answers is not a node-exporter")

    def read(self) -> Iterator[Figure]:
        """Raises OSError."""
        sums: dict[str, float] = {}
        cpus: set[str] = set()
        idle = busy = 0.0
        for name, labels, value in _lines(_page(self._address), ("node_",)):
            if name == "node_cpu_seconds_total":
                cpus.add(labels.get("cpu", ""))
                if labels.get("mode") in ("idle", "iowait"):
                    idle += value
                elif labels.get("mode") not in ("guest", "guest_nice"):
                    busy += value
            elif name in ("node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"):
                sums[name] = value
            elif name in _OF_DISKS and _DISK.fullmatch(labels.get("device", "")):
                sums[_OF_DISKS[name]] = sums.get(_OF_DISKS[name], 0.0) + value
            elif name in _OF_LINKS and not _NO_LINK.match(labels.get("device", "")):
                sums[_OF_LINKS[name]] = sums.get(_OF_LINKS[name], 0.0) + value
        before, self._before = self._before, (idle, busy)
        if before is not None and idle + busy > sum(before):
            yield Figure("rl_host_cpu_busy_ratio", (busy - before[1]) / (idle + busy - sum(before)))
        if cpus:
            yield Figure("rl_host_cpus", float(len(cpus)))
        total, free = sums.pop("node_memory_MemTotal_bytes", None), sums.pop("node_memory_MemAvailable_bytes", None)
        if total is not None and free is not None:
            yield Figure("rl_host_memory_total_bytes", total)
            yield Figure("rl_host_memory_used_bytes", total - free)
        yield from (Figure(name, value) for name, value in sums.items())


class DcgmExporter:
    """The GPUs' figures from their exporter. Raises OSError where none answers."""

    def __init__(self, address: Address) -> None:
        self._address = address
        if "DCGM_FI_DEV_" not in _page(address):
            raise OSError("what answers is no DCGM exporter")

    def read(self) -> Iterator[Figure]:
        """Of whole GPUs; a MIG slice is none. Raises OSError."""
        free: dict[str, float] = {}
        used: dict[str, float] = {}
        for name, labels, value in _lines(_page(self._address), ("DCGM_FI_DEV_",)):
            gpu = labels.get("gpu", "")
            if labels.get("GPU_I_ID") or not gpu:
                continue
            if name in _OF_DCGM:
                metric, factor = _OF_DCGM[name]
                yield Figure(metric, value * factor, (("gpu", gpu),))
            if name in ("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_RESERVED"):
                used[gpu] = used.get(gpu, 0.0) + value
            elif name == "DCGM_FI_DEV_FB_FREE":
                free[gpu] = value
        for gpu in sorted(free.keys() & used.keys()):
            yield Figure("rl_gpu_memory_total_bytes", (free[gpu] + used[gpu]) * _MIB, (("gpu", gpu),))


def _lines(text: str, beginnings: Iterable[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, labels and value of the series whose names begin so."""
    wanted = tuple(beginnings)
    for name, labels, value in _LINE.findall(text):
        if name.startswith(wanted):
            try:
                yield name, dict(_LABEL.findall(labels)), float(value)
            except ValueError:  # a dash
                continue


def _page(address: Address) -> str:
    try:
        return fetch(address)
    except NoPage as error:
        raise OSError(str(error)) from None
