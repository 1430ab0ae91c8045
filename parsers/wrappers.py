"""What other programs put around a line: colours, rank and Ray prefixes, container wrappers, progress bars.

All functions work on bytes, never raise, and take time linear in the line. They ask with `find`: before Python 3.12
`x in bytes` raises and drops an exception inside.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from rli_agent.parsers.captures import PREFIXES, Form


class Origin(Struct, frozen=True):
    """Who wrote a line, as its wrappers say. Two lines of one writer have equal `who`; "" is nobody.

    `who` is the wrappers' own words without brackets and commas ("TaskRunner pid=1 ip=10.0.0.5", "rank3", "trainer0",
    "3"), outermost first. Of nested wrappers the innermost gives `actor`, `pid` and `rank`.
    """

    who: str = ""
    actor: str | None = None
    pid: str | None = None
    ip: str | None = None
    rank: str | None = None


class Unwrapped(NamedTuple):
    """A line's own text, its writer, how often Ray says it was repeated, and the time that whatever captured it gave it
    (RFC 3339 from container runtimes)."""

    text: bytes
    origin: Origin
    repeated: int
    stamp: bytes | None


#: Texts of one line that are looked at.
MAX_SEGMENTS = 64

_NOBODY = Origin()
#: ECMA-48: CSI, strings (OSC 8 links, titles, DCS) up to their terminator, all other escapes; incomplete ones as well.
_ANSI = re.compile(rb"\x1b\x1b*(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~]?)")
#: Colours whose escape character whoever copied the log has dropped, around Ray's or vLLM's prefix.
_FADED_COLOUR = re.compile(rb"\[(?:[01];)?(?:[0-2]|22|3[0-79]|9[0-7])m")
_FADED = re.compile(
    _FADED_COLOUR.pattern
    + rb"\((?:[^()]{0,120}\bpid=[^()]{1,120}|raylet|gcs_server|autoscaler[^()]{0,40})\)\[[\d;]{1,5}m"
)
_NAME = rb"[^()\[\]]{1,120}"
_IP = rb"(?:, ip=(?P<%s>[^()\[\]\s]{1,64}))?"
#: Ray's print_logs (`(Name pid=1, ip=…) `, an actor's name being its repr, with brackets of its own) and vLLM's
#: prefix. A parenthesis in prose does not end in `pid=VALUE)` followed by a space.
_RAY = (
    rb"\((?:(?:(?P<actor>" + _NAME + rb"(?:[(\[][^()\[\]]{0,80}[)\]][^()\[\]]{0,80}){0,3}) )?pid=(?P<pid>[\w.-]{1,64})"
    + _IP % b"ip" + rb"|(?P<daemon>raylet|gcs_server|autoscaler)(?: \+[\w.]{1,20})?" + _IP % b"daemon_ip"
    + rb")\)(?: |\Z|(?=[(\[\r]))"
)  # fmt: skip
#: torch's excepthook and c10d (`[rank3]: `, `[rank3]:[W1130`); torchrun --tee (`[role0]:`, text follows at once, so
#: that a space there is the text's own); mpirun --tag-output (`[1,0]<stdout>:`, SageMaker's
#: `[1,mpirank:0,algo-1]<stdout>:`, Open MPI 5's `[prterun-host-7@1,0]<stdout>: `); SkyRL's Ray prefix; line numbers of
#: issue viewers, where the text is surely no message of its own that begins with a number in brackets.
_TAG = (
    rb"\[(?:(?P<rank>rank\d{1,6})\]: ?"
    rb"|(?P<role>(?:default|trainer)\d{1,6}(?=\]:)|[A-Za-z][\w.-]{0,60}\d(?=\]:(?! \S)))\]:"
    rb"|\d{1,6},(?:mpirank:)?(?P<process>\d{1,6})(?:,[\w.-]{1,60})?\]<std(?:out|err|diag)>:"
    rb"|[\w.-]{1,100}@\d{1,6},(?P<started>\d{1,6})\]<std(?:out|err|diag)>: "
    rb"|(?:(?P<bracketed>[A-Za-z_][^()\[\]]{0,120}) )?pid=(?P<bracketed_pid>\d{1,10})\](?: |\Z)"
    rb'|\d{1,9}\] (?=\[rank\d|\([^()]{1,120}pid=|frame #|Traceback \(| +File "|[\w.]{1,120}(?:Error|Exception)\b))'
)
_ONE = re.compile(rb"(?:%b|%b)" % (_RAY, _TAG))
_INNER = re.compile(rb"(?:%b|%b){1,8}" % (_RAY, _TAG))
_POD = re.compile(rb"\[(pod/[^\[\]\s]{1,300})\] ")
#: CRI log files; `kubectl logs --timestamps` and `docker logs -t`, whose nanoseconds tell them from programs' stamps.
_STAMP = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) "
    rb"(?:(?:stdout|stderr) [FP](?: |\Z)|(?<=\.\d{7}Z )|(?<=\.\d{8}Z )|(?<=\.\d{9}Z )|(?<=\.\d{9}[+-]\d\d:\d\d ))"
)
#: A time that stands before another wrapper is of whatever captured the line (`ts`, pm2, a log collector).
_CAPTURED = re.compile(
    rb"(?P<open>\[)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?)(?(open)\]):?[ \t]+"
    rb"(?=\((?:[^()]{1,120} )?pid=|\((?:raylet|gcs_server|autoscaler)\b|\[(?:rank|default|trainer)\d)"
)
_REPEATED = re.compile(rb" \[repeated (\d{1,9})x across cluster\](?: \([^()]*\))?\s*\Z")
_ACTOR_RANK = re.compile(rb"\brank=(\d+)")
_TRAILING_NUMBER = re.compile(rb"\d+\Z")
#: `27/870 [21:07<11:17, 48.2s/it, loss=0.1]`: what tqdm puts behind the bar.
_COUNTS = rb"%\|[^|\r\n]*\| *[\d.,]+[kMGTP]?/[\d.,?]+[kMGTP]? \[[^\[\]\r\n]*(?:\[[^\[\]\r\n]*\][^\[\]\r\n]*)*\]"
_BAR = re.compile(rb"[^|\r\n]{0,200}?\d{1,3}" + _COUNTS)
_NEXT_BAR = re.compile(rb"[^|:\r\n]{0,80}?(?:: *)?\d{1,3}" + _COUNTS)
_RAY_PREFIX = re.compile(rb"\((?:" + _NAME + rb" )?pid=\d{1,10}(?:, ip=[^()\s]{1,64})?\) ")


class _DockerLine(Struct, forbid_unknown_fields=True):
    """A line of docker's json-file driver. `attrs` is there when labels or variables are logged (--log-opt)."""

    log: str
    stream: str
    time: str
    attrs: dict[str, str] = {}


