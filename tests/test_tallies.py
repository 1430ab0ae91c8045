"""Counters and histograms that programs count by themselves, as they are kept and shown."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rli_agent.catalogue import Catalogue
from rli_agent.events import Declared, Samples, Shape, Source
from rli_agent.publish.exposition import Exposition
from rli_agent.publish.naming import RunLabels
from rli_agent.publish.tallies import Tallies
from rli_agent.store.run_store import RunRow, RunStore

SOURCE = Source("events.jsonl", "metrics", "trainer", "events")


def told(kind: str, name: str, value: float, labels: tuple[tuple[str, str], ...] = (), **more: object) -> Samples:
    declared = Declared(kind, **more)  # type: ignore[arg-type]
    shape = Shape((name,), (None,), (None,), labels, None, declared)
    return Samples("events.jsonl", 1, 0, 9.0, "logged", None, shape, [value], f"[{value}]")


def shown(tallies: Tallies) -> dict[str, float]:
    page = Exposition(RunLabels("p", "e", "r", "f"), Catalogue.load())
    page.tallies = tallies.series
    own = {"project", "experiment_name", "run", "framework", "role", "host"}
    found = {}
    for sample in (s for f in text_string_to_metric_families(page.render(True).decode()) for s in f.samples):
        if sample.name.startswith("rl_insight_monitor"):
            labels = [f"{k}={v}" for k, v in sorted(sample.labels.items()) if k not in own and v]
            found[" ".join([sample.name.removeprefix("rl_insight_monitor_"), *labels])] = sample.value
    return found


def keep(store: RunStore, tallies: Tallies, events: list[Samples]) -> None:
    tallies.prepare(events, SOURCE, 0.0)
    with store.transaction():
        store.commit(events, [])
        tallies.write()


@pytest.mark.real
@settings(max_examples=15)
@given(
    batches=st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 50)), max_size=5))
)
def test_they_add_up_whatever_becomes_of_the_agent_between_commits(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, str, int]]]
) -> None:
    path = tmp_path_factory.mktemp("store") / "run.sqlite"
    for batch in batches:
        with closing(RunStore.open(path, RunRow("r", "/r", 1.0))) as store:  # an agent that begins anew
            events = [told("counter", name, float(value), (("label", label),)) for name, label, value in batch]
            Tallies(store.knowledge).prepare(events, SOURCE, 0.0)  # killed before it was written: it is told again
            keep(store, Tallies(store.knowledge), events)
    with closing(RunStore.open(path, RunRow("r", "/r", 1.0))) as store:
        found = shown(Tallies(store.knowledge))
    said = [call for batch in batches for call in batch]
    wanted = {f"{n}_total label={label}" for n, label, _ in said}
    assert found == {
        name: sum(value for n, label, value in said if f"{n}_total label={label}" == name) for name in wanted
    }


def test_a_histogram_has_the_buckets_that_were_told_first_and_a_label_le_is_another(tmp_path: Path) -> None:
    with closing(RunStore.open(tmp_path / "run.sqlite", RunRow("r", "/r", 1.0))) as store:
        tallies = Tallies(store.knowledge)
        keep(store, tallies, [told("histogram", "wait", 0.5, bounds=(1.0, 2.0))])
        keep(store, tallies, [told("histogram", "wait", 1.5, (("le", "mine"),), bounds=(7.0,))])
        found = shown(tallies)
    assert found["wait_bucket le=1.0"] == 1
    assert found["wait_bucket exported_le=mine le=1.0"] == 0
    assert found["wait_bucket exported_le=mine le=2.0"] == 1
    assert not any("7.0" in name for name in found)


def test_a_name_stays_what_it_was_first(tmp_path: Path) -> None:
    with closing(RunStore.open(tmp_path / "run.sqlite", RunRow("r", "/r", 1.0))) as store:
        tallies = Tallies(store.knowledge)
        keep(store, tallies, [told("counter", "n", 2.0), told("histogram", "n", 3.0)])
        assert shown(tallies) == {"n_total": 2.0}


def test_they_outlive_the_calls_that_keep_deletes(tmp_path: Path) -> None:
    with closing(RunStore.open(tmp_path / "run.sqlite", RunRow("r", "/r", 1.0))) as store:
        keep(store, Tallies(store.knowledge), [told("counter", "n", 2.0), told("counter", "n", 3.0)])
        store.prune(keep_days=1.0)
        assert shown(Tallies(store.knowledge)) == {"n_total": 5.0}
