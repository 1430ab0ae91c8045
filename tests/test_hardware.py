"""Figures of the machine: the host, the run's processes, GPUs, and exporters that run anyway.

No GPU was there when this was written: NVML's answers are those that its documentation gives the form of.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from agent_process import Agent, until
from loopback import answering

from rli_agent.catalogue import Catalogue
from rli_agent.engines.addresses import Address
from rli_agent.hardware.exporters import DcgmExporter, NodeExporter
from rli_agent.hardware.figures import Figure
from rli_agent.hardware.host import HostReader, room
from rli_agent.hardware.machine import Machine
from rli_agent.hardware.nvml import NoGpu, NvmlReader
from rli_agent.hardware.run_processes import RunProcesses
from rli_agent.machine.processes import called

GIB = 1 << 30


def by_name(figures: Iterator[Figure] | list[Figure]) -> dict[str, float]:
    return {" ".join([f.name, *(v for _, v in f.labels)]): f.value for f in figures}


def of_catalogue(figures: list[Figure]) -> None:
    catalogue = Catalogue.load()
    for figure in figures:
        assert {name for name, _ in figure.labels} == set(catalogue[figure.name].labels), figure


def test_the_host_is_as_psutil_sees_it(tmp_path: Path) -> None:
    reader = HostReader()
    figures = [*reader.read(), *room(tmp_path)]
    of_catalogue(figures)
    told = by_name(figures)
    assert 0.0 <= told["rl_host_cpu_busy_ratio"] <= 1.0
    assert told["rl_host_memory_total_bytes"] == psutil.virtual_memory().total
    assert 0 < told["rl_host_memory_used_bytes"] < told["rl_host_memory_total_bytes"]
    assert 0 < told["rl_host_disk_used_bytes"] <= told["rl_host_disk_total_bytes"]


def test_the_runs_processes_are_told_apart_by_name(tmp_path: Path) -> None:
    trainer = tmp_path / "train.py"
    trainer.write_text("import sys\nlog = open(sys.argv[1], 'w')\nprint('ready', flush=True)\nwhile True: pass\n")
    with subprocess.Popen([sys.executable, trainer, tmp_path / "run.log"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        reader = RunProcesses(tmp_path)
        figures = list(reader.read())

        def is_busy() -> bool:
            figures.extend(reader.read())
            return by_name(figures).get("rl_host_process_cpus_busy train.py", 0.0) > 0.0

        until(is_busy, "the processor that it keeps busy")
        process.kill()
        process.wait()
        assert list(reader.read()) == []
    of_catalogue(figures)
    told = by_name(figures)
    assert told["rl_host_processes train.py"] == 1
    assert told["rl_host_process_memory_bytes train.py"] > 1 << 20


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["PRIME-RL::Trainer [rank 0]"], "PRIME-RL::Trainer"),
        (["/usr/bin/python3.11", "-u", "/opt/verl/main_ppo.py", "trainer.nnodes=1"], "main_ppo.py"),
        (["python", "-m", "verl.trainer.main_ppo"], "verl.trainer.main_ppo"),
        (["/usr/bin/torchrun", "--nproc=8"], "torchrun"),
        (["python"], "python"),
        (["python3", "-u", "-c", "import a/b"], "python3"),
        ([], "other"),
        (["x" * 500], "x" * 60),
    ],
)
def test_a_process_is_called_by_what_it_runs(words: list[str], name: str) -> None:
    assert called(words) == name


class Unsupported(Exception):
    pass


class Nvml:
    """A library that answers as `pynvml` does, for two GPUs of which the second says less. `refused`: GPUs that it
    counts and shows nothing of; `old`: its driver knows no second form of memory."""

    NVMLError: type[Exception] = Unsupported
    NVML_TEMPERATURE_GPU = 0
    nvmlMemory_v2 = 0x02000028
    nvmlDeviceGetCount = staticmethod(lambda: 2)
    nvmlDeviceGetName = staticmethod(lambda _: b"NVIDIA H100 80GB HBM3")  # bytes, up to nvidia-ml-py 11.515
    nvmlDeviceGetUtilizationRates = staticmethod(lambda _: SimpleNamespace(gpu=87, memory=40))
    nvmlDeviceGetTemperature = staticmethod(lambda *_: 61)

    def __init__(self, refused: tuple[int, ...] = (), *, old: bool = False) -> None:
        self._refused, self._old = refused, old

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index in self._refused:
            raise Unsupported("Insufficient Permissions")
        return index

    def nvmlDeviceGetMemoryInfo(self, _: int, version: int | None = None) -> SimpleNamespace:
        if version is None:
            return SimpleNamespace(total=80 * GIB, used=61 * GIB, free=19 * GIB)
        if self._old:
            raise Unsupported("Function Not Found")
        return SimpleNamespace(total=80 * GIB, reserved=GIB, used=60 * GIB, free=19 * GIB)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        if handle == 1:
            raise Unsupported("Not Supported")
        return 512_345

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        if handle == 1:
            return [SimpleNamespace(pid=11, usedGpuMemory=None)]
        used = [(11, 30 * GIB), (12, 20 * GIB), (99, GIB)]
        return [SimpleNamespace(pid=pid, usedGpuMemory=memory) for pid, memory in used]


def test_gpus_are_as_nvml_answers_and_what_one_does_not_say_is_left_out() -> None:
    reader = NvmlReader(Nvml())
    figures = [*reader.read(), *reader.of_processes({11: "VLLM::Worker", 12: "VLLM::Worker"})]
    of_catalogue(figures)
    assert reader.name == "2 × NVIDIA H100 80GB HBM3"
    told = by_name(figures)
    assert told["rl_gpu_busy_ratio 1"] == 0.87
    assert told["rl_gpu_memory_used_bytes 0"] == 60 * GIB
    assert told["rl_gpu_power_watts 0"] == 512.345
    assert "rl_gpu_power_watts 1" not in told
    assert told["rl_gpu_process_memory_bytes 0 VLLM::Worker"] == 50 * GIB
    assert sum("process_memory" in name for name in told) == 1


def test_a_gpu_that_is_counted_and_refused_hides_no_other() -> None:
    reader = NvmlReader(Nvml(refused=(0,)))
    told = by_name([*reader.read(), *reader.of_processes({11: "VLLM::Worker"})])
    assert reader.name == "1 × NVIDIA H100 80GB HBM3; 1 more cannot be read (Insufficient Permissions)"
    assert {name.split()[1] for name in told} == {"1"}, "a GPU has the driver's number"
    with pytest.raises(NoGpu, match="Permissions"):
        NvmlReader(Nvml(refused=(0, 1)))


def test_an_old_driver_counts_its_own_memory_in() -> None:
    told = by_name(NvmlReader(Nvml(old=True)).read())
    assert told["rl_gpu_memory_used_bytes 0"] == 61 * GIB


def test_no_driver_is_no_gpu() -> None:
    class NoDriver(Nvml):
        def nvmlInit(self) -> None:
            raise Unsupported("NVML Shared Library Not Found")

    with pytest.raises(NoGpu, match="Not Found"):
        NvmlReader(NoDriver())


def test_the_real_library_answers_or_there_is_no_gpu() -> None:
    import pynvml

    try:
        figures = list(NvmlReader(pynvml).read())
    except NoGpu as error:
        assert "NVML" in str(error) or "Driver" in str(error) or "GPU" in str(error)  # noqa: PT017
    else:
        of_catalogue(figures)


@contextmanager
def paging(pages: list[str]) -> Iterator[Address]:
    """A server that gives one page after the other, the last one for good."""
    with answering(lambda _: (pages.pop(0) if len(pages) > 1 else pages[0]).encode()) as port:
        yield Address("127.0.0.1", port)


def node(idle: float, user: float) -> str:
    return f"""# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{{cpu="0",mode="idle"}} {idle}
