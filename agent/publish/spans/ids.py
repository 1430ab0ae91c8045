"""Ids that follow from what a span tells of: sent again, it is the same span."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from rli_agent.publish.spans.rows import State


def trace_id(run: str, attempt: int, step: int) -> bytes:
    """Of a step. `attempt`: how often the run went back to an earlier step before."""
    return blake2b(f"{run}\0{attempt}\0{step}".encode(), digest_size=16).digest()


def root_id(run: str, attempt: int, step: int) -> bytes:
    """Of the step's root, also where it had to be made up because no line tells of the step as a whole."""
    return blake2b(f"{run}\0{attempt}\0{step}\0root".encode(), digest_size=8).digest()


def span_ids(run: str, states: Iterable[State]) -> list[bytes]:
    """Of intervals."""
    empty = blake2b(digest_size=8)
    ids = []
    for state in states:
        digest = empty.copy()  # which takes half the time of a new one
        digest.update(_key(run, state))
        ids.append(digest.digest())
    return ids


def lone_trace_id(run: str, state: State) -> bytes:
    """Of a trace that holds nothing but this interval."""
    return blake2b(_key(run, state), digest_size=16).digest()


def _key(run: str, s: State) -> bytes:
    return f"{run}\0{s.lane}\0{s.state}\0{s.step}\0{s.place}{s.number}".encode("utf-8", "backslashreplace")
