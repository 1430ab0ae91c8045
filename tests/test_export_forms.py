"""`rli-agent export`: tables and traces that hold what the store holds, whatever the log says."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from rli_agent.cli import main
from rli_agent.events import Interval, Problem, Samples, Shape, Source
from rli_agent.export.forms import FORMS, Export, to_csv, to_parquet, to_perfetto
from rli_agent.publish.naming import RunLabels
from rli_agent.store.run_store import RunRow, RunStore

SAMPLES = Path(__file__).parents[1] / "samples"
FRAMEWORKS = ("areal", "nemo-rl", "openrlhf", "prime-rl", "skyrl", "slime", "trl", "verl")
HOSTILE = '=HYPERLINK("http://x")\x1b[2J</script>\u202e\n"quoted", \ud800'
START = 1_763_700_000.0


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store of each sample run."""
    found = {}
    for framework in FRAMEWORKS:
        state = tmp_path_factory.mktemp(framework)
        assert main(["watch", "--once", str(SAMPLES / framework), "--state-dir", str(state)]) == 0
        (found[framework],) = state.glob("runs/*/run.sqlite")
    return found


def stored(folder: Path, *events: Samples | Interval | Problem) -> Path:
    store = RunStore.open(folder / "run.sqlite", RunRow("r", str(folder), START))
    store.commit(events, [])
    store.describe([Source("t.log", "trainer", "trainer")])
    store.close()
    return folder / "run.sqlite"


def line(number: int, step: int | None, *values: float, names: tuple[str, ...] = ("loss",)) -> Samples:
    shape = Shape(names, (None,) * len(names), (None,) * len(names), (("role", "trainer"),))
    printed = json.dumps([v if math.isfinite(v) else str(v) for v in values]).replace('"nan"', '"NaN"')
    return Samples("t.log", number, 0, START + number, "logged", step, shape, list(values), printed)