class _CollectedLine(Struct):
    """A line of a pod with what its collector knows of it: Fluentd's and Fluent Bit's `log` beside `kubernetes`, Google
    Cloud Logging's `textPayload`."""

    log: str = ""
    kubernetes: msgspec.Raw = msgspec.Raw()
    text: str | None = field(name="textPayload", default=None)
    time: str | float = ""
    timestamp: str = ""
    indexed: str = field(name="@timestamp", default="")


_DOCKER = msgspec.json.Decoder(_DockerLine)
_COLLECTED = msgspec.json.Decoder(_CollectedLine)


def strip_ansi(text: bytes) -> bytes:
    """The text without escape sequences: colours, cursor movements, links (their text stays)."""
    return _ANSI.sub(b"", text) if b"\x1b" in text else text


def unwrap(line: bytes, capture: Form | None = None) -> Unwrapped:
    """Take off all wrappers, and the one space that belongs to each. `capture`: what the file's lines bear before."""
    if line.find(b"\x1b") >= 0:
        line = _ANSI.sub(b"", line)
    elif line[:1] == b"[" and _FADED.match(line) is not None:
        line = _FADED_COLOUR.sub(b"", line)
    if line[:1] == b"\0":  # the hole that a truncated file has while its writer goes on at its old offset
        line = line.lstrip(b"\0")
    if line[-1:] == b"\r":
        line = line[:-1]
    if line[:2] == b'{"' and (record := _docker(line) or _collected(line)) is not None:
        return unwrap(record[0], capture)._replace(stamp=record[1])
    repeated = 1
    if line.find(b"x across cluster]", -400) >= 0:
        found = _REPEATED.match(line, max(line.rfind(b" [repeated "), 0))
        if found is not None:
            repeated, line = int(found[1]), line[: found.start()]
    if capture is not None or line[:1] in (b"(", b"[") or line[13:14] == b":":
        end, stamp, origin = _head(line, capture)
        return Unwrapped(line[end:], origin, repeated, stamp)
    return Unwrapped(line, _NOBODY, repeated, None)


def _head(line: bytes, capture: Form | None) -> tuple[int, bytes | None, Origin]:
    """Where the text begins behind the wrappers of a line without escape sequences; their time and writer."""
    at, stamp, writer, task = 0, None, b"", b""
    if line[:5] == b"[pod/" and (found := _POD.match(line)) is not None:
        writer, at = found[1], found.end()
    if line[at + 10 : at + 11] == b"T" and (found := _STAMP.match(line, at)) is not None:
        stamp, at = found[1], found.end()
    if capture is not None and (found := PREFIXES[capture].match(line, at)) is not None:
        at = found.end()
        parts = found.groupdict()
        stamp = parts.get("stamp", stamp)
        task, writer = (parts["who"], b"") if capture == "task" else (b"", parts.get("who", b""))
    if line.find(b":", at + 13, at + 15) >= 0 and (found := _CAPTURED.match(line, at)) is not None:
        stamp, at = found[2], found.end()
    found = _INNER.match(line, at)
    if found is not None:
        return found.end(), stamp, _origin(found[0], writer, task)
    return at, stamp, _origin(b"", writer, task) if writer or task else _NOBODY


