"""The machine's figures, read every ten seconds in a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rli_agent.hardware.figures import Figure, Reader
from rli_agent.journal import logger

if TYPE_CHECKING:
    from rli_agent.hardware.nvml import NvmlReader
    from rli_agent.hardware.run_processes import RunProcesses

#: Seconds between two looks; after which what does not answer is looked for again.
EVERY, AGAIN = 10.0, 300.0
#: Seconds after which figures that could not be read again are not shown any more.
STALE = 60.0
#: The driver of NVIDIA shows itself there.
_DRIVER = Path("/proc/driver/nvidia/version")


class Machine:
    """What `/metrics` shows of the machine. The thread begins when somebody asks for the first time.

    An exporter that runs on this machine is asked instead of the machine itself; which is said (`say`), once.
    """

    def __init__(self, say: Callable[[str], None], every: float = EVERY) -> None:
        self._say = say
        self._every = every
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: set[str] = set()
        self._host: Reader | None = None
        self._gpus: Reader | None = None
        self._nvml: NvmlReader | None = None
        self._look_at = 0.0
        self._of_machine: tuple[float, list[Figure]] = (0.0, [])
        self._of_runs: dict[Path, list[Figure]] = {}
        self._runs: dict[Path, RunProcesses | None] = {}

    def figures(self, root: Path) -> list[Figure]:
        """What was read last, also of the run that writes below `root`. Takes microseconds; any thread may ask."""
        with self._lock:
            self._runs.setdefault(root, None)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="machine", daemon=True)
                self._thread.start()
            at, found = self._of_machine
            if time.monotonic() - at > max(STALE, 3 * self._every):
                return []
            return [*found, *self._of_runs.get(root, ())]

    def close(self) -> None:
        """End the thread, or leave it behind where a file system keeps it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)

    # -- the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except Exception as error:  # of a machine anything may be strange: its runs are watched all the same
                self._tell(f"the machine's figures could not be read ({type(error).__name__}: {error})", logger.warning)
            self._stop.wait(self._every)

    def _look(self) -> None:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + AGAIN
            self._host = self._host or self._host_reader()
            self._gpus = self._gpus or self._gpu_reader()
        found: list[Figure] = []
        for kind, reader in (("_host", self._host), ("_gpus", self._gpus)):
            try:
                found += reader.read() if reader is not None else ()
            except OSError as error:  # an exporter went away
                self._tell(f"the machine's figures could not be read ({error}); they are looked for again", logger.info)
                setattr(self, kind, None)
                self._look_at = 0.0
        with self._lock:
            self._of_machine = (time.monotonic(), found)
            roots = list(self._runs)
        for root in roots:
            own = list(self._of_run(root))
            with self._lock:
                self._of_runs[root] = own

    def _of_run(self, root: Path) -> Iterable[Figure]:
        from rli_agent.hardware.host import room
        from rli_agent.hardware.run_processes import RunProcesses

        processes = self._runs[root] or RunProcesses(root)
        self._runs[root] = processes
        yield from processes.read(len(self._runs))
        if self._nvml is not None and processes.names:
            yield from self._nvml.of_processes(processes.names)
        try:
            yield from room(root)
        except OSError:  # it is not there yet
            return

    def _host_reader(self) -> Reader:
        from rli_agent.hardware.exporters import NODE, NodeExporter
        from rli_agent.hardware.host import HostReader  # here: a watch that nobody scrapes has no use for psutil

        try:
            exporter = NodeExporter(NODE)
        except OSError:
            return HostReader()
        self._tell(f"the host's figures are those of the node-exporter at {NODE.url}", self._say)
        return exporter

    def _gpu_reader(self) -> Reader | None:
        from rli_agent.hardware.exporters import DCGM, DcgmExporter
        from rli_agent.hardware.nvml import NoGpu, NvmlReader

        try:
            exporter = DcgmExporter(DCGM)
        except OSError:
            exporter = None
        else:
            self._tell(f"the GPUs' figures are those of the DCGM exporter at {DCGM.url}", self._say)
        try:
            import pynvml  # the extra `gpu`

            self._nvml = NvmlReader(pynvml)
        except ImportError:
            if exporter is None and os.path.exists(_DRIVER):
                self._tell("no figures of this machine's GPUs: pip install 'rli-agent[gpu]' shows them", self._say)
            return exporter
        except NoGpu as error:
            logger.debug("no GPU: {}", error)
            return exporter
        if exporter is None:
            self._tell(f"GPUs: {self._nvml.name}", self._say)
        return exporter or self._nvml

    def _tell(self, text: str, say: Callable[[str], None]) -> None:
        if text not in self._told:
            self._told.add(text)
            say(text)
