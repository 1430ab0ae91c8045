"""A receiver of spans, and waits that are short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from span_receiver import Receiver

from rli_agent.publish import from_store


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_store, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(from_store, "LOOK", 0.02)