def export(store: Path, path: Path, **more: Any) -> Export:
    return Export(store, RunLabels("p", "e", "r", "verl"), "run", path, **more)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def counted(store: Path, table: str) -> int:
    with closing(sqlite3.connect(store)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.real
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_tables_have_the_rows_of_the_stores_views(framework: str, stores: dict[str, Path], tmp_path: Path) -> None:
    store = stores[framework]
    to_csv(export(store, tmp_path / "csv"))
    to_parquet(export(store, tmp_path / "parquet"))
    for table in ("samples", "intervals", "problems", "rollouts", "alerts", "messages", "facts", "attempts"):
        written = rows(tmp_path / "csv" / f"{table}.csv")
        read = parquet.read_table(tmp_path / "parquet" / f"{table}.parquet").to_pylist()
        assert len(written) == len(read) == counted(store, table), table
        for of_csv, of_parquet in zip(written, read, strict=True):
            for column, value in of_parquet.items():
                if isinstance(value, float):
                    assert float(of_csv[column]) == pytest.approx(value, nan_ok=True)
    with closing(sqlite3.connect(store)) as db:
        in_store = db.execute('SELECT start, "end", lane, state, step FROM intervals').fetchall()
    exported = parquet.read_table(tmp_path / "parquet" / "intervals.parquet").to_pylist()
    told = [(r["start"], r["end"], r["lane"], r["state"], r["step"]) for r in exported]
    for one, other in zip(sorted(told, key=_in_order), sorted(in_store, key=_in_order), strict=True):
        assert one[2:] == other[2:]
        assert one[:2] == pytest.approx(other[:2])


def _in_order(interval: tuple[Any, ...]) -> tuple[Any, ...]:
    start, _, *words = interval
    return (*map(str, words), start or 0.0)


@pytest.mark.real
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_trace_has_every_state_and_problem_on_named_threads(
    framework: str, stores: dict[str, Path], tmp_path: Path
) -> None:
    store = stores[framework]
    to_perfetto(export(store, tmp_path / "run.json"))
    trace = json.loads((tmp_path / "run.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    events = trace["traceEvents"]
    states = [e for e in events if e.get("cat") == "state"]
    assert len(states) == counted(store, "intervals WHERE start IS NOT NULL")
    assert sum(e.get("cat") == "problems" for e in events) == counted(store, "problems WHERE time IS NOT NULL")
    threads = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert {e["tid"] for e in events if e["ph"] in "XBi"} <= threads.keys()
    with closing(sqlite3.connect(store)) as db:
        lanes = {lane for (lane,) in db.execute("SELECT DISTINCT lane FROM intervals")}
    assert lanes <= set(threads.values())
    for event in events:
        if event["ph"] != "M":
            assert isinstance(event["ts"], int)
            assert event.get("dur", 0) >= 0
            assert set(event) >= {"name", "ph", "pid"}
    _nested([e for e in states if e["ph"] == "X"])


def _nested(slices: list[dict[str, Any]]) -> None:
    by_thread: dict[int, list[tuple[int, int]]] = {}
    for s in sorted(slices, key=lambda s: (s["ts"], -s["dur"])):
        around = by_thread.setdefault(s["tid"], [])
        begin, end = s["ts"], s["ts"] + s["dur"]
        while around and around[-1][1] <= begin:
            around.pop()
        assert not around or end <= around[-1][1], (s, around)
        around.append((begin, end))


def test_an_open_state_is_begun_and_not_ended(tmp_path: Path) -> None:
    store = stored(tmp_path, Interval("t.log", 1, 0, "logged", "trainer", "rollout", 4, START, None))
    to_perfetto(export(store, tmp_path / "run.json"))
    (state,) = [e for e in json.loads((tmp_path / "run.json").read_text())["traceEvents"] if e.get("cat") == "state"]
    assert (state["ph"], state["ts"], state["args"]["step"]) == ("B", int(START * 1e6), 4)


def test_wide_has_a_row_a_step_and_a_column_a_metric(tmp_path: Path) -> None:
    names = ("loss", "entropy")
    store = stored(
        tmp_path, line(1, 1, 0.5, 2.0, names=names), line(2, None, 9.0), line(3, 2, math.nan), line(4, 2, 0.25),
        line(5, 3, math.inf),
    )  # fmt: skip
    assert to_csv(export(store, tmp_path / "out", wide=True))[1].endswith("3 steps × 2 metrics")
    assert (tmp_path / "out" / "wide.csv").read_text().splitlines() == [
        "step,entropy,loss", "1,2.0,0.5", "2,,0.25", "3,,Infinity",
    ]  # fmt: skip


def test_wide_tells_series_of_one_name_apart_by_their_labels(tmp_path: Path) -> None:
    shapes = [Shape(("loss",), (None,), (None,), (("rank", rank),)) for rank in "01"]
    lines = [Samples("t.log", n, 0, START, "logged", 1, s, [float(n)], f"[{n}.0]") for n, s in enumerate(shapes)]
    to_csv(export(stored(tmp_path, *lines), tmp_path / "out", wide=True))
    assert (tmp_path / "out" / "wide.csv").read_text().splitlines() == ["step,loss rank=0,loss rank=1", "1,0.0,1.0"]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    store = stored(
        tmp_path, line(1, 1, 0.5, names=(HOSTILE,)),
        Problem("t.log", 2, 0, START, "logged", "ERROR", "nan", HOSTILE, 1),
        Interval("t.log", 3, 0, "logged", HOSTILE, HOSTILE, 1, START, START + 1),
    )  # fmt: skip
    for form in FORMS:
        FORMS[form](export(store, tmp_path / form))
    (problem,) = rows(tmp_path / "csv" / "problems.csv")
    assert problem["message"].startswith("'=HYPERLINK")
    for written in (tmp_path / "csv" / "problems.csv", tmp_path / "csv" / "samples.csv", tmp_path / "perfetto"):
        text = written.read_text()
        assert not {"\x1b", "\u202e"} & set(text), written


@pytest.mark.parametrize("form", FORMS)
def test_nothing_to_tell_is_an_empty_export(form: str, tmp_path: Path) -> None:
    said = FORMS[form](export(stored(tmp_path), tmp_path / "out"))[0]
    assert any(word in said for word in ("0 samples", "row", "nothing"))


def test_junk_and_an_empty_directory_are_said_to_be_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "train.log").write_bytes(bytes(range(256)) * 500)
    for name in ("empty", "junk"):
        asked = ["export", str(tmp_path / name), "--to", "csv", "-o", str(tmp_path / "out"), "--state-dir"]
        assert main([*asked, str(tmp_path / "state")]) == 2
        assert capsys.readouterr().err.startswith("error: there is nothing to export: ")
        assert not (tmp_path / "out").exists()


def test_a_run_may_be_named_by_its_id_or_its_store(
    stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store = stores["verl"]
    state = ["--to", "perfetto", "--state-dir", str(store.parents[2])]
    assert main(["export", store.parent.name, *state, "-o", "id.json"]) == 0
    assert main(["export", str(store), *state, "-o", "store.json"]) == 0
    assert main(["export", str(SAMPLES / "verl"), *state]) == 0
    assert (tmp_path / "id.json").read_text() == (tmp_path / "store.json").read_text()
    assert (tmp_path / "verl.trace.json").exists()
    capsys.readouterr()
    assert main(["export", "no-such-run", *state]) == 2
    assert "no-such-run: no such file or directory" in capsys.readouterr().err