node_cpu_seconds_total{{cpu="0",mode="user"}} {user}
node_cpu_seconds_total{{cpu="1",mode="iowait"}} 100
node_cpu_seconds_total{{cpu="1",mode="guest"}} 1e+06
node_memory_MemTotal_bytes 6.7e+10
node_memory_MemAvailable_bytes 2e+10
node_disk_read_bytes_total{{device="nvme0n1"}} 100
node_disk_read_bytes_total{{device="nvme0n1p1"}} 90
node_disk_read_bytes_total{{device="dm-0"}} 90
node_disk_read_bytes_total{{device="sda"}} 5
node_network_receive_bytes_total{{device="lo"}} 1e9
node_network_receive_bytes_total{{device="eth0"}} 7
node_network_receive_bytes_total{{device="ib0"}} 3
node_network_receive_bytes_total{{device="veth12ab"}} 3
"""


def test_a_node_exporter_gives_the_hosts_figures() -> None:
    with paging([node(100, 0), node(100, 0), node(107, 3)]) as address:
        reader = NodeExporter(address)
        first, second = list(reader.read()), list(reader.read())
    of_catalogue(second)
    assert "rl_host_cpu_busy_ratio" not in by_name(first)
    told = by_name(second)
    assert told["rl_host_cpu_busy_ratio"] == pytest.approx(0.3)
    assert told["rl_host_cpus"] == 2
    assert told["rl_host_memory_used_bytes"] == 4.7e10
    assert told["rl_host_disk_read_bytes_total"] == 105
    assert told["rl_host_network_received_bytes_total"] == 10


DCGM = """# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="n1"} 93
DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-1"} 20000
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-1"} 61000
DCGM_FI_DEV_FB_RESERVED{gpu="0",UUID="GPU-1"} 559
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-1"} 612.5
DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-1"} 66
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-1",GPU_I_PROFILE="1g.10gb",GPU_I_ID="7"} 5
"""


def test_a_dcgm_exporter_gives_the_gpus_figures() -> None:
    with paging([DCGM]) as address:
        figures = list(DcgmExporter(address).read())
    of_catalogue(figures)
    assert by_name(figures) == {
        "rl_gpu_busy_ratio 0": 0.93, "rl_gpu_memory_used_bytes 0": 61000 * (1 << 20),
        "rl_gpu_memory_total_bytes 0": 81559 * (1 << 20), "rl_gpu_power_watts 0": 612.5,
        "rl_gpu_temperature_celsius 0": 66,
    }  # fmt: skip


def test_what_else_answers_there_is_no_exporter() -> None:
    with paging(["up 1\n"]) as address:
        for kind in (NodeExporter, DcgmExporter):
            with pytest.raises(OSError, match="is no"):
                kind(address)
    with pytest.raises(OSError, match="refused"):
        NodeExporter(Address("127.0.0.1", 1))


def test_an_exporter_is_asked_instead_and_when_it_goes_the_machine_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    with paging([node(100, 0)]) as address:
        monkeypatch.setattr("rli_agent.hardware.exporters.NODE", address)
        machine = Machine(said.append, every=0.02)
        until(lambda: by_name(machine.figures(tmp_path)).get("rl_host_memory_total_bytes") == 6.7e10, "the exporter's")
    try:
        own = psutil.virtual_memory().total
        until(lambda: by_name(machine.figures(tmp_path)).get("rl_host_memory_total_bytes") == own, "the machine's")
    finally:
        machine.close()
    assert said == [f"the host's figures are those of the node-exporter at {address.url}"]


@pytest.mark.real
def test_a_watch_shows_the_machine_unless_told_not_to(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.log").write_text("step 1 | loss 0.5 | lr 1e-6\n")
    agent = Agent(tmp_path, run)
    try:
        until(lambda: "\nrl_host_disk_total_bytes{" in agent.metrics(), "the machine's figures")
    finally:
        assert agent.end() == 0
    agent = Agent(tmp_path, run, "--no-host")
    try:
        until(lambda: "rl_loss{" in agent.metrics(), "the run's figures")
        assert "rl_host" not in agent.metrics() + agent.metrics()
    finally:
        agent.end()
