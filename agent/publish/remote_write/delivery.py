"""Handing over a batch of which a receiver may refuse some samples for good: the rest arrives all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from rli_agent.publish.remote_write.message import Sample
from rli_agent.publish.remote_write.receiver import Verdict

#: Samples of a request: Prometheus itself sends up to 2000, and up to 10,000 when it catches up.
REQUEST = 5000
#: Samples of a batch that are looked for one by one; beyond that what is refused with others is given up with them.
LOOKED_FOR = 64


class Outcome(Struct):
    """What became of a batch: samples `taken`, and `refused` for good, with the receiver's `reason` for one of them.
    `later`: why the batch is to be sent again, if it is."""

    taken: int = 0
    refused: int = 0
    reason: str = ""
    later: Verdict | None = None


class Delivery:
    """Sends by `send`, and remembers what the receiver said of its limits."""

    def __init__(self, send: Callable[[Sequence[Sample]], Verdict]) -> None:
        self._send = send
        self._request = REQUEST
        self._too_old = 0  # milliseconds: what is not younger is refused

    def deliver(self, samples: Sequence[Sample]) -> Outcome:
        """`samples` in the order of their times. Sent again they arrive once: a receiver knows what it has."""
        outcome = Outcome()
        for start in range(0, len(samples), self._request):
            part = samples[start : start + self._request]
            self._part(part, outcome)
            if outcome.later is not None:
                break
        return outcome

    def _part(self, samples: Sequence[Sample], outcome: Outcome) -> None:
        """Halves what is refused until it is known which samples those are, the newest first: where one is too old, so
        are all before it."""
        waiting, before, strange, looked = [samples], outcome.taken, None, 0
        while waiting:
            part = waiting.pop()
            young = [sample for sample in part if sample.at > self._too_old]
            outcome.refused += len(part) - len(young)
            if not young:
                continue
            verdict = self._send(young)
            if verdict.what == "taken":
                outcome.taken += len(young)
            elif verdict.what == "later":
                outcome.later = verdict
                return
            elif len(young) > 1 and (verdict.what == "large" or looked < LOOKED_FOR):
                if verdict.what == "large":
                    self._request = max(1, min(self._request, len(young)) // 2)
                waiting += [young[: len(young) // 2], young[len(young) // 2 :]]
            else:
                looked += 1
                outcome.refused += len(young)
                outcome.reason = verdict.reason
                if verdict.too_old:
                    self._too_old = max(self._too_old, young[-1].at)
                if not verdict.about_samples:
                    strange = verdict
        if strange is not None and outcome.taken == before:
            # Nothing at all was taken, for a reason that may have nothing to do with the samples: an address or a
            # proxy that people will mend. Once anything is taken, what is refused beside it is given up.
            outcome.later = strange
