"""What holds of every log with tracebacks, wherever a block of its bytes ends."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from incident_logs import CHAINED, PLAIN, parser

from rli_agent.events import Event
from rli_agent.parsers import source_parser
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.unwrapping import CAPTURE_SHOWS

LINES = st.sampled_from(
    [
        *PLAIN.splitlines(),
        *CHAINED.splitlines(),
        "",
        "10:00:00    INFO going on",
        "10:00:00   ERROR lost",
        "12:00:00 WARNING request timed out",
        "terminate called after throwing an instance of 'c10::Error'",
        "  what():  CUDA error: out of memory",
        "frame #0: c10::Error::Error()",
        "ray.exceptions.RayTaskError(X): ray::A.b() (pid=1)",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
        "  exitcode  : -9 (pid: 14750)",
        "============================================================",
        "Exception ignored in: <x>",
        "asyncio.exceptions.CancelledError",
        "vllm.v1.engine.exceptions.EngineDeadError: look above",
        '{"level": "error", "message": "a\\nTraceback (most recent call last):\\n  File \\"x\\"\\nKeyError: 1"}',
        "plain words",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB.",
        "For debugging consider passing CUDA_LAUNCH_BLOCKING=1",
        "[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3)",
        'INFO:     10.0.0.1:1234 - "POST /v1/chat/completions HTTP/1.1" 200 OK',
        "WARNING: Watchdog caught collective operation timeout",
        "\x1b[31mterminate called\x1b[0m after throwing",
        "Exception raised from \x1b[1mcheck\x1b[0m at c10.cpp:3",
    ]
)
WRITERS = st.sampled_from(
    ["", "[rank0]: ", "[rank1]: ", "(raylet) ", "(A pid=7) ", "3: ", "\x1b[36m(A pid=7, ip=10.0.0.2)\x1b[0m ",
     "\x1b[36m(B(x) pid=8)\x1b[0m ", "(B pid=8) [rank0]: ", "(pid=9) "]
)  # fmt: skip
LOG = st.lists(st.tuples(WRITERS, LINES), max_size=40).map(
    lambda rows: [f"{who}{text}\n".encode() for who, text in rows]
)


def read_in_pieces(lines: list[bytes], cuts: list[bool]) -> list[Event]:
    """Feed the lines, with a new parser from the encoded state after every cut; behind the place up to which a prefix
    that all lines bear is looked for, in as many of them as there are at once."""
    events: list[Event] = []
    reader, piece, offset, number = parser(), b"", CAPTURE_SHOWS, 1
    for line, cut in zip(lines, cuts, strict=True):
        piece += line
        if cut:
            events += reader.feed(piece, offset, number)
            offset, number, piece = offset + len(piece), number + piece.count(b"\n"), b""
            reader = parser(ParserState.decode(reader.state.encode()))
    return events + reader.feed(piece, offset, number) + reader.flush()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_where_a_block_ends_changes_nothing(data: st.DataObject) -> None:
    lines = data.draw(LOG)
    cuts = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    assert read_in_pieces(lines, cuts) == read_in_pieces(lines, [False] * len(lines))


@settings(max_examples=100, deadline=None)
@given(LOG)
def test_no_problem_is_told_before_its_first_line_nor_twice_on_one(lines: list[bytes]) -> None:
    events = read_in_pieces(lines, [False] * len(lines))
    numbers = [event.line for event in events]
    assert all(1 <= number <= len(lines) for number in numbers)
    assert len(set(numbers)) == len(numbers)


def read_closely(lines: list[bytes]) -> list[Event]:
    """Take each line that stands behind a problem out of its wrappers, and try the rules on it."""
    reader = parser()
    problems = reader._problems
    quickly = problems.continues

    def continues(*line: Any, candidate: bool) -> bool:
        del candidate
        return quickly(*line, candidate=True)

    def plainly_over(raw: bytes) -> bool:
        del raw
        return False

    vars(problems).update(continues=continues, plainly_over=plainly_over)
    return reader.feed(b"".join(lines), CAPTURE_SHOWS, 1) + reader.flush()


@settings(max_examples=300, deadline=None)
@given(LOG)
def test_what_is_passed_over_behind_a_problem_is_nothing_of_it(lines: list[bytes]) -> None:
    assert read_in_pieces(lines, [False] * len(lines)) == read_closely(lines)


@settings(max_examples=300, deadline=None)
@given(LOG)
def test_a_look_at_who_writes_a_line_says_what_reading_it_says(lines: list[bytes]) -> None:
    uncut = [False] * len(lines)
    quick = read_in_pieces(lines, uncut)
    with patch.object(source_parser, "_NAMED", re.compile(rb"(?!)")):
        assert read_in_pieces(lines, uncut) == quick
