"""NVIDIA's GPUs, by its management library: `nvidia-ml-py` (the extra `gpu`) and the driver's `libnvidia-ml.so.1`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from rli_agent.events import Labels
from rli_agent.hardware.figures import Figure


class Library(Protocol):
    """What is used of the module `pynvml` (nvidia-ml-py 12 and later). Each call raises NVMLError where a GPU, or its
    driver, does not say."""

    NVMLError: type[Exception]
    NVML_TEMPERATURE_GPU: int
    nvmlMemory_v2: int

    def nvmlInit(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any: ...
    def nvmlDeviceGetName(self, handle: Any) -> str | bytes: ...
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...
    def nvmlDeviceGetMemoryInfo(self, handle: Any, version: int | None = None) -> Any: ...
    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int: ...
    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]: ...


class NoGpu(Exception):
    """There is none, or no driver. str() says what the library says."""


class NvmlReader:
    """The GPUs that the driver lets this process see; `name` tells of them in a few words. Raises NoGpu.

    What a GPU does not say (power of a MIG slice, processes of another container) has no figure.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._handles: dict[int, Any] = {}  # by the driver's number of the GPU
        refused = ""
        try:
            library.nvmlInit()
            count = library.nvmlDeviceGetCount()
        except library.NVMLError as error:
            raise NoGpu(str(error)) from None
        for number in range(count):
            try:
                self._handles[number] = library.nvmlDeviceGetHandleByIndex(number)
            except library.NVMLError as error:  # counted all the same: another job's, or lost (NVML since 5.319)
                refused = str(error)
        if not self._handles:
            raise NoGpu(refused or "the driver shows no GPU")
        names = {self._asked(library.nvmlDeviceGetName, handle) or "GPU" for handle in self._handles.values()}
        self.name = f"{len(self._handles)} × {', '.join(sorted(map(_text, names)))}"
        if len(self._handles) < count:
            self.name += f"; {count - len(self._handles)} more cannot be read ({refused})"

    def read(self) -> Iterator[Figure]:
        """What each GPU does."""
        nvml = self._library
        for number, handle in self._handles.items():
            gpu = (("gpu", str(number)),)
            rates = self._asked(nvml.nvmlDeviceGetUtilizationRates, handle)
            if rates is not None:
                yield Figure("rl_gpu_busy_ratio", rates.gpu / 100, gpu)
            memory = self._memory(handle)
            if memory is not None:
                yield Figure("rl_gpu_memory_used_bytes", float(memory.used), gpu)
                yield Figure("rl_gpu_memory_total_bytes", float(memory.total), gpu)
            milliwatts = self._asked(nvml.nvmlDeviceGetPowerUsage, handle)
            if milliwatts is not None:
                yield Figure("rl_gpu_power_watts", milliwatts / 1000, gpu)
            degrees = self._asked(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
            if degrees is not None:
                yield Figure("rl_gpu_temperature_celsius", float(degrees), gpu)

    def of_processes(self, names: Mapping[int, str]) -> Iterator[Figure]:
        """The memory that these processes (what each id is called) hold on each GPU, those of one name together."""
        for number, handle in self._handles.items():
            held = self._asked(self._library.nvmlDeviceGetComputeRunningProcesses, handle) or ()
            by_name: dict[str, int] = {}
            for process in held:
                if process.pid in names and process.usedGpuMemory is not None:
                    name = names[process.pid]
                    by_name[name] = by_name.get(name, 0) + process.usedGpuMemory
            for name, used in by_name.items():
                labels: Labels = (("gpu", str(number)), ("process", name))
                yield Figure("rl_gpu_process_memory_bytes", float(used), labels)

    def _memory(self, handle: Any) -> Any:
        """Without what the driver keeps for itself, as `nvidia-smi` and DCGM count. Drivers before 510 include it."""
        nvml = self._library
        apart = self._asked(nvml.nvmlDeviceGetMemoryInfo, handle, nvml.nvmlMemory_v2)
        return apart if apart is not None else self._asked(nvml.nvmlDeviceGetMemoryInfo, handle)

    def _asked(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """None where the driver does not say, or the GPU is lost."""
        try:
            return call(*arguments)
        except self._library.NVMLError:
            return None


def _text(name: str | bytes) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
