"""A run as OpenMetrics text: the same series as `/metrics`, each figure at its time, and Prometheus takes it."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
import threading
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from real_prometheus import NASTY, program, prometheus_over, wait_for

from rli_agent.alerts.opening import open_alerts
from rli_agent.catalogue import Catalogue
from rli_agent.cli import main
from rli_agent.events import Interval, Problem, RolloutBatch, RunFact, Samples, Shape, Source
from rli_agent.export.openmetrics import Written, seconds_of, write_openmetrics
from rli_agent.export.points import milliseconds
from rli_agent.options import WatchOptions
from rli_agent.publish.naming import RunLabels, clean
from rli_agent.rollout_statistics import RolloutStatistics
from rli_agent.rulebook import Rulebook
from rli_agent.store.run_store import RunRow, RunStore
from rli_agent.watching.run import WatchedRun
from rli_agent.watching.setting import Setting

SAMPLES = Path(__file__).parents[1] / "samples"
RUN = RunLabels("proj", "exp", "run-1", "verl")
START = 1_763_700_000.0
#: What only a moment has: open states, the run's life and its GPUs, the agent's own.
OF_A_MOMENT = re.compile(
    r"rl_state_elapsed_seconds|rl_run_|rl_gpus|rl_last_step_|rl_usual_step|rli_agent_|process_|python_"
)


def stored(folder: Path, *events: Samples | Interval | Problem | RolloutBatch | RunFact) -> Path:
    path = folder / "run.sqlite"
    store = RunStore.open(path, RunRow("run-1", str(folder), START))
    store.commit(events, [])
    store.describe([Source("t.log", "trainer", "trainer")])
    store.close()
    return path


def metric(line: int, when: float, step: int, *values: float, names: tuple[str, ...] = ("loss",)) -> Samples:
    shape = Shape(names, (None,) * len(names), (None,) * len(names))
    printed = [v if math.isfinite(v) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(v, "NaN") for v in values]
    return Samples("t.log", line, line, when, "logged", step, shape, list(values), json.dumps(printed))


def text_of(path: Path) -> tuple[str, Written]:
    out = io.StringIO()
    done = write_openmetrics(path, RUN, out)
    return out.getvalue(), done


def points(text: str) -> dict[str, list[tuple[float, float]]]:
    """Series → its (seconds, value); a line that is of another form is an error."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        parts = re.fullmatch(r'(\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\} (\S+)(?: (\S+))?', line)
        assert parts is not None, line
        labels = ",".join(sorted(label for label in re.findall(r'\w+="(?:[^"\\]|\\.)+"', parts[2])))
        found.setdefault(f"{parts[1]}{{{labels}}}", []).append((float(parts[4] or 0), float(parts[3])))
    return found


def test_every_figure_stands_at_its_own_time(tmp_path: Path) -> None:
    lines = [metric(n, START + 30 * n + 0.25, n, 0.5 * n) for n in range(1, 5)]
    text, done = text_of(stored(tmp_path, *lines))
    at = points(text)
    labels = 'experiment_name="exp",framework="verl",project="proj",role="trainer",run="run-1"'
    assert at[f"rl_insight_monitor_loss{{{labels}}}"] == [(START + 30 * n + 0.25, 0.5 * n) for n in range(1, 5)]
    assert at[f"rl_step{{{labels}}}"] == [(START + 30 * n + 0.25, n) for n in range(1, 5)]
    assert done == Written(2, 8, 0, 0, START + 30.25, START + 120.25)
    assert text.endswith("# EOF\n")


def test_files_read_in_any_order_come_out_in_the_order_of_time(tmp_path: Path) -> None:
    text, _ = text_of(stored(tmp_path, *(metric(n, START + 10 * (n * 7 % 10), n, n) for n in range(10))))
    for of_a_series in points(text).values():
        assert [at for at, _ in of_a_series] == sorted({at for at, _ in of_a_series})


