"""What a rule pack says of the fields of a rollout's record, made ready to look them up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import Raw

from rli_agent.parsers.packs import Rollouts
from rli_agent.parsers.rollouts.fields import Path, hits, holds, path_of, raw_of
from rli_agent.parsers.rollouts.texts import Conversation, Text, asked, conversation


class Told(NamedTuple):
    """A path, and the word that its value must be; without one it must be true."""

    path: Path
    word: str | None


class Schema:
    """A pack's entry, its paths made ready: those of the record, and those of each rollout in it."""

    def __init__(self, spec: Rollouts) -> None:
        self.spec = spec
        self.each = path_of(spec.each) if spec.each else ()
        of = _paths
        self.step = [None if text.startswith("path:") else path_of(text) for text in spec.step]
        self.environment, self.error, self.group = of(spec.environment), of(spec.error), of(spec.group)
        self.truncated, self.cancelled, self.ok = told(spec.truncated), told(spec.cancelled), told(spec.ok)
        self.tool_errors = of(spec.tool_errors)
        self.reward, self.solved = of(spec.reward), told(spec.solved)
        self.outcomes = [(name, path_of(name)) for name in spec.outcomes]
        self.labels = [(label, path_of(path)) for label, path in spec.labels.items()]
        self.parts, self.metrics = of(spec.parts), of(spec.metrics)
        self.prompt, self.completion = of(spec.prompt), of(spec.completion)
        self.tokens, self.prompt_tokens, self.total = of(spec.tokens), of(spec.prompt_tokens), of(spec.total_tokens)
        self.turns, self.seconds = of(spec.turns), of(spec.seconds)

    def paths(self) -> list[Path]:
        """All of them, from the record's top."""
        of_record = [*(path for path in self.step if path), *self.environment, *self.error, *self.group]
        of_record += [t.path for t in (*self.truncated, *self.cancelled, *self.ok)]
        of_record += self.tool_errors
        of_rollout = [*self.reward, *self.parts, *self.metrics, *self.prompt, *self.completion, *self.tokens]
        of_rollout += [*self.prompt_tokens, *self.total, *self.turns, *self.seconds, *(t.path for t in self.solved)]
        of_rollout += [path for _, path in (*self.outcomes, *self.labels)]
        return of_record + [(*self.each, *path) for path in of_rollout]

    def fits(self, record: Any) -> bool:
        """Whether the record has the keys that this entry asks for."""
        return all(holds(record, key) for key in self.spec.keys)

    def parts_of(self, record: Any) -> list[Any]:
        """The rollouts of a record, as `hits` looks into them."""
        return hits(record, self.each)

    def texts(self, rollout: Any) -> tuple[list[Text], Conversation]:
        """What the model was asked, and the conversation in which it answered."""
        prompt = conversation(first(rollout, self.prompt)).texts
        return asked(prompt), conversation(first(rollout, self.completion))


def first(record: Any, paths: Iterable[Path]) -> list[Any]:
    """What stands at the first of the paths that lead to something but null."""
    for path in paths:
        found = [hit for hit in hits(record, path) if value_is_there(hit)]
        if found:
            return found
    return []


def value_is_there(hit: Any) -> bool:
    """Whether a hit is anything but null."""
    return raw_of(hit)[0] != ord("n") if isinstance(hit, Raw) else hit is not None


def told(texts: Sequence[str]) -> list[Told]:
    """Conditions: a path, or `path=word`."""
    split = (text.partition("=") for text in texts)
    return [Told(path_of(path), word if equals else None) for path, equals, word in split]


def _paths(texts: Sequence[str]) -> list[Path]:
    return [path_of(text) for text in texts]
