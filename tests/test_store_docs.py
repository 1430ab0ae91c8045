"""docs/store.md against a store: every query runs and answers, every column it names exists."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from rli_agent.events import Interval, Problem, RolloutBatch, RunFact, Samples, Shape
from rli_agent.rollout_statistics import Distribution, RolloutStatistics
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import Checkpoint, RunRow, RunStore

PAGE = (Path(__file__).parent.parent / "docs" / "store.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
COLUMNS = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", PAGE, re.MULTILINE))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("docs") / "run.sqlite"
    store = RunStore.open(place, RunRow("r-1", "/runs/r", 5.0))
    shape = Shape(("actor/entropy", "critic/score/mean"), (None, None), (None, "rl_reward_mean"))
    at = ("a.log", 1, 0)
    figures = {"reward": Distribution.of([0.0, 1.0]), "response_tokens": Distribution.of([900.0], (512.0, 1024.0))}
    store.commit(
        [
            *(Samples("a.log", i, 0, 1.0, "logged", i, shape, [0.5, 1.0], "[0.5, 1.0]") for i in range(1, 20)),
            Samples("a.log", 20, 0, 1.0, "logged", 20, shape, [float("nan"), 1.0], '["NaN", 1.0]'),
            Interval(*at, "logged", "trainer", "step", 1, 0.0, 9.0),
            Interval(*at, "logged", "trainer", "eval", 1, 9.0, None),
            Problem(*at, 1.0, "logged", "ERROR", "nccl", "message"),
            RolloutBatch("r.jsonl", 1, 0, 1.0, "estimated", 1, "train", "m", RolloutStatistics(8, 1, figures=figures)),
            RunFact(*at, 1.0, "logged", "framework", "verl"),
        ],
        [Checkpoint("a.log", 1, 1, 900, 20, b"", b"", 1.0)],
    )
    store.close()
    return place


def test_there_are_queries() -> None:
    assert len(QUERIES) >= 5


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: str(query).split("\n")[0])
def test_a_query_of_the_page_answers(path: Path, query: str) -> None:
    with closing(read_only(path)) as db:
        assert db.execute(query).fetchall()


def test_the_page_names_every_view_and_its_columns(path: Path) -> None:
    with closing(read_only(path)) as db:
        views = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
        assert set(views) <= set(COLUMNS)
        for name, columns in COLUMNS.items():
            assert [row[1] for row in db.execute(f"PRAGMA table_info({name})")] == columns.split(", ")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert all(f"`{name}`" in PAGE for name in tables)