def test_of_two_values_at_one_time_the_later_stands_and_the_other_is_counted(tmp_path: Path) -> None:
    text, done = text_of(stored(tmp_path, metric(1, START, 1, 0.5), metric(2, START + 0.0004, 2, 0.75)))
    assert [v for name, ((_, v),) in points(text).items() if "loss" in name] == [0.75]
    assert (done.samples, done.replaced) == (2, 2)


def test_figures_that_are_not_finite_are_spelled_as_prometheus_spells_them(tmp_path: Path) -> None:
    values = (math.nan, math.inf, -math.inf)
    text, _ = text_of(stored(tmp_path, *(metric(n, START + n, n, v) for n, v in enumerate(values))))
    assert [line.split()[-2] for line in text.splitlines() if "monitor_loss{" in line] == ["NaN", "+Inf", "-Inf"]


def test_counters_begin_at_nothing_and_only_rise(tmp_path: Path) -> None:
    problems = [Problem("t.log", 3 + n, 0, START + 50 - n, "logged", "ERROR", "nan", "nan", 2) for n in range(5)]
    text, _ = text_of(stored(tmp_path, metric(1, START, 1, 0.5), *problems))
    (series,) = [p for name, p in points(text).items() if name.startswith("rl_problems_total")]
    assert [v for _, v in series] == [0, 2, 4, 6, 8, 10]


def test_names_and_labels_as_bad_as_they_come_are_read_back_strictly(tmp_path: Path) -> None:
    rollouts = RolloutStatistics(count=4)
    for value in (-1.0, 0.5, 3.0):
        rollouts.add("reward", value)
        rollouts.add("response_tokens", 100 * abs(value))
        rollouts.add(f"part:{NASTY}", value)
    text, _ = text_of(
        stored(
            tmp_path, metric(1, START, 1, 0.5, 1.0, names=("0" + NASTY, "critic/rewards/mean")),
            Interval("t.log", 2, 0, "logged", "trainer", NASTY, 1, START, START + 4),
            RolloutBatch("t.log", 1, 0, START, "logged", 1, "train", NASTY, rollouts),
        )
    )  # fmt: skip
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {family.type for family in families.values()} == {"gauge", "counter", "histogram"}
    assert {s.labels["environment"] for s in families["rl_rollout_reward"].samples} == {clean(NASTY)}


def test_a_histogram_holds_at_each_time_all_that_came_until_then(tmp_path: Path) -> None:
    rollouts = RolloutStatistics(count=3)
    for value in (20.0, 70.0, 500.0):
        rollouts.add("response_tokens", value)
    batches = [RolloutBatch("t.log", n, 0, START + n, "logged", n, "train", "math", rollouts) for n in (1, 2)]
    text, _ = text_of(stored(tmp_path, *batches))
    of = {name: p for name, p in points(text).items() if name.startswith("rl_rollout_response_tokens_")}
    assert [p for name, p in of.items() if "_count{" in name] == [[(START + 1, 3.0), (START + 2, 6.0)]]
    assert [p for name, p in of.items() if 'le="128.0"' in name] == [[(START + 1, 2.0), (START + 2, 4.0)]]
    # the lines of one moment stand together, as the format wants it
    times = [line.split()[-1] for line in text.splitlines() if line.startswith("rl_rollout_response_tokens_")]
    assert times == sorted(times)


def test_a_store_without_a_figure_is_an_empty_text(tmp_path: Path) -> None:
    text, done = text_of(stored(tmp_path))
    assert (text, done) == ("# EOF\n", Written())


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_read_back_to_the_millisecond(at: int) -> None:
    assert int(float(seconds_of(at)) * 1000) == at
    assert milliseconds(at / 1000) == at


