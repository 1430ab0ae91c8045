"""What a figure is called in Prometheus: names, label sets and base units. Pure: no clock, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from rli_agent.catalogue import Catalogue, Quantity, base_factor
from rli_agent.discover import Run
from rli_agent.events import Labels, Shape, Source, role_of
from rli_agent.journal import logger

#: Prefix of native metrics unless the user says another: RL-Insight's own.
NAMESPACE = "rl_insight_monitor"
#: Text from logs is hostile: longer names and values are cut here.
NAME_LIMIT = 200
VALUE_LIMIT = 256

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAMESPACE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class RunLabels(Struct, frozen=True):
    """The labels that every series of a run carries; `host` those of a run on several nodes alone."""

    project: str = ""
    experiment_name: str = ""
    run: str = ""
    framework: str = ""
    host: str = ""


def labels_of(
    run: Run, id: str, project: str | None = None, experiment: str | None = None, *, host: str = "",
    told: Mapping[str, str] | None = None,
) -> RunLabels:  # fmt: skip
    """What all series and spans of a run carry. project, experiment: what the user says, before what the run's
    configurations say, before what its lines say (`told`). host: of a run on several nodes."""
    said = told or {}
    named = run.experiment if run.experiment != run.name else None
    return RunLabels(
        project or run.project or said.get("project") or run.name,
        experiment or named or said.get("experiment") or run.name,
        id, run.framework or "unknown", host,
    )  # fmt: skip


class Named(Struct, frozen=True):
    """One series that a shape feeds: `values[index] * factor` is its value. `key` is the framework's own name."""

    index: int
    key: str
    name: str
    labels: Labels
    factor: float
    help: str


def clean(text: str, limit: int = VALUE_LIMIT) -> str:
    """`text` as a label value or help: bounded, and without control characters and what UTF-8 cannot hold."""
    return _CONTROL.sub("\ufffd", text[:limit])


def metric_name(namespace: str, key: str) -> str:
    """`actor/kl loss` → `<namespace>_actor_kl_loss`, spelled as RL-Insight does."""
    return f"{namespace}_{_ILLEGAL.sub('_', key[:NAME_LIMIT])}"


def label_name(name: str) -> str:
    """A legal label name. Those of the run are not for others to set: they get Prometheus's own `exported_`, and a
    leading `__`, which Prometheus keeps to itself, loses an underscore."""
    legal = _ILLEGAL.sub("_", name[:NAME_LIMIT]) or "_"
    if legal[0].isdigit():
        legal = "_" + legal
    if legal.startswith("__"):
        legal = "_" + legal.lstrip("_")
    return f"exported_{legal}" if legal in RunLabels.__struct_fields__ else legal


def label_set(*groups: Iterable[tuple[str, str]]) -> Labels:
    """The groups as one sorted set of legal labels; later groups win. An empty value is the same as no label."""
    merged = {label_name(name): clean(str(value)) for group in groups for name, value in group}
    return tuple(sorted((name, value) for name, value in merged.items() if value))


def step_series(labels: Labels, source: Source) -> tuple[str, Labels]:
    """Name and labels of the gauge that shows where the writer of a record is."""
    return "rl_step", label_set((("role", role_of(labels, source)),))


def duration_series(lane: str, state: str, labels: Labels, source: Source) -> tuple[str, Labels]:
    """Name and labels of the gauge that shows how long a lane was in a state."""
    own = [("lane", lane)]
    name = "rl_step_duration_seconds"
    if state != "step":
        name = "rl_phase_duration_seconds"
        own.append(("state", state))
    return name, label_set((("role", source.role),), source.labels, labels, own)


class Naming:
    """Names every figure of a shape, natively and, where the pack gives one, by its common metric."""

    def __init__(self, catalogue: Catalogue, namespace: str = NAMESPACE) -> None:
        """Raises ValueError for a namespace that Prometheus refuses, or whose names could be taken for common ones."""
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(
                f"namespace {namespace!r} is not usable in Prometheus; use letters, digits and _, no digit first"
            )
        taken = [*(q.name for q in catalogue), "rli_agent_"]
        clash = next((name for name in taken if name.startswith(f"{namespace}_")), None)
        if clash:
            raise ValueError(f"namespace {namespace!r} would mix with the agent's own {clash}; choose another")
        self.catalogue = catalogue
        self.namespace = namespace
        self._unknown: set[str] = set()

    def native(self, shape: Shape, source: Source) -> list[Named]:
        """Every figure of the shape under the framework's own name, as printed."""
        labels = label_set((("role", source.role),), source.labels, shape.labels)
        told = clean(shape.declared.help) if shape.declared is not None else ""
        return [
            Named(i, key, metric_name(self.namespace, key), labels, 1.0, told or _help(key, unit))
            for i, (key, unit) in enumerate(zip(shape.names, shape.units, strict=True))
        ]

    def own(self, key: str, total: bool) -> str:
        """What a program's own counter (`total`) or histogram is called."""
        name = metric_name(self.namespace, key)
        return f"{name.removesuffix('_total')}_total" if total else name

    def common(self, shape: Shape, source: Source) -> list[Named]:
        """The figures of the shape that have a common name, in base units."""
        named = []
        for i, (key, unit, metric) in enumerate(zip(shape.names, shape.units, shape.metrics, strict=True)):
            quantity = self._quantity(metric) if metric else None
            if quantity:
                own = {"stat": key, "lane": source.lane}
                extra = ((label, own[label]) for label in quantity.labels if label in own)
                labels = label_set((("role", source.role),), extra, source.labels, shape.labels)
                named.append(Named(i, key, quantity.name, labels, base_factor(unit), quantity.help))
        return named

    def _quantity(self, metric: str) -> Quantity | None:
        """None for a name that no figure can feed: unknown, a counter, or made from intervals."""
        quantity = self.catalogue.get(metric)
        if quantity and quantity.type == "gauge" and "state" not in quantity.labels:
            return quantity
        if metric not in self._unknown and len(self._unknown) < 1000:
            self._unknown.add(metric)
            logger.warning(
                "a rule pack maps a figure to {}, which is not a gauge of the catalogue: it is published under its own "
                "name only; correct the pack's `catalogue`", clean(metric)
            )  # fmt: skip
        return None


def _help(key: str, unit: str | None) -> str:
    return clean(key, NAME_LIMIT) + (f" as printed, {clean(unit, 20)}" if unit else " as printed")
