"""The GPUs of this machine, as `nvidia-smi` has them."""

from __future__ import annotations

import csv

from msgspec import Struct

from rli_agent.machine.programs import output

_MIB = 1 << 20


class Gpu(Struct, frozen=True):
    """A GPU. `busy` is a share (0 to 1); None where the driver does not say."""

    index: int
    name: str
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    busy: float | None


def gpus() -> list[Gpu]:
    """The GPUs; none where `nvidia-smi` does not exist or does not answer."""
    fields = "index,name,memory.used,memory.total,utilization.gpu"
    text = output(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]) or ""
    found = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) == 5 and row[0].isdigit():
            used, total, busy = (_number(field) for field in row[2:])
            share = None if busy is None else busy / 100
            found.append(Gpu(int(row[0]), row[1][:80], _bytes(used), _bytes(total), share))
    return found


def memory_by_process() -> dict[int, int]:
    """Bytes of GPU memory by process id, over all GPUs."""
    text = output(["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]) or ""
    found: dict[int, int] = {}
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) == 2 and row[0].isdigit() and (used := _bytes(_number(row[1]))) is not None:
            found[int(row[0])] = found.get(int(row[0]), 0) + used
    return found


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:  # [N/A]
        return None


def _bytes(mebibytes: float | None) -> int | None:
    return None if mebibytes is None else int(mebibytes * _MIB)
