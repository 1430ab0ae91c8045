"""Texts with tracebacks, and the problems that are told of them."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from rli_agent.events import Source
from rli_agent.parsers.compiled import RuleSet
from rli_agent.parsers.pack_files import load_pack
from rli_agent.parsers.parser_state import ParserState
from rli_agent.parsers.source_parser import SourceParser
from rli_agent.printing import printed
from rli_agent.rulebook import packaged_rules

SOURCE = Source("logs/x.log", "trainer", packs=("problems",))
RULES = RuleSet([load_pack(packaged_rules() / "problems.yaml")], SOURCE, ["logs/x.log"])


def parser(state: ParserState | None = None) -> SourceParser:
    return SourceParser(SOURCE, RULES, timezone.utc, 1767312000.0, state)


def problems(text: str) -> list[dict[str, Any]]:
    reader = parser()
    events = printed(reader.feed(text.encode(), 0, 1) + reader.flush())
    return [event for event in events if event["type"] == "problem"]


def told(text: str) -> list[tuple[int, str]]:
    return [(p["line"], p["kind"]) for p in problems(text)]


def prefixed(prefix: str, text: str) -> str:
    return "".join(f"{prefix}{line}\n" for line in text.splitlines())


PLAIN = """\
Traceback (most recent call last):
  File "/app/train.py", line 8, in <module>
    main()
  File "/app/train.py", line 120, in main
    loss.backward()
    ~~~~~~~~~~~~~^^
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.12 GiB.
"""

CHAINED = """\
Traceback (most recent call last):
  File "/app/client.py", line 3, in call
    return pool.get()
httpx.ReadTimeout

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/client.py", line 5, in call
    raise KeyError(name) from None
KeyError: 'reward'
"""
