"""The run's processes on this machine, from /proc: whoever writes a file of the run, was started with its directory, or
has a title that training processes have.

Of other users' processes the kernel shows the command line only. prime-rl retitles its processes (`PRIME-RL::Trainer`,
since 2026-04), which overwrites their command lines.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

PROC = Path("/proc")
#: How the titles of training processes begin, and the programs that start them.
TITLES = ("PRIME-RL::", "Verifiers::", "VLLM::", "sglang::", "ray::")
PROGRAMS = frozenset({"torchrun", "raylet", "gcs_server", "accelerate", "deepspeed"})
_MODULES = frozenset({"torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch"})
#: Programs that run a trainer; others that name a run's directory only look at it.
_RUNNERS = ("python", "uv", "torchrun", "accelerate", "deepspeed", "ray", "srun")
#: Titles are cut there, names there; file descriptors looked at of each process; parents looked up.
_TITLE, _NAME, _FDS, _PARENTS = 120, 60, 4096, 64
_STATES = {"R": "running", "S": "sleeping", "D": "waiting for I/O", "T": "stopped", "t": "traced", "Z": "zombie"}


class Process(Struct, frozen=True, omit_defaults=True):
    """A process. state: in words; because: how it is known to belong to the run; sure: it does, and to no other."""

    pid: int
    title: str
    state: str
    because: str
    sure: bool = True
    gpu_memory_bytes: int | None = None


def of_run(root: Path) -> list[Process]:
    """The processes of the run that writes below `root`, and their descendants, by id; never this one and its
    parents."""
    place = os.path.realpath(root)
    parents = {pid: _parent(pid) for pid in _pids()}
    own = os.getpid()
    while own in parents:
        own = parents.pop(own)
    sure = {pid: reason for pid in parents if (reason := _evidence(pid, place))}
    found = []
    for pid in parents:
        ancestor = _nearest(pid, parents, sure)
        if pid in sure:
            found.append(_described(pid, sure[pid]))
        elif ancestor is not None:
            found.append(_described(pid, f"was started by {ancestor}"))
        elif _is_training(command_line(pid)):
            found.append(_described(pid, "has the title of a training process", sure=False))
    return [process for process in found if process is not None]


def trainers_of(root: Path) -> list[tuple[int, str, str]]:
    """Id, name (`called`) and beginning (`began`) of the processes that run a trainer and write below `root`, into a
    file or through a pipe (`| tee`); never this one."""
    place = os.path.realpath(root)
    pipes: set[str] = set()
    writers: set[int] = set()
    others: set[int] = set()
    for pid in _pids():
        if pid == os.getpid():
            continue
        words = command_line(pid)
        trains = _runs(words) or _is_training(words)
        try:
            writes = any(_within(str(path), place) for path in written_files(pid))
        except OSError:
            continue
        if trains and writes:
            writers.add(pid)
        elif trains:
            others.add(pid)
        elif writes:
            pipes |= _pipes(pid, 0)
    writers |= {pid for pid in others if _pipes(pid, 1, 2) & pipes}
    return [(pid, called(command_line(pid)), start) for pid in sorted(writers) if (start := began(pid))]


def _pipes(pid: int, *numbers: int) -> set[str]:
    """The pipes that these descriptors of a process are."""
    found = set()
    for number in numbers:
        with contextlib.suppress(OSError):
            found.add(os.readlink(PROC / str(pid) / "fd" / str(number)))
    return {name for name in found if name.startswith("pipe:")}


def began(pid: int) -> str:
    """When a process began, in the kernel's clock ticks; empty where it is gone, also where only its parent does not
    know that yet."""
    stat = _stat(pid)
    return stat[19] if len(stat) > 19 and stat[0] not in "ZX" else ""


def written_files(pid: int) -> list[Path]:
    """The regular files that a process has open to write. Raises OSError where it is gone, or another user's."""
    folder = PROC / str(pid)
    paths = []
    for number in sorted(os.listdir(folder / "fd"))[:_FDS]:
        try:
            target = os.readlink(folder / "fd" / number)
            if target.startswith("/") and _writes(folder / "fdinfo" / number) and os.path.isfile(target):
                paths.append(Path(target))
        except OSError:  # closed meanwhile
            continue
    return list(dict.fromkeys(paths))


def command_line(pid: int) -> list[str]:
    """The words of a command line, or what the process made of it; none where it is gone."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words if word]


def called(words: list[str]) -> str:
    """What people call a process with this command line: its title, else the script or module that it runs."""
    if not words:
        return "other"
    if words[0].startswith(TITLES):
        return words[0].split()[0][:_NAME]
    program, rest = os.path.basename(words[0]), iter(words[1:])
    if program.startswith("python"):
        for word in rest:
            if word == "-c":
                break
            if word == "-m":
                return next(rest, program)[:_NAME]
            if not word.startswith("-"):
                return os.path.basename(word)[:_NAME]
    return program[:_NAME]


def variable(pid: int, name: str) -> str | None:
    """A variable of the environment that a process was started with; None where it has none, or hides it."""
    try:
        entries = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    start = name.encode() + b"="
    return next((e[len(start) :].decode(errors="replace") for e in entries if e.startswith(start)), None)


def _evidence(pid: int, place: str) -> str:
    """What makes a process one of the run; empty where nothing does."""
    try:
        written = next((str(f) for f in written_files(pid) if _within(str(f), place)), None)
    except OSError:
        written = None
    if written is not None:
        return f"writes {os.path.relpath(written, place)}"
    words = command_line(pid)
    if _runs(words) and any(_within(word.rpartition("=")[2], place) for word in words[1:]):
        return "was started with the run's directory"
    return ""


def _runs(words: Sequence[str]) -> bool:
    """Whether it is a program that runs trainers, and not this agent."""
    program = os.path.basename(words[0]) if words else ""
    return program.startswith(_RUNNERS) and not any("rli-agent" in w or "rli_agent" in w for w in words[:4])


def _is_training(words: Sequence[str]) -> bool:
    if not words:
        return False
    program = os.path.basename(words[0])
    return words[0].startswith(TITLES) or program in PROGRAMS or any(w in _MODULES for w in words[1:4])


def _nearest(pid: int, parents: Mapping[int, int], sure: Container[int]) -> int | None:
    """The nearest ancestor that belongs to the run."""
    for _ in range(_PARENTS):
        pid = parents.get(pid, 0)
        if not pid or pid in sure:
            return pid or None
    return None


def _described(pid: int, why: str, *, sure: bool = True) -> Process | None:
    stat = _stat(pid)
    if not stat:
        return None
    title = " ".join(command_line(pid)) or _name(pid)
    return Process(pid, title[:_TITLE], _STATES.get(stat[0], stat[0]), why, sure)


def _pids() -> Iterator[int]:
    yield from sorted(int(name) for name in os.listdir(PROC) if name.isdigit())


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _writes(info: Path) -> bool:
    """`flags` are those of open(2), in octal."""
    for line in info.read_text().splitlines():
        if line.startswith("flags:"):
            return bool(int(line.split()[1], 8) & os.O_ACCMODE)
    return False


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[1]) if stat else 0


def _stat(pid: int) -> list[str]:
    """State, parent and so on: the fields behind the name, which may hold spaces and parentheses."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
