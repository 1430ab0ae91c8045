"""What the text of a problem itself tells: who died, what it asked for, what was free, which node, which disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rli_agent.life.headline import headline
from rli_agent.parsers.lazy_patterns import lazy_pattern

_SIZE = r"[\d.]+ ?[KMGT]i?B"

# torch 1.x to 2.x, CUDACachingAllocator.cpp.
_TRIED = lazy_pattern(rf"Tried to allocate ({_SIZE})")
_GPU = lazy_pattern(r"\(GPU (\d+);|GPU (\d+) has a total")
_TOTAL = lazy_pattern(rf"total capacity of ({_SIZE})|({_SIZE}) total capacity")
_FREE = lazy_pattern(rf"of which ({_SIZE}) is free|; ({_SIZE}) free")
_OTHERS = lazy_pattern(rf"Process (\d+) has ({_SIZE}) memory in use")
_OWN = lazy_pattern(rf"this process has ({_SIZE}) memory in use")
_UNUSED = lazy_pattern(rf"({_SIZE}) is reserved by PyTorch but unallocated")
# vLLM's worker at start-up.
_DESIRED = lazy_pattern(r"Free memory on device[^(]*\(([\d.]+)/([\d.]+) GiB\)[^(]*\(([\d.]+), ([\d.]+) GiB\)")

# Linux, mm/oom_kill.c.
_KERNEL = lazy_pattern(r"Kill(?:ed)? process (\d+) \(([^)\n]*)\)[^\n]*")
_RSS = lazy_pattern(r"anon-rss:(\d+)kB")
_CGROUP = lazy_pattern(r"CONSTRAINT_MEMCG|Memory cgroup out of memory|oom_memcg=(\S+?),|cgroup out-of-memory")
# Ray's memory monitor.
_RAY_NODE = lazy_pattern(
    r"was ([\d.]+ ?GB) / ([\d.]+ ?GB) \(([\d.]+)\)|Used memory \(([\d.]+GB)\) / total capacity \(([\d.]+GB)\)"
)
_RAY_TASK = lazy_pattern(r"name=([^,)]+), pid=(\d+), memory used=([\d.]+ ?GB)")
_RAY_KILLED = lazy_pattern(
    r"([1-9]\d*) Workers \(tasks / actors\) killed due to memory pressure(?:[^\n]{0,250}?IP: ([\w.:]+)\))?"
)
_STEP = lazy_pattern(r"StepId=([\w.]*\w)")
_LOADER = lazy_pattern(r"DataLoader worker \(pid\(?s?\)? ?([\d, ]+)\)")

# torchrun: its error summary, and the agent's line.
_RANK = lazy_pattern(r"^\s+rank\s*:\s*(\d+)(?: \(local_rank: (\d+)\))?", re.MULTILINE)
_HOST = lazy_pattern(r"^\s+host\s*:\s*(\S+)", re.MULTILINE)
_EXIT = lazy_pattern(r"exitcode\s*[:=]?\s*(-?\d+)")
_LOCAL = lazy_pattern(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+) \(pid: (\d+)\)")
_SIGNALS = {
    "-4": "SIGILL", "-6": "SIGABRT: it ended itself, as after a NCCL timeout or a C++ exception",
    "-7": "SIGBUS: often /dev/shm is full", "-8": "SIGFPE", "-9": "SIGKILL: somebody killed it, often the kernel for "
    "memory", "-11": "SIGSEGV", "-15": "SIGTERM: somebody told it to end",
}  # fmt: skip

_RAY_CLASS = lazy_pattern(r"class_name: (\S+)")
_RAY_PID = lazy_pattern(r"\bpid: (\d+)")
_RAY_IP = lazy_pattern(r"\bip: (\S+)")
_EXIT_DETAIL = lazy_pattern(r"[Ww]orker exit (?:type|detail): ?([^\n]{1,200}?)(?: Worker exit detail|\n|$)")

_XID = lazy_pattern(r"Xid \(PCI:([0-9a-f:.]+)\): (\d+)")
#: NVIDIA, "XID errors": what it is, as far as it decides what to do.
_XIDS = {
    "13": "an error of the program on the GPU",
    "31": "a memory page fault of the program",
    "43": "the GPU stopped this program",
    "45": "the driver cleaned up after an earlier error",
    "48": "a double-bit ECC error: the GPU is broken",
    "63": "a row of memory was remapped",
    "64": "a row could not be remapped: the GPU is broken",
    "74": "an NVLink error",
    "79": "the GPU has fallen off the bus",
    "94": "a contained ECC error",
    "95": "an uncontained ECC error: the GPU is broken",
    "119": "the GPU's own processor does not answer",
    "120": "the GPU's own processor failed",
}

_DISK = lazy_pattern(r"No space left on device:? ?'?(/[^'\n:]+)|^(/\S+) is over [\d.]+% full", re.MULTILINE)
_PEER = lazy_pattern(
    r"(?:[Cc]onnection closed by remote peer|Connection (?:reset|refused) by peer|remote process)"
    r"[^\n]{0,40}? ?([\w.-]+<\d+>)"
)
# torch, ProcessGroupNCCL.cpp.
_WATCHDOG = lazy_pattern(
    r"(?:\[Rank (\d+)\] )?Watchdog caught collective operation timeout: WorkNCCL\([^)]*?OpType=(\w+)"
    r"[^\n]*?\bran for (\d+) milliseconds"
)
_JOINED = lazy_pattern(r"(\d+)/(\d+) clients joined")
_JOB = lazy_pattern(r"\*\*\* (?:JOB|STEP) (\S+) ON (\S+) CANCELLED AT (\S+)(?: DUE TO ([A-Z ]+?))? \*\*\*")


_FRAME = lazy_pattern(r'^ *File "([^"\n]+)", line (\d+)(?:, in (\S+))?', re.MULTILINE)
_CHAINED = lazy_pattern(
    r"\n\s*(?:During handling of the above exception, another|The above exception was the direct cause)"
)
#: What stands before a file and its folder.
_FOLDERS = lazy_pattern(r"(?<= )/\S*/(?=[^/\s]+/[^/\s]+:\d)")
_LIBRARY = lazy_pattern(r"(?:site|dist)-packages/|/lib/python\d|^<|^python/ray/")


def evidence(kind: str, message: str) -> list[str]:
    """What a problem's text tells, in sentences."""
    told = list(_BY_KIND[kind](message)) if kind in _BY_KIND else []
    return list(dict.fromkeys([*told, *_process(message), *_job(message), *_raised(message)]))


