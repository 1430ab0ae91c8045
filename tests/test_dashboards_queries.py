"""Every query of every dashboard gives data: on a real Prometheus that scrapes a run and its engines."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_pages import serving_engines
from real_prometheus import Prometheus, filled, prometheus_of, rollouts, serving, wait_for
from test_dashboards import FILES, load, queries

from rli_agent.dashboards.preview.asking import Prometheus as Asked
from rli_agent.dashboards.preview.drawing import draw
from rli_agent.events import Interval, Problem, RolloutBatch, Samples, Shape, Source
from rli_agent.publish.exposition import Exposition

pytestmark = pytest.mark.real
TRAINER = Source("trainer.log", "trainer", "trainer")
CHOSEN = {"metric": "rl_insight_monitor_.*", "search": "", "__rate_interval": "1m", "__interval": "1m"}


def filled_in(text: str) -> str:
    """A query as Grafana would send it, with everything chosen."""
    return re.sub(r"\$(?:\{)?(\w+)\}?", lambda found: CHOSEN.get(found[1], ".*"), text)


def another_step(it: Exposition, number: int) -> None:
    """The run goes on: a step, a checkpoint, an evaluation, a state that lasts, a problem, rollouts."""
    now = time.time()
    shape = Shape(("loss/mean",), (None,), ("rl_policy_loss",))
    it.record(
        [
            Samples("trainer.log", number, 0, now, "logged", number, shape, [0.5 / number], ""),
            *(
                Interval("trainer.log", number, 0, "logged", "trainer", state, number, now - 0.5 - 1 / number, now)
                for state in ("save_ckpt", "eval", "weight_sync", "wait", "step")
            ),
            Interval("orchestrator.log", number, 0, "logged", "orchestrator", "rollout", number, now, None),
            Problem("trainer.log", number, 0, now, "logged", "ERROR", "nan", "loss is nan"),
            RolloutBatch("r.jsonl", number, 0, now, "logged", number, "train", "math", rollouts()),
        ],
        TRAINER,
    )
    it.own.exporter_failed("otlp")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    it, steps = filled(), itertools.count(10)

    def run(openmetrics: bool) -> bytes:
        another_step(it, next(steps))
        return it.render(openmetrics)

    folder = tmp_path_factory.mktemp("prometheus")
    with serving(run) as ours, serving_engines() as theirs, prometheus_of(folder, ours, theirs) as server:
        yield server


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_query_gives_data(prometheus: Prometheus, file: Path) -> None:
    left = dict.fromkeys(filled_in(expr) for _, expr in queries(load(file)))

    def all_gave() -> bool:
        for expr in list(left):
            if prometheus.query(expr):
                del left[expr]
        return not left

    wait_for(all_gave, lambda: list(left), patience=100)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_variable_has_values(prometheus: Prometheus, file: Path) -> None:
    for variable in load(file)["templating"]["list"]:
        if variable["type"] != "query":
            continue
        asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert asked is not None, variable["name"]
        series, label = filled_in(asked[1]), asked[2]
        found = wait_for(lambda query=series: prometheus.query(query), lambda query=series: query)  # type: ignore[misc]
        assert any(label in json.loads(labels) for labels in found), variable["name"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_panel_has_something_to_show(prometheus: Prometheus, file: Path, tmp_path: Path) -> None:
    def empty() -> list[str]:
        asked = Asked(f"http://127.0.0.1:{prometheus.port}", time.time() - 30, time.time())
        return draw(load(file), asked.answers, tmp_path / "preview.png")

    wait_for(lambda: not empty(), empty, patience=100)
