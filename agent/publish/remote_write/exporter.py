"""The exporter of remote write: what the store holds, at the times of the logs, and, where the receiver does not
scrape, what `/metrics` shows at regular intervals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence, Set

import msgspec

from rli_agent.journal import logger
from rli_agent.publish.from_store import FromStore, position_of
from rli_agent.publish.naming import Naming, RunLabels
from rli_agent.publish.remote_write.delivery import Delivery, Outcome
from rli_agent.publish.remote_write.figures import Figures
from rli_agent.publish.remote_write.message import Sample
from rli_agent.publish.remote_write.page import PageSamples
from rli_agent.publish.remote_write.position import Position
from rli_agent.publish.remote_write.receiver import Receiver
from rli_agent.publish.remote_write.rows import Rows
from rli_agent.publish.remote_write.series import SeriesTable
from rli_agent.publish.remote_write.target import Access, Target
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.store.run_store import RunStore

#: Seconds by which a time may be ahead of our clock: a sample from the future narrows the window of a whole Prometheus.
AHEAD = 60.0
#: Seconds at the far end of a window that are not counted on: it moves on while samples are on their way.
MARGIN = 3600.0
#: How Prometheus speaks of a series for which two files give different figures at one time: the first one stands.
_TWICE = "duplicate sample for timestamp"


class Page:
    """What a scrape would show: `render` gives it in Prometheus' text format, every `interval` seconds."""

    def __init__(self, render: Callable[[], str], interval: float) -> None:
        self.render = render
        self.interval = interval
        self.due = 0.0


class RemoteWrite(FromStore):
    """`find` names the receiver; it is asked again where that does not answer, and None means that there is none now.
    `page`: given where the receiver does not scrape. `unsettled`: see Rows."""

    def __init__(
        self, store: RunStore, find: Callable[[], Target | None], exporter: str, naming: Naming,
        labels: Callable[[], RunLabels], unsettled: Callable[[], Set[str]], own: SelfMetrics, stop: threading.Event,
        access: Access | None = None, page: Page | None = None,
    ) -> None:  # fmt: skip
        super().__init__(store, "figures", exporter, own, stop)
        self._find = find
        self._naming = naming
        self._labels = labels
        self._unsettled = unsettled
        self._access = access or Access()
        self._page = page
        self._receiver: Receiver | None = None
        self._told: set[str] = set()
        self._thread.start()

    def _abort(self) -> None:
        if self._receiver is not None:
            self._receiver.abort()

    def _export(self) -> None:
        rows = Rows(self._store.path, self._unsettled)
        try:
            while not self._ended.is_set():
                target = self._find()
                if target is not None:
                    self._follow(rows, target)
                if self._closing.is_set():
                    return
                self._rest()
        finally:
            rows.close()

    def _follow(self, rows: Rows, target: Target) -> None:
        """Send to this target until the watch ends, or the receiver is gone or another one."""
        logger.info("figures: to {}", target.url)
        self._receiver = Receiver(target.url, self._access)
        delivery = Delivery(self._receiver.send)
        figures = Figures(rows.db, self._naming, self._series(target))
        shown = PageSamples(self._series(target))
        position = position_of(rows.kept(target.kept_as), Position)
        while not self._ended.is_set():
            last = self._closing.is_set()
            portion = rows.next(position, last)
            samples = self._in_time(figures.samples(portion), target.window)
            arrived = self._show(shown, delivery, target) and self._hand_over(samples, delivery, target)
            self._own.exporter_queued(self._exporter, rows.waiting(portion.after if arrived else position))
            if not arrived:
                if self._closing.is_set() or self._find() != target:
                    return
            elif portion.after != position:
                position = portion.after
                self._kept = (target.kept_as, msgspec.json.encode(position))
            elif last:
                self._hand_over(shown.ended(_now()), delivery, target)
                return
            else:
                self._rest()

    def _series(self, target: Target) -> SeriesTable:
        return SeriesTable(self._labels, target.place)

    def _show(self, shown: PageSamples, delivery: Delivery, target: Target) -> bool:
        """Send what a scrape would show, if it is due."""
        page = self._page
        if page is None or time.monotonic() < page.due:
            return True
        page.due = time.monotonic() + page.interval
        return self._hand_over(shown.samples(page.render(), _now()), delivery, target)

    def _hand_over(self, samples: Sequence[Sample], delivery: Delivery, target: Target) -> bool:
        """Whether all has arrived, but for what the receiver refuses for good; waits a while where it has not."""
        if not samples:
            return True
        outcome = delivery.deliver(samples)
        if outcome.later is not None:
            self._wait_for_return(target.url, outcome.later.reason, outcome.later.wait)
            return False
        self._arrived(target.url)
        self._count(outcome, target)
        return True

    def _in_time(self, samples: Sequence[Sample], window: float | None) -> list[Sample]:
        """Those that the receiver can take: not ahead of now, and within its window."""
        now = time.time()
        first = 0.0 if window is None else (now - window + MARGIN) * 1000
        last = (now + AHEAD) * 1000
        found = [sample for sample in samples if first <= sample.at <= last]
        if len(found) < len(samples):
            self._own.remote_written("left_out", len(samples) - len(found))
            if any(sample.at < first for sample in samples):
                days = (window or 0.0) / 86_400
                self._tell_once(
                    "old",
                    f"figures older than {days:g} days are not taken by a running Prometheus: "
                    "`rli-agent backfill OUTPUT_DIR` brings them there",
                )
            if any(sample.at > last for sample in samples):
                self._tell_once("ahead", "figures with times ahead of this machine's clock are not sent")
        return found

    def _count(self, outcome: Outcome, target: Target) -> None:
        self._own.remote_written("sent", outcome.taken)
        if outcome.refused:
            self._own.remote_written("refused", outcome.refused)
            reason = outcome.reason or "too old"
            text = f"figures: {target.url} refused {outcome.refused} samples for good, and took the rest: {reason}"
            if _TWICE in reason:
                logger.debug("{}", text)
            else:
                self._tell_once(f"refused {reason[:40]}", text)

    def _tell_once(self, key: str, text: str) -> None:
        if key not in self._told and len(self._told) < 20:
            self._told.add(key)
            logger.warning("{}", text)


def _now() -> int:
    """In milliseconds."""
    return int(time.time() * 1000)