#: Kinds whose own words are long and say little.
_WORDS = {"cuda_oom": "GPU out of memory", "oom_kill": "host out of memory", "hardware": "hardware"}


def in_short(kind: str, message: str) -> str:
    """A problem in one line: what its text tells, where that says more than the text's own first words."""
    job = _JOB.search(headline(message))
    if job:
        return f"SLURM ended job {job[1]} on {job[2]}" + (f" for {job[4].lower()}" if job[4] else "")
    waited = _WATCHDOG.search(message[:4_000]) if kind == "nccl" else None
    if waited:
        rank = f"rank {waited[1]}" if waited[1] else "a rank"
        seconds = int(waited[3]) / 1000
        long = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f"NCCL timeout: {rank} waited {long} in {waited[2]}"
    told = next(_BY_KIND[kind](message), None) if kind in _WORDS else None
    if told:
        return f"{_WORDS[kind]}: {told}"
    if headline(message).endswith("ChildFailedError:"):  # of torchrun, which knows no more than who
        return next(_process(message), headline(message))
    said, cut_off, _ = headline(message).partition("Traceback (most recent call last)")
    place = next(_raised(message), None) if cut_off else None
    if place is None:
        return headline(message)
    return f"{said.strip() or 'an exception whose name is missing,'} {_FOLDERS.sub('', place)}"


def _cuda_oom(text: str) -> Iterator[str]:
    tried, gpu = _first(_TRIED, text), _first(_GPU, text)
    if tried:
        total, free = _first(_TOTAL, text), _first(_FREE, text)
        on = f" on GPU {gpu}" if gpu else ""
        had = f"; {free} of {total} were free" if free and total else ""
        yield f"it asked for {tried}{on}{had}"
    own = _first(_OWN, text)
    if own:
        yield f"this process held {own}"
    for pid, size in _OTHERS.findall(text)[:8]:
        yield f"process {pid} held {size} of that GPU"
    unused = _first(_UNUSED, text)
    if unused and tried and _bytes(unused) > _bytes(tried):
        yield (
            f"{unused} were reserved and unused: the memory is fragmented; "
            "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True helps against that"
        )
    desired = _DESIRED.search(text)
    if desired:
        yield (
            f"the engine wanted {desired[4]} GiB (gpu_memory_utilization {desired[3]}) where {desired[1]} of "
            f"{desired[2]} GiB were free: something else is on that GPU"
        )