@pytest.mark.parametrize("framework", ["verl", "prime-rl", "trl"])
def test_series_and_newest_values_are_those_of_the_metrics_page(framework: str, tmp_path: Path) -> None:
    options = WatchOptions([SAMPLES / framework], once=True, private=True)
    setting = Setting(tmp_path, Catalogue.load(), open_alerts(None, {}), ZoneInfo("UTC"), threading.Event())
    run = WatchedRun(options, setting, Rulebook([SAMPLES / framework], []), frozenset(), lambda _: None)
    run.read_once()
    out = io.StringIO()
    write_openmetrics(run.store.path, run.labels(), out)
    page, exported = points(run.exposition.render(True).decode()), points(out.getvalue())
    run.close()

    shown = {name: values[0][1] for name, values in page.items() if not OF_A_MOMENT.match(name)}
    # what never happened is on the page as 0, and has no time
    missing = {name for name, value in shown.items() if value} - exported.keys()
    assert missing == set()
    # what a step before the newest one had, and the newest has not
    earlier = {name for name in exported.keys() - shown.keys() if not name.startswith("rl_phase_duration_seconds")}
    assert earlier == set()
    if framework == "prime-rl":  # the page has the digits of the console, and times of its own for files without any
        return
    wrong = {
        name: (value, exported[name][-1][1])
        for name, value in shown.items()
        if name in exported and exported[name][-1][1] != pytest.approx(value, nan_ok=True)
    }
    assert wrong == {}


@pytest.mark.real
def test_the_command_says_what_it_wrote_and_writes_over_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["export", str(SAMPLES / "verl"), "--to", "openmetrics", "--state-dir", str(tmp_path)]
    out = tmp_path / "verl.om"
    assert main([*asked, "-o", str(out)]) == 0
    assert re.search(r"verl\.om: [\d,]{4,} samples of \d+ series", capsys.readouterr().err)
    before = out.read_text()
    assert main([*asked, "-o", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*asked, "-o", str(out), "--force"]) == 0
    assert out.read_text() == before
    assert list(tmp_path.glob(".*")) == []


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    asked = ["export", str(SAMPLES / "verl"), "--to", "openmetrics", "--state-dir", str(tmp_path), "-o", "-"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "rli_agent", *asked], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("error: - cannot be written: No space left on device")


@pytest.mark.real
def test_a_real_prometheus_answers_from_the_blocks_that_promtool_makes(tmp_path: Path) -> None:
    lines = [metric(n, START + 30 * n + n / 1000, n, 0.25 * n) for n in range(1, 400)]
    waits = [Interval("t.log", n, 0, "logged", "t", "wait", n, START + 30 * n, START + 30 * n + n) for n in range(5)]
    text, done = text_of(stored(tmp_path, *lines, *waits))
    (tmp_path / "run.om").write_text(text)
    made = subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", tmp_path / "run.om", tmp_path / "data"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    listed = [line.split() for line in made.stdout.splitlines() if line.startswith("01")]
    # BLOCK ULID, MIN TIME, MAX TIME, DURATION, NUM SAMPLES …; a duration may hold no space
    assert sum(int(line[4]) for line in listed) == done.samples

    with prometheus_over(tmp_path / "data", tmp_path) as prometheus:
        query = f'rl_insight_monitor_loss{{role="trainer"}}[30s] @ {START + 30 * 200 + 1}'
        got = wait_for(lambda: prometheus.at(query), lambda: made.stdout)
        assert got == [[[START + 30 * 200 + 0.2, "50"]]]
        steps = prometheus.at(f'max_over_time(rl_step{{run="run-1"}}[4h] @ {START + 30 * 400})')
        assert steps == [399.0]


@pytest.mark.real
def test_a_million_samples_need_no_memory_of_their_size(tmp_path: Path) -> None:
    names = tuple(f"actor/metric_{n}" for n in range(100))
    path = stored(tmp_path, *(metric(n, START + n, n, *range(n, n + 100), names=names) for n in range(10_000)))
    script = (
        "import resource, sys; from pathlib import Path; from rli_agent.export.openmetrics import write_openmetrics\n"
        "from rli_agent.publish.naming import RunLabels\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "done = write_openmetrics(Path(sys.argv[1]), RunLabels(run='r'), open('/dev/null', 'w'))\n"
        "print(done.samples, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    made = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    samples, kilobytes = map(int, made.stdout.split())
    assert samples == 1_010_000
    assert kilobytes < 64_000
