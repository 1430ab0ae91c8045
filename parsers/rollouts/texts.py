"""What a model wrote, and what it was asked, in whichever form a record keeps it: a text, a message, a list of both.

Texts run to megabytes: of each only the beginning and the end are decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from rli_agent.parsers.rollouts.fields import raw_of, value_of

#: Bytes decoded of either end of a text.
ENDS = 2048
_DEPTH = 5
_QUOTE, _BRACKET, _BRACE = b'"[{'
_decode = msgspec.json.Decoder(str).decode


#: Where a cut JSON string can be read from: behind six bytes that begin no escape, at no byte inside a character; or
#: where an escape begins that is not the second half of a pair.
_START = re.compile(rb"(?<=[^\\]{6})[^\x80-\xbf]|(?<!\\)\\(?!u[dD][c-fC-F])")


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


class Conversation(Struct):
    """texts: in their order. calls: how many messages call tools. turns: how many messages the model wrote."""

    texts: list[Text] = []
    calls: int = 0
    turns: int = 0


_decode_message = msgspec.json.Decoder(Message).decode
_messages = msgspec.json.Decoder(list[Message]).decode
_list = msgspec.json.Decoder(list[Raw]).decode


def shape_of(hit: Any) -> Any:
    """What stands there, as a type: a message, a list of messages; else whatever it is."""
    raw = raw_of(hit)
    for made in (Message, list[Message]):
        try:
            msgspec.json.decode(raw, type=made)
        except (ValueError, RecursionError):
            continue
        return made | None
    return Raw


def conversation(hits: Iterable[Any]) -> Conversation:
    """All texts that stand in these fields."""
    found = Conversation()
    for hit in hits:
        _collect(hit, None, found, 0)
    return found


def _collect(hit: Any, role: str | None, found: Conversation, depth: int) -> None:
    """Add what a text, a message, or a list of them says."""
    if isinstance(hit, Message):
        _collect_message(hit, role, found, depth)
        return
    items: Sequence[Any] = ()
    if isinstance(hit, list):
        items = hit
    else:
        raw = raw_of(hit)
        first = raw[0]
        if first == _QUOTE:
            found.texts.append(Text(role, raw))
        elif first == _BRACKET:
            items = _items(raw)
        elif first == _BRACE:
            items = (_message(raw),)
    if depth < _DEPTH:
        for item in items:
            (_collect_message if isinstance(item, Message) else _collect)(item, role, found, depth + 1)


def _collect_message(message: Message, role: str | None, found: Conversation, depth: int) -> None:
    if message.role is not None:
        role = message.role
        found.turns += role == "assistant"
        found.calls += isinstance(message.tool_calls, Raw) and bool(value_of(message.tool_calls))
    for part in (message.reasoning_content, message.content, message.text):
        if not isinstance(part, Raw):
            continue
        raw = memoryview(part)
        if raw[0] == _QUOTE:  # as nearly all are
            found.texts.append(Text(role, raw))
        else:
            _collect(part, role, found, depth + 1)


def _items(raw: memoryview) -> Sequence[Message | Raw]:
    """A list's items: messages, where they all are."""
    for decode in (_messages, _list):
        try:
            return decode(raw)
        except (ValueError, RecursionError):
            continue
    return ()


def _message(raw: memoryview) -> Message:
    try:
        return _decode_message(raw)
    except (ValueError, RecursionError):
        return Message()


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
        except ValueError:
            continue
    return _text(b'"%b"' % body)


def ending(raw: memoryview, limit: int = ENDS) -> str:
    """The last characters of a JSON string, of some `limit` bytes."""
    if len(raw) - 2 <= limit:
        return _text(bytes(raw))
    body = bytes(raw[-1 - limit : -1])
    start = _START.search(body, 1)
    return _text(b'"%b"' % body[start.start() :]) if start is not None else ""


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
    except ValueError:  # bytes that are no UTF-8, or a cut through an escape
        return string[1:-1].decode("utf-8", "replace")