def _oom_kill(text: str) -> Iterator[str]:
    for killed in _KERNEL.finditer(text):
        rss = _RSS.search(killed[0])
        held = f", which held {int(rss[1]) / 2**20:.1f} GiB" if rss else ""
        yield f"the kernel killed {killed[2]} (pid {killed[1]}){held}"
    if _CGROUP.search(text):
        yield "the limit was the job's or container's own (cgroup), not the machine's"
    node = _RAY_NODE.search(text)
    if node:
        yield f"the node had {node[1] or node[4]} of {node[2] or node[5]} in use"
    for name, pid, used in _RAY_TASK.findall(text)[:3]:
        yield f"Ray killed the task {name} (pid {pid}), which held {used}"
    workers = _RAY_KILLED.search(text)
    if workers:
        yield f"Ray killed {workers[1]} workers" + (f" on {workers[2]}" if workers[2] else "")
    step = _first(_STEP, text)
    if step:
        yield f"SLURM killed a process of step {step}"
    loader = _first(_LOADER, text)
    if loader:
        yield f"it was a data loader's worker (pid {loader.strip()})"


def _hardware(text: str) -> Iterator[str]:
    for bus, number in _XID.findall(text)[:3]:
        meaning = f": {_XIDS[number]}" if number in _XIDS else ""
        yield f"Xid {number} of the GPU at {bus}{meaning}"


def _disk_full(text: str) -> Iterator[str]:
    place = _first(_DISK, text)
    if place:
        yield f"full: {place}"


def _nccl(text: str) -> Iterator[str]:
    for peer in dict.fromkeys(_PEER.findall(text)):
        yield f"the peer {peer} was gone: look at what ran there"


def _timeout(text: str) -> Iterator[str]:
    joined = _JOINED.search(text)
    if joined:
        yield f"{joined[1]} of {joined[2]} processes came together"


def _process(text: str) -> Iterator[str]:
    """Which process it was, as launchers say."""
    rank, host = _RANK.search(text), _first(_HOST, text)
    code = _first(_EXIT, text)
    local = _LOCAL.search(text)
    if rank:
        yield f"torchrun's first failure: rank {rank[1]}" + (f" on {host}" if host else "")
    elif local:
        yield f"it was local rank {local[2]} (pid {local[3]})"
    if code in _SIGNALS:
        yield f"exit code {code}: {_SIGNALS[code]}"
    actor = _first(_RAY_CLASS, text)
    if actor:
        pid, ip = _first(_RAY_PID, text), _first(_RAY_IP, text)
        yield f"Ray actor {actor}" + (f" (pid {pid})" if pid else "") + (f" on {ip}" if ip else "")
    if "death signal, shutting down" in text:
        yield "its launcher was told to end: look for a process beside it that died, or for who ended the job"
    detail = _first(_EXIT_DETAIL, text)
    if detail:
        yield f"Ray says of its end: {detail.strip()}"


def _job(text: str) -> Iterator[str]:
    job = _JOB.search(text)
    if job:
        yield f"SLURM job {job[1]} on {job[2]}, at {job[3]}" + (f", for {job[4].lower()}" if job[4] else "")


def _raised(text: str) -> Iterator[str]:
    """Where an exception was raised; of chained ones the first is the root."""
    first = _CHAINED.split(text)[0]
    frames = _FRAME.findall(first)
    if not frames:
        return
    own = [frame for frame in frames if not _LIBRARY.search(frame[0])]
    file, line, function = (own or frames)[-1]
    where = f"{file}:{line} in {function}" if function else f"{file}:{line}"
    raised = headline(first)
    if first is not text and len(first) < len(text) and raised != headline(text):
        yield f"first raised was {raised[:200]}"
    yield f"raised below {where}" if own and own[-1] != frames[-1] else f"raised at {where}"


_BY_KIND: dict[str, Callable[[str], Iterator[str]]] = {
    "cuda_oom": _cuda_oom,
    "oom_kill": _oom_kill,
    "hardware": _hardware,
    "disk_full": _disk_full,
    "nccl": _nccl,
    "timeout": _timeout,
}


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), None) if found else None


def _bytes(size: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+) ?([KMGT])i?B", size).groups()  # type: ignore[union-attr]
    return float(number) * 1024.0 ** ("KMGT".index(unit) + 1)
