"""What reads bytes of strangers, each as a function of bytes that must neither raise nor give without bound."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

from rli_agent.events import Event, Problem, Reader, Samples, Source
from rli_agent.parsers import payloads, quantities
from rli_agent.parsers.api_events import ApiEventsParser, ApiEventsState
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.headers import read_header
from rli_agent.parsers.incidents import MAX_HEAD, MAX_TAIL
from rli_agent.parsers.metric_files import history, leveldb_log, tfrecords
from rli_agent.parsers.metric_files.history import HistoryParser, HistoryState
from rli_agent.parsers.metric_files.tensorboard import TensorBoardParser, TensorBoardState
from rli_agent.parsers.metric_files.wandb import WandbParser, WandbState
from rli_agent.parsers.pack_files import PackError, parse_pack
from rli_agent.parsers.packs import Pack
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.record_parser import RecordParser, RecordState
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.parsers.timestamps import Clock, ClockState
from rli_agent.parsers.wrappers import segments, strip_ansi, unwrap
from rli_agent.rulebook import Rulebook

SAMPLES = Path(__file__).parents[1] / "samples"
RULES = Path(__file__).parents[1] / "rules"
NOW = 1_763_700_000.0
#: Characters of a message (parsers/incidents.py), and bytes of a parser's state, that no input may exceed.
MESSAGE, STATE = MAX_HEAD + MAX_TAIL + 200, 2_000_000


class Parser(Protocol):
    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]: ...
    def flush(self) -> list[Event]: ...


@cache
def _book() -> Rulebook:
    return Rulebook()


@cache
def _rules(reader: Reader, file: str) -> tuple[Source, RuleSet, tuple[Pack, ...]]:
    source = Source(file, "unknown", "unknown", reader, tuple(_book().packs))
    return source, _book().rules_for(source), tuple(_book().packs_of(source))


def _bounded(events: list[Event], size: int) -> None:
    """No input gives more than it holds."""
    assert sum(len(e.values) if isinstance(e, Samples) else 1 for e in events) <= 64 + 4 * size
    for event in events:
        if isinstance(event, Problem):
            assert len(event.message) <= MESSAGE
        if isinstance(event, Samples):
            assert len(event.values) == len(event.shape.names)


def _feed(parser: Parser, pieces: list[bytes], size: int) -> None:
    offset, line, events = 0, 1, []
    for number, piece in enumerate(pieces):
        events += parser.feed(piece, offset, line, NOW if number % 2 else None)
        offset, line = offset + len(piece), line + max(1, piece.count(b"\n"))
    _bounded(events + parser.flush(), size)


def text(data: bytes) -> None:
    """A console, read by all packs, in two portions, between which its parser is stopped and taken up."""
    source, rules, _ = _rules("text", "train.log")
    cut = data.rfind(b"\n", 0, len(data) // 2) + 1
    first = SourceParser(source, rules, dt.timezone.utc, NOW)
    _feed(first, [data[:cut]], len(data))
    first.settle(NOW)
    kept = first.state.encode()
    assert len(kept) <= STATE
    again = SourceParser(source, rules, dt.timezone.utc, NOW, ParserState.decode(kept))
    _feed(again, [data[cut:]], len(data))
    again.settle(NOW)


def records(data: bytes) -> None:
    """JSON lines, as rollouts or metrics of any framework."""
    for file in ("rollouts/3.jsonl", "metrics.jsonl", "rollouts/step_3/train/all/traces.jsonl"):
        source, rules, packs = _rules("records", file)
        parser = RecordParser(source, rules, packs, f"/run/{file}", None)
        _feed(parser, [data], len(data))
        kept = parser.state.encode()
        assert len(kept) <= STATE
        _feed(RecordParser(source, rules, packs, f"/run/{file}", RecordState.decode(kept)), [data], len(data))


def api_events(data: bytes) -> None:
    """What programs write that call rli_agent.api."""
    source, rules, _ = _rules("events", ".rli-agent/events-h-1.jsonl")
    parser = ApiEventsParser(source, rules)
    _feed(parser, [data], len(data))
    kept = parser.state.encode()
    assert len(kept) <= STATE
    _feed(ApiEventsParser(source, rules, ApiEventsState.decode(kept)), [data], len(data))


def tensorboard(data: bytes) -> None:
    source, rules, packs = _rules("tensorboard", "events.out.tfevents.1.h")
    _framed(data, tfrecords.whole, TensorBoardParser(source, rules, packs, TensorBoardState()))


def wandb(data: bytes) -> None:
    source, rules, packs = _rules("wandb", "run-x.wandb")
    _framed(data, leveldb_log.whole, WandbParser(source, rules, packs, WandbState()))


def trainer_state(data: bytes) -> None:
    source, rules, packs = _rules("history", "trainer_state.json")
    _framed(data, history.whole, HistoryParser(source, rules, packs, HistoryState()))


def _framed(data: bytes, whole: Callable[[bytes, int, int], tuple[int, int]], parser: Parser) -> None:
    at, pieces = 0, []
    while at < len(data):
        end, _ = whole(data, at, at)
        assert end >= at
        if not at < end <= len(data):
            break
        pieces.append(data[at:end])
        at = end
    _feed(parser, pieces, len(data))


def clock(data: bytes) -> None:
    """Stamps in any order, and the times made of them."""
    it = Clock(ClockState(), dt.timezone.utc, NOW)
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        header = read_header(line[:2000])
        if header.stamp is not None:
            assert abs(it.time_of(header.stamp, number)) < 1e12
    it.settle(NOW)


def payload(data: bytes) -> None:
    """Every reader of numbers and payloads."""
    for line in data.decode(errors="replace").split("\n"):
        quantities.number(line)
        quantities.quantity(line)
        quantities.duration(line)
        payloads.assigned(line)
        payloads.assigned(line, ", ", "=")
        payloads.labelled(line)
        payloads.json_object(line)
        payloads.python_dict(line)


def wrapped(data: bytes) -> None:
    """Lines in wrappers of Ray, Docker, SLURM, with colours and bars."""
    for line in data.split(b"\n"):
        for part in segments(strip_ansi(line)):
            inner = unwrap(part)
            assert len(inner.text) <= len(line)


def pack(data: bytes) -> None:
    """A rule pack: loaded, or refused with a place."""
    said = "x.yaml:"
    try:
        parse_pack(data.decode(errors="replace"), "x.yaml")
    except PackError as error:
        said = str(error)
    assert said.startswith("x.yaml:")


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (text, records, api_events, tensorboard, wandb, trainer_state, clock, payload, wrapped, pack)
}


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """What such a reader finds in real life, in pieces of some kilobytes."""
    kinds = {
        "records": ["**/*.jsonl"], "tensorboard": ["**/*tfevents*"], "wandb": ["**/*.wandb"],
        "trainer_state": ["**/trainer_state.json"], "pack": [],
    }  # fmt: skip
    files = [path for kind in kinds.get(target, ["**/*.log"]) for path in sorted(SAMPLES.glob(kind))]
    if target == "pack":
        files = [path for path in sorted(RULES.glob("*.yaml")) if path.name not in ("catalogue.yaml", "detectors.yaml")]
    size = 100_000 if target in ("pack", "trainer_state") else 4_000
    whole = [path.read_bytes() for path in files]
    pieces = [content[at : at + size] for content in whole for at in (0, len(content) // 2)]
    if target == "tensorboard":
        pieces.append(b"".join(_tfrecord(bytes([9, 0, 0, 0, 0, 0, 0, 240, 63, 16, step])) for step in range(9)))
    if target == "api_events":
        pieces = [
            b'{"type":"process","time":1.7e9,"role":"trainer","pid":1,"project":"p","experiment_name":"e"}\n'
            b'{"type":"gauge","time":1.7e9,"name":"loss","value":0.5,"step":1,"labels":{"a":1}}\n'
            b'{"type":"histogram","time":1.7e9,"name":"len","value":3,"buckets":[1,2,4]}\n'
            b'{"type":"begin","time":1.7e9,"id":"1","state":"rollout","lane":"a"}\n'
            b'{"type":"end","time":1.8e9,"id":"1","state":"rollout","lane":"a"}\n{"type":"counter","time":1,"name":"n"}\n'
        ]
    if target == "wandb":
        pieces.append(b":W&B\x10\xbe\x00\x00" + bytes(4) + b"\x05\x00\x01hello")
    return tuple(pieces) or (b"",)


def _tfrecord(content: bytes) -> bytes:
    import struct

    from rli_agent.parsers.metric_files.tfrecords import _masked

    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", _masked(length)) + content + struct.pack("<I", _masked(content))


if __name__ == "__main__":
    print(*TARGETS)