@lru_cache(maxsize=4096)
def _origin(wrappers: bytes, writer: bytes, task: bytes) -> Origin:
    who = [writer, task]
    actor = pid = ip = None
    rank = task or None
    for found in _ONE.finditer(wrappers):
        name = found["actor"] or found["bracketed"]
        number = found["pid"] or found["bracketed_pid"]
        tag = found["rank"] or found["role"] or found["process"] or found["started"]
        if number is not None:
            actor, pid, ip = name, number, found["ip"] or ip
            who += [name or b"", b"pid=" + number, b"ip=" + found["ip"] if found["ip"] else b""]
            rank = inner[1] if name and (inner := _ACTOR_RANK.search(name)) is not None else rank
        elif found["daemon"] is not None:
            ip = found["daemon_ip"] or ip
            who += [found["daemon"], b"ip=" + found["daemon_ip"] if found["daemon_ip"] else b""]
        elif tag is not None and (end := _TRAILING_NUMBER.search(tag)) is not None:
            who.append(tag)
            rank = end[0]
    if not any(who):
        return _NOBODY
    return Origin(_text(b" ".join(filter(None, who))) or "", _text(actor), _text(pid), _text(ip), _text(rank))


def _text(raw: bytes | None) -> str | None:
    return raw.decode(errors="replace") if raw is not None else None


def _docker(line: bytes) -> tuple[bytes, bytes] | None:
    """(text, time) of a json-file line."""
    if line[:7] != b'{"log":':
        return None
    try:
        record = _DOCKER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return _last_text(record.log), record.time.encode(errors="replace")


def _collected(line: bytes) -> tuple[bytes, bytes] | None:
    """The same of a line that a collector kept."""
    if line.find(b'"kubernetes":') < 0 and line.find(b'"textPayload":') < 0:
        return None
    try:
        record = _COLLECTED.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = record.log if bytes(record.kubernetes) else record.text
    time = record.time or record.timestamp or record.indexed
    return (_last_text(text), time.encode(errors="replace")) if text is not None and isinstance(time, str) else None


def _last_text(text: str) -> bytes:
    """What stands before a carriage return inside is overwritten."""
    return (segments(text.encode(errors="replace").rstrip(b"\r\n"))[-1:] or [b""])[0]


def segments(line: bytes) -> list[bytes]:
    """The texts on one physical line (given without its newline): what stands between carriage returns.

    Blank texts and refreshes of a progress bar are left out, except the last refresh where nothing follows it; at most
    the last MAX_SEGMENTS are given. Texts behind the first inherit its wrappers: they are put before them.
    """
    first = line.find(b"\r")
    if first < 0:
        return [line]
    if first == len(line) - 1:
        return [line[:-1]] if first else []
    parts = [part for part in line.split(b"\r") if part]
    if not parts:
        return []
    cut = _prefix_end(parts[0])
    prefix, parts[0] = parts[0][:cut], parts[0][cut:]
    kept: list[bytes] = []
    for part in reversed(parts):
        if len(kept) == MAX_SEGMENTS:
            break
        if (not kept or not _refresh(part)) and strip_ansi(part).strip():
            kept.append(part)
    kept.reverse()
    if not prefix:
        return kept
    return [part if b"pid=" in prefix and b"pid=" in part[: _prefix_end(part)] else prefix + part for part in kept]


def _refresh(part: bytes) -> bool:
    if b"%|" not in part:
        return False
    bar, rest = split_bar(part)
    return bar is not None and not strip_ansi(rest).strip()


def _prefix_end(part: bytes) -> int:
    """Where the wrappers of a text end, escape sequences included; 0 where it has none."""
    end = _head(strip_ansi(part), None)[0]
    if end:
        for sequence in _ANSI.finditer(part):
            if sequence.start() >= end:
                break
            end += len(sequence[0])
    return end


def split_bar(text: bytes) -> tuple[bytes | None, bytes]:
    """(tqdm bar or bars at the beginning, what is glued behind); (None, text) where the text begins with no bar."""
    if b"%|" not in text:
        return None, text
    found = _BAR.match(text)
    if found is None:
        return None, text
    end = found.end()
    while (found := _NEXT_BAR.match(text, end)) is not None:
        end = found.end()
    return text[:end], text[end:]


def split_tail(text: bytes) -> tuple[bytes, bytes | None]:
    """(text, another Ray process's bar that is glued behind it, its prefix included). Several processes write to one
    file without a lock: `…throughput:334.25(TaskRunner pid=7) Training Progress:   3%|▎ | 27/870 [`."""
    at = text.find(b"%|")
    for _ in range(8):
        if at < 0:
            break
        pid = text.rfind(b"pid=", max(0, at - 300), at)
        start = text.rfind(b"(", max(0, pid - 130), pid) if pid > 0 else -1
        if start > 0 and (found := _RAY_PREFIX.match(text, start)) is not None and found.end() <= at:
            return text[:start], text[start:]
        at = text.find(b"%|", at + 2)
    return text, None
