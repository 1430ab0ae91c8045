"""What a model wrote, and what it was asked, in whichever form a record keeps it: a text, a message, a list of both.

Texts run to megabytes: of each only the beginning and the end are decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from rli_agent.parsers.rollouts.fields import raw_of, value_of

#: Bytes decoded of either end of a text.
ENDS = 2048
_DEPTH = 5
_decode = msgspec.json.Decoder(str).decode


class Message(Struct):
    """A chat message, or a part of one, as the APIs of OpenAI and its like have it."""

    role: str | None = None
    content: Raw | UnsetType = UNSET
    text: Raw | UnsetType = UNSET
    tool_calls: Raw | UnsetType = UNSET
    reasoning_content: Raw | UnsetType = UNSET


class Text(NamedTuple):
    """A piece of text. role: whose, where it is told. raw: the JSON string (with its quotes)."""

    role: str | None
    raw: memoryview


_decode_message = msgspec.json.Decoder(Message).decode
_messages = msgspec.json.Decoder(list[Message]).decode
_list = msgspec.json.Decoder(list[Raw]).decode


class Conversation(NamedTuple):
    """texts: in their order. calls: how many messages call tools. turns: how many messages the model wrote."""

    texts: list[Text]
    calls: int
    turns: int


def shape_of(hit: Any) -> Any:
    """What stands there, as a type: a message, a list of messages; else whatever it is."""
    raw = raw_of(hit)
    for made in (Message, list[Message]):
        try:
            msgspec.json.decode(raw, type=made)
        except (msgspec.DecodeError, RecursionError):
            continue
        return made | None
    return Raw


def conversation(hits: Iterable[Any]) -> Conversation:
    """All texts that stand in these fields."""
    texts: list[Text] = []
    calls = turns = 0
    for hit in hits:
        for role, raw, message in _pieces(hit, None, 0):
            if raw is not None:
                texts.append(Text(role, raw))
            calls += message == "calls"
            turns += message != "" and role == "assistant"
    return Conversation(texts, calls, turns)


def _pieces(hit: Any, role: str | None, depth: int) -> Iterator[tuple[str | None, memoryview | None, str]]:
    """(role, JSON string or None, what it says of a message: "", "message" or "calls")"""
    if isinstance(hit, Message):
        yield from _of_message(hit, role, depth)
        return
    if isinstance(hit, list):
        items: Sequence[Any] = hit
    else:
        raw = raw_of(hit)
        first = chr(raw[0])
        if first == '"':
            yield role, raw, ""
        items = _items(raw) if first == "[" else [_message(raw)] if first == "{" else ()
    if depth < _DEPTH:
        for item in items:
            yield from _pieces(item, role, depth + 1)


def _of_message(message: Message, role: str | None, depth: int) -> Iterator[tuple[str | None, memoryview | None, str]]:
    whose = message.role or role
    if message.role is not None:
        yield whose, None, "calls" if _some(message.tool_calls) else "message"
    for part in (message.reasoning_content, message.content, message.text):
        if isinstance(part, Raw):
            yield from _pieces(part, whose, depth + 1)


def _items(raw: memoryview) -> Sequence[Message | Raw]:
    """A list's items: messages, where they all are."""
    for decode in (_messages, _list):
        try:
            return decode(raw)
        except (msgspec.DecodeError, RecursionError):
            continue
    return ()


def _message(raw: memoryview) -> Message:
    try:
        return _decode_message(raw)
    except (msgspec.DecodeError, RecursionError):
        return Message()


def _some(part: Raw | UnsetType) -> bool:
    return isinstance(part, Raw) and bool(value_of(part))


def written(texts: list[Text]) -> list[Text]:
    """Those of the model: where no role is told, all."""
    if all(text.role is None for text in texts):
        return texts
    return [text for text in texts if text.role == "assistant"]


def asked(texts: list[Text]) -> list[Text]:
    """Those before the model's first."""
    first = next((i for i, text in enumerate(texts) if text.role == "assistant"), len(texts))
    return texts[:first]


def beginning(raw: memoryview, limit: int = ENDS) -> str:
    """The first characters of a JSON string, of some `limit` bytes."""
    if len(raw) - 2 <= limit:
        return _text(bytes(raw))
    body = bytes(raw[1 : 1 + limit])
    for cut in range(12):  # not through an escape, a pair of them, or a character of several bytes
        try:
            return _decode(b'"%b"' % body[: limit - cut])
        except msgspec.DecodeError:
            continue
    return _text(b'"%b"' % body)


def ending(raw: memoryview, limit: int = ENDS) -> str:
    """The last characters of a JSON string, of some `limit` bytes."""
    if len(raw) - 2 <= limit:
        return _text(bytes(raw))
    body = bytes(raw[-1 - limit : -1])
    for cut in range(12):
        try:
            return _decode(b'"%b"' % body[cut:])
        except msgspec.DecodeError:
            continue
    return _text(b'"%b"' % body)


def whole(raw: memoryview) -> str:
    """All of a JSON string."""
    return _text(bytes(raw))


def length(raw: memoryview) -> int:
    """How many characters a JSON string has; of a long one reckoned from its beginning."""
    if len(raw) <= 4 * ENDS:
        return len(_text(bytes(raw)))
    return round(len(beginning(raw)) * (len(raw) - 2) / ENDS)


def _text(string: bytes) -> str:
    try:
        return _decode(string)
    except msgspec.DecodeError:  # bytes that are no UTF-8, or a cut through an escape
        return string[1:-1].decode("utf-8", "replace")
