"""Events in, what `/metrics` shows out.

The reading thread hands events to `record`, which only keeps the newest of each kind; a scrape unfolds them into
series. So the cost of a value that no scrape sees is next to nothing, and a scrape never holds up the reader.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from rli_agent.catalogue import Catalogue
from rli_agent.events import Event, Interval, Labels, Samples, Shape, Source
from rli_agent.hardware.figures import Figure
from rli_agent.journal import logger
from rli_agent.life.state import ENDS, LifeState
from rli_agent.parsers.timeline import intervals
from rli_agent.publish.families import MetricType, Series, Table, Text
from rli_agent.publish.inbox import Inbox, Newest, OpenState
from rli_agent.publish.life_figures import life_figures
from rli_agent.publish.naming import NAMESPACE, Naming, RunLabels, clean, duration_series, label_set
from rli_agent.publish.selfmetrics import SelfMetrics, of_process
from rli_agent.publish.tallies import Tally
from rli_agent.rollout_statistics import BOUNDS, Distribution

#: Different things that may wait for a scrape before `record` unfolds them itself.
WAITING_LIMIT = 4096
#: Shapes whose series are remembered.
SHAPES_LIMIT = 8192


class Exposition:
    """The series of one run. `record` is for the reading thread, `render` for any number of others.

    Of two figures for one series the one with the later time stands, of one file's the one that was read later.
    `own` are the agent's own figures, rendered behind the run's. Raises ValueError for a bad namespace.
    """

    def __init__(
        self,
        run: RunLabels,
        catalogue: Catalogue,
        *,
        namespace: str = NAMESPACE,
        series_limit: int = 20_000,
        own: SelfMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.own = own or SelfMetrics()
        self._naming = Naming(catalogue, namespace)
        self._catalogue = catalogue
        self._clock = clock
        self._inbox = Inbox()
        # The rest is a scrape's own.
        self._unfolding = threading.Lock()
        self._table = Table(run, series_limit)
        self._slots: dict[tuple[str, str, Labels, int], tuple[Shape, list[tuple[int, Series, float]]]] = {}
        self._elapsed: dict[OpenState, Series] = {}
        self._collisions: set[str] = set()

        #: Asked at every scrape; None where nobody follows the run's life.
        self.life: Callable[[], LifeState | None] = lambda: None
        #: Asked at every scrape: figures of the machine.
        self.machine: Callable[[], Sequence[Figure]] = tuple
        self._of_machine: dict[tuple[str, Labels], Series] = {}
        #: Asked at every scrape: counters and histograms that are added up.
        self.tallies: Callable[[], Iterable[Tally]] = tuple
        #: Asked at every scrape: the detectors whose alert is not over, with its severity.
        self.alerts: Callable[[], Mapping[str, str]] = dict
        self._alerted: set[Labels] = set()

    def relabel(self, run: RunLabels) -> None:
        """The run's labels became known, or changed: all series carry the new ones from now on."""
        with self._unfolding:
            self._table.relabel(run)

    def record(self, events: Sequence[Event], source: Source) -> None:
        """Take over what was just committed. For the reading thread."""
        for kind, count in self._inbox.record(events, source, self._clock()).items():
            self.own.recorded(kind, count)
        if self._inbox.size > WAITING_LIMIT:
            with self._unfolding:
                self._unfold()

    def count_on(self, problems: Iterable[tuple[str, str, str, int]]) -> None:
        """Take up what was counted before the agent was started again: problems by role, kind and level."""
        self._inbox.count_on(problems)

    def render(self, openmetrics: bool) -> bytes:
        """All series as Prometheus text, or as OpenMetrics 1.0."""
        return page([self], openmetrics)

    def families(self, openmetrics: bool) -> tuple[str, list[Text]]:
        """The run's labels as they are shown, and all its families."""
        with self._unfolding:
            self._unfold()
            self._show_open()
            self._show_life()
            self._show_alerts()
            self._show_tallies()
            self._show_machine()
            table = self._table
            self.own.published(table.count, table.dropped, len(self._collisions))
            out = table.render(openmetrics)
            run = table.run
        return run, out + self.own.render(run, openmetrics)

    def _unfold(self) -> None:
        waiting = self._inbox.empty()
        for (name, labels), more in waiting.counts.items():
            series = self._series(name, label_set(labels))
            if series:
                series.add(more)
        for key, item in waiting.newest.items():
            event = item.event
            if key[0] == "samples":
                self._set_samples(event, item)
            elif key[0] == "interval":
                self._set_interval(event, item)
            elif key[0] == "step":
                self._set("rl_step", label_set((("role", key[1]),)), float(event), item)
            else:
                steps = _number(event.value)
                if steps is not None:
                    self._set("rl_max_steps", label_set((("role", key[1]),)), steps, item)
        for figure in waiting.rollouts:
            spread = isinstance(figure.value, Distribution)
            bounds = BOUNDS[figure.quantity] if spread else ()
            series = self._series(figure.name, label_set(*figure.labels), bounds)
            if series is None:
                continue
            if isinstance(figure.value, Distribution):
                series.show(figure.value)
            else:
                series.set(figure.value)

    def _set_samples(self, samples: Samples, item: Newest) -> None:
        source = item.source
        key = (source.role, source.lane, source.labels, id(samples.shape))
        known = self._slots.get(key)
        if known is None:
            if len(self._slots) >= SHAPES_LIMIT:
                self._slots.clear()
            # Holding the shape keeps its id its own.
            known = self._slots[key] = (samples.shape, self._register(samples.shape, source))
        at, file, values = item.at, item.file, samples.values
        for index, series, factor in known[1]:
            series.set(values[index] * factor, at, file)
        for interval in intervals(samples):
            self._set_interval(interval, item)

    def _register(self, shape: Shape, source: Source) -> list[tuple[int, Series, float]]:
        slots = []
        for named in (*self._naming.native(shape, source), *self._naming.common(shape, source)):
            series = self._table.series(named.name, named.labels, named.help)
            if series:
                if series.key not in ("", named.key) and named.name not in self._collisions:
                    self._collisions.add(named.name)
                    logger.warning(
                        "{!r} and {!r} are both published as {}: it shows the newer; the store keeps them apart",
                        clean(series.key), clean(named.key), named.name,
                    )  # fmt: skip
                series.key = named.key
                slots.append((named.index, series, named.factor))
        return slots

    def _set_interval(self, interval: Interval, item: Newest) -> None:
        seconds = interval.seconds
        if seconds is None:
            return
        name, labels = duration_series(interval.lane, interval.state, interval.labels, item.source)
        self._set(name, labels, seconds, item)

    def _show_open(self) -> None:
        """A gauge for each state that a lane is in now, and none for those it has left; a run that is over has none."""
        run = self.life()
        if run is not None and run.life in ENDS:
            self._inbox.end_open_states()
        elif run is not None:
            self._inbox.end_open_states(run.attempt.outlived)
        still = self._inbox.open_states()
        for key in self._elapsed.keys() - still.keys():
            self._table.remove(self._elapsed.pop(key))
        now = self._clock()
        for key, start in still.items():
            series = self._elapsed.get(key)
            if series is None:
                role, labels, more, lane, state = key
                own = (("lane", lane), ("state", state))
                series = self._series("rl_state_elapsed_seconds", label_set((("role", role),), labels, more, own))
                if series is None or series in self._elapsed.values():
                    continue
                self._elapsed[key] = series
            series.set(max(0.0, now - start))

    def _show_alerts(self) -> None:
        active = dict(self.alerts())
        now = {_alert_labels(detector, severity) for detector, severity in active.items()}
        self._alerted |= now
        for labels in self._alerted:
            series = self._series("rl_alert_active", labels)
            if series:
                series.set(float(labels in now))

    def _show_life(self) -> None:
        state = self.life()
        for name, labels, value in life_figures(state) if state is not None else ():
            series = self._series(name, label_set(labels))
            if series:
                series.set(value)

    def _show_tallies(self) -> None:
        for tally in self.tallies():
            name = self._naming.own(tally.name, total=tally.kind == "counter")
            help = clean(tally.help) or f"{clean(tally.name)}, added up"
            kind: MetricType = "counter" if tally.kind == "counter" else "histogram"
            series = self._table.series(name, tally.labels, help, kind, tally.bounds)
            if series is None:
                continue
            if kind == "counter":
                series.set(tally.total.sum)
            else:
                series.show(tally.total)

    def _show_machine(self) -> None:
        """What is there, and nothing of what is gone."""
        shown = {(figure.name, figure.labels): figure.value for figure in self.machine()}
        for key in self._of_machine.keys() - shown.keys():
            self._table.remove(self._of_machine.pop(key))
        for key, value in shown.items():
            series = self._of_machine.get(key) or self._series(key[0], label_set(key[1]))
            if series is not None:
                self._of_machine[key] = series
                series.set(value)

    def _series(self, name: str, labels: Labels, bounds: tuple[float, ...] = ()) -> Series | None:
        quantity = self._catalogue[name]
        return self._table.series(name, labels, quantity.help, quantity.type, bounds)

    def _set(self, name: str, labels: Labels, value: float, item: Newest) -> None:
        series = self._series(name, labels)
        if series:
            series.set(float(value), item.at, item.file)


def page(expositions: Sequence[Exposition], openmetrics: bool) -> bytes:
    """All series of the runs, each family in one place, and the process that watches them."""
    shown = [exposition.families(openmetrics) for exposition in expositions]
    run = shown[0][0] if len(shown) == 1 else ""
    if len(shown) == 1:
        out = [text for _, head, lines in shown[0][1] for text in (head, lines)]
    else:
        families: dict[str, list[str]] = {}
        for _, texts in shown:
            for name, head, lines in texts:
                families.setdefault(name, [head]).append(lines)
        out = [text for texts in families.values() for text in texts]
    out += [head + lines for _, head, lines in of_process(run, openmetrics)]
    if openmetrics:
        out.append("# EOF\n")
    return "".join(out).encode()


def _alert_labels(detector: str, severity: str) -> Labels:
    return label_set((("detector", detector), ("severity", severity)))


def _number(text: str) -> float | None:
    """None for what is no finite number: a run without end says `infinite`."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
