"""What the processes of a run take of the machine, those of one name together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from rli_agent.events import Labels
from rli_agent.hardware.figures import Figure
from rli_agent.machine.processes import called, command_line, of_run

#: Seconds between two searches of /proc for the run's processes; so many times longer than one takes, at least.
SEARCH_EVERY, SEARCH_SHARE = 60.0, 2000.0
#: Names that are told apart; the processes of all others are `other`.
NAMES = 32


class RunProcesses:
    """The processes of the run that writes below `root`: those that certainly are."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[int, tuple[psutil.Process, str]] = {}
        self._seconds: dict[int, float] = {}
        self._names: set[str] = set()
        self._at = 0.0
        self._search_at = 0.0

    @property
    def names(self) -> dict[int, str]:
        """What each process is called, by its id."""
        return {pid: name for pid, (_, name) in self._known.items()}

    def read(self, runs: int = 1) -> Iterator[Figure]:
        """How many there are of each name, the memory that they hold and, after the first time, the processors that
        they keep busy. runs: of which processes are searched, one after the other."""
        now = time.monotonic()
        if now >= self._search_at:
            self._search(now, runs)
        counts: dict[str, int] = {}
        memory: dict[str, int] = {}
        busy: dict[str, float] = {}
        before, passed = self._seconds, now - self._at
        self._seconds, self._at = {}, now
        for pid, (process, name) in list(self._known.items()):
            try:
                if not process.is_running():
                    raise psutil.NoSuchProcess(pid)
                with process.oneshot():
                    times, held = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                del self._known[pid]
                continue
            counts[name] = counts.get(name, 0) + 1
            memory[name] = memory.get(name, 0) + held
            spent = self._seconds[pid] = times.user + times.system
            if pid in before and passed > 0:
                busy[name] = busy.get(name, 0.0) + max(0.0, spent - before[pid]) / passed
        for name in counts:
            label: Labels = (("process", name),)
            yield Figure("rl_host_processes", float(counts[name]), label)
            yield Figure("rl_host_process_memory_bytes", float(memory[name]), label)
            if name in busy:
                yield Figure("rl_host_process_cpus_busy", busy[name], label)

    def _search(self, now: float, runs: int) -> None:
        for process in of_run(self._root):
            if process.sure and process.pid not in self._known:
                try:
                    self._known[process.pid] = (psutil.Process(process.pid), self._called(process.pid))
                except psutil.Error:  # gone meanwhile
                    continue
        took = time.monotonic() - now
        self._search_at = now + max(SEARCH_EVERY, SEARCH_SHARE * took * runs)

    def _called(self, pid: int) -> str:
        name = called(command_line(pid))
        if name not in self._names and len(self._names) >= NAMES:
            return "other"
        self._names.add(name)
        return name
