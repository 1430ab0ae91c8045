"""Events made by hand, and `/metrics` read back."""

from __future__ import annotations

from collections import Counter

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from rli_agent.catalogue import Catalogue
from rli_agent.events import (
    Interval,
    Labels,
    Problem,
    RolloutBatch,
    Samples,
    Shape,
    Source,
)
from rli_agent.publish.exposition import Exposition, RunLabels
from rli_agent.rollout_statistics import RolloutStatistics

CATALOGUE = Catalogue.load()
RUN = RunLabels("proj", "exp", "run-1", "verl")
BASE = ["project", "experiment_name", "run", "framework", "role"]
TRAINER = Source("logs/trainer.log", "trainer", "trainer")
NOW = 2_000_000_000.0

Found = dict[tuple[str, Labels], float]


def exposition(**options: object) -> Exposition:
    return Exposition(RUN, CATALOGUE, clock=lambda: NOW, **options)  # type: ignore[arg-type]


def shape(
    *keys: str, metrics: dict[str, str] | None = None, units: dict[str, str] | None = None, **labels: str
) -> Shape:
    return Shape(
        keys,
        tuple((units or {}).get(k) for k in keys),
        tuple((metrics or {}).get(k) for k in keys),
        tuple(labels.items()),
    )


def samples(
    make: Shape, *values: float, step: int | None = 1, time: float | None = 100.0, file: str = TRAINER.file
) -> Samples:
    return Samples(file, 1, 0, time, "logged", step, make, list(values), "")


def interval(state: str, start: float | None, end: float | None, lane: str = "trainer", **more: object) -> Interval:
    return Interval(TRAINER.file, 1, 0, "logged", lane, state, 1, start, end, **more)  # type: ignore[arg-type]


def problem(kind: str = "nan", level: str = "ERROR", count: int = 1) -> Problem:
    return Problem(TRAINER.file, 1, 0, 1.0, "logged", level, kind, "it broke", count)  # type: ignore[arg-type]


def statistics(rewards: list[float], part: str) -> RolloutStatistics:
    found = RolloutStatistics(len(rewards))
    for reward in rewards:
        found.add("reward", reward)
        found.add(f"part:{part}", reward)
    return found


def batch(
    count: int, total: float, step: int = 1, *, errors: int = 0, truncated: int = 0, **more: object
) -> RolloutBatch:
    fields = {"file": f"rollouts/{step}.jsonl", "time": None, "phase": "train", "environment": "math"} | more
    statistics = RolloutStatistics(count, errors, truncated)
    for _ in range(count):
        statistics.add("reward", total / count)
    return RolloutBatch(line=1, offset=0, time_is="estimated", step=step, total=statistics, **fields)  # type: ignore[arg-type]


def scrape(it: Exposition) -> Found:
    """All series by name and labels without empty ones, from both formats, which must say the same and be valid."""
    text = check_text(it.render(False).decode())
    om = check_text(it.render(True).decode(), openmetrics=True)
    moving = ("rli_agent_process_", "rl_state_elapsed")
    assert {k: repr(v) for k, v in text.items() if not k[0].startswith(moving)} == {
        k: repr(v) for k, v in om.items() if not k[0].startswith(moving)
    }
    return text


def check_text(text: str, openmetrics: bool = False) -> Found:
    found: Found = {}
    names: list[str] = []
    for family in (parse_openmetrics if openmetrics else parse_text)(text):
        names.append(family.name)
        assert family.documentation
        assert family.type in ("gauge", "counter", "histogram")
        for sample in family.samples:
            key = (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if v)))
            assert key not in found, f"{key} stands twice"
            found[key] = sample.value
        labels = {tuple(name for name in s.labels if name != "le") for s in family.samples}
        assert len(labels) <= 1, f"the labels of {family.name} differ"
        base = BASE[:4] if family.name.startswith("rli_agent_") else BASE
        assert all(list(s.labels)[: len(base)] == base for s in family.samples)
    assert max(Counter(names).values()) == 1
    heads = [line.split()[2] for line in text.split("\n") if line.startswith("# TYPE ")]
    assert len(heads) == len(set(heads))
    return found


def value(found: Found, name: str, **labels: str) -> float:
    """The one series of that name whose labels include these. Fails when it is not exactly one."""
    hits = [v for (n, have), v in found.items() if n == name and labels.items() <= dict(have).items()]
    assert len(hits) == 1, f"{len(hits)} series {name} {labels}"
    return hits[0]


def names(found: Found) -> set[str]:
    return {name for name, _ in found}
