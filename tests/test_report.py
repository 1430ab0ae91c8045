"""`rli-agent report`: one file that says what happened, and lets nothing in or out."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from prime_rl_logs import clock, step
from report_pages import Page, digest, report

from rli_agent.asking.ask import runs_in, store_of
from rli_agent.cli import group, main
from rli_agent.options import WatchOptions
from rli_agent.report.curves import POINTS
from rli_agent.samples.make_samples import RUNS
from rli_agent.zone import named_zone

FRAMEWORKS = ("areal", "nemo-rl", "openrlhf", "prime-rl", "skyrl", "slime", "trl", "verl")


@pytest.fixture(scope="module")
def verl(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    home = tmp_path_factory.mktemp("verl")
    RUNS["verl"]().write(home / "run")
    return home / "run", report(home / "run", home=home)


def stored(run: Path, home: Path, query: str) -> int:
    options = WatchOptions([run], state_dir=home / "other", once=True)
    with store_of(runs_in(options)[0], named_zone("UTC")) as (path, _), contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute(query).fetchone()[0])


def steps(folder: Path, number: int, **more: object) -> Path:
    """A console log of verl with so many steps; `more` are figures of each."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"2026-03-01 {10 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02} step:{n} - "
        + " - ".join(f"{key}:{value(n) if callable(value) else value}" for key, value in figures.items())
        for n in range(1, number + 1)
        for at in (20 * n,)
        for figures in ({"timing_s/gen": 11.0, "timing_s/update_actor": 7.5, "timing_s/step": 19.0, **more},)
    ]
    (folder / "train.log").write_text("\n".join(["verl/trainer/main_ppo.py", *lines, ""]))
    return folder


@pytest.mark.real
def test_what_happened_is_said_in_words(verl: tuple[Path, Page]) -> None:
    said = verl[1].told("words")
    assert "It finished." in said
    assert "it reached step 14 of 14" in said
    assert "A step of the trainer took" in said
    assert re.search(r"\d+% rollout", said)
    assert verl[1].all("h1")[0].text.startswith("finished: step 14 of 14")


def test_the_timeline_has_every_interval_of_the_store(verl: tuple[Path, Page], tmp_path: Path) -> None:
    run, page = verl
    known = stored(run, tmp_path, "SELECT count(*) FROM intervals WHERE start IS NOT NULL")
    data = page.data("timeline")
    spans = [row[i : i + 5] for lane in data["lanes"] for row in lane["rows"] for i in range(0, len(row), 5)]
    assert sum(span[4] for span in spans) == known > 50
    assert f"{known} intervals" in page.told("timeline")
    ends = [start + max(length, 0) for start, length, *_ in spans]
    assert min(start for start, *_ in spans) == 0
    assert max(ends) <= data["length"] + 1
    assert "rollout" in data["states"]
    (svg,) = page.section("timeline").all("svg", "timeline")  # type: ignore[union-attr]
    assert sum(path.attributes["d"].count("M") for path in svg.all("g", "spans")[0].all("path")) >= len(spans) / 2


def test_curves_carry_the_printed_figures(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 30, **{"actor/entropy": lambda n: n / 8, "critic/rewards/mean": 0.5})
    page = report(run, home=tmp_path)
    titles = [figure.all("b")[0].text for figure in page.all("figure")]
    xs, ys, _ = page.data("curves")[titles.index("policy entropy")][0]
    assert xs == list(range(1, 31))
    assert ys == [n / 8 for n in range(1, 31)]
    assert "Policy entropy rose from 0.25 nats to 3.625 nats (14.5 times)." in page.told("words")
    assert "reward mean" in page.told("words").split("too short to tell: ")[1]


def test_nan_is_shown_and_is_no_figure(tmp_path: Path) -> None:
    figures = {"actor/grad_norm": lambda n: "nan" if n in (5, 7) else 0.25, "actor/entropy": 0.5}
    page = report(steps(tmp_path / "run", 9, **figures), home=tmp_path)
    titles = [figure.all("b")[0].text for figure in page.all("figure")]
    chart = page.all("figure")[titles.index("grad norm")]
    assert len(chart.all("path", "nan")) == 2
    assert len(chart.all("path", "dot")) == 1
    assert page.data("curves")[titles.index("grad norm")][0][1][4] is None


def test_the_heat_map_shows_the_slow_step(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 20, **{"timing_s/reward": lambda n: 0.5 if n != 13 else 3.0})
    page = report(run, home=tmp_path)
    data = page.data("phases")
    row = [name for name, _ in data["rows"]].index("trainer reward")
    assert data["cells"][row][12] == 3.0
    assert data["rows"][row][1] == 0.5
    assert "trainer reward at step 13 (3.0 s, usually 0.5 s)" in page.told("words")
    assert page.section("phases").all("path", "h9")  # type: ignore[union-attr]


def test_nothing_comes_from_elsewhere_and_nothing_else_may_run(verl: tuple[Path, Page]) -> None:
    page = verl[1]
    (style,), scripts = page.all("style"), page.all("script")
    running = [script for script in scripts if script.attributes.get("type") != "application/json"]
    assert [digest(script.text) for script in running] == page.policy["script-src"].split()
    assert page.policy["style-src"] == digest(style.text)
    assert page.policy["default-src"] == "'none'"
    outside = re.findall(r"""(?:src|href|action|data)\s*=\s*["']|url\(|@import""", page.source)
    assert not outside
    every = [element for name in ("div", "span", "td", "path", "text") for element in page.all(name)]
    assert not any(key.startswith("on") or key == "style" for element in every for key in element.attributes)


HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31mred\x1b[0m\u202eevil javascript:alert(3)"
)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 3, **{"critic/rewards/mean": 0.5, "</script><b>x": 1.0})
    with (run / "train.log").open("a") as log:
        log.write(f"Traceback (most recent call last):\nValueError: {HOSTILE}\n")
    (run / "rollout_data").mkdir()
    record = {"input": HOSTILE, "output": HOSTILE, "score": 1.0, "step": 3}
    (run / "rollout_data/3.jsonl").write_text(json.dumps(record) + "\n")
    page = report(run, home=tmp_path)
    assert not page.all("img")
    assert not page.all("b", "x")
    running = [script for script in page.all("script") if script.attributes.get("type") != "application/json"]
    assert len(running) == 1
    assert "alert(1)" in page.told("problems")
    assert "alert(1)" in page.told("rollouts")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.source)


def test_rollouts_can_be_left_out(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 2, **{"critic/rewards/mean": 0.5})
    (run / "rollout_data").mkdir()
    for n in (1, 2):
        records = [{"input": "Q", "output": f"secret-{n}-{i}", "score": i / 8, "step": n} for i in range(8)]
        (run / f"rollout_data/{n}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    told = report(run, home=tmp_path).told("rollouts")
    assert "secret-2-0" in told
    assert "secret-2-7" in told
    assert "secret-1-0" in told
    assert told.index("step 2") < told.index("step 1")
    without = report(run, "--no-rollouts", home=tmp_path)
    assert without.section("rollouts") is None
    assert "secret-" not in without.source


def test_a_failure_is_told_first_cause_first(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 5, **{"critic/rewards/mean": 0.5})
    with (run / "train.log").open("a") as log:
        log.write(
            'Traceback (most recent call last):\n  File "train.py", line 3, in f\n    loss.backward()\n'
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 18.55 GiB. GPU 5 has a total capacity of "
            "79.10 GiB of which 10.62 GiB is free.\n"
        )
    os.utime(run / "train.log", (time.time() - 3600,) * 2)
    page = report(run, home=tmp_path)
    said = page.told("words")
    assert "It failed." in said
    assert "at step 5" in said
    assert "GPU out of memory: it asked for 18.55 GiB on GPU 5" in said
    assert "loss.backward()" in page.told("problems")


def test_attempts_and_a_stall_are_told(tmp_path: Path) -> None:
    begun = int(time.time() - 3600 - 4300) % 86400  # its stamps end when the file was last written
    oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    parts = [f"{clock(begun)}    INFO Starting RL trainer\n", *(step(n, begun + 60 * n) for n in range(1, 21))]
    parts += [f"{clock(begun + 1260)}   ERROR {oom}\n", f"{clock(begun + 3000)}    INFO Starting RL trainer\n"]
    parts += [f"{clock(begun + 3001)}    INFO Resuming training from checkpoint step 10\n"]
    parts += [step(n, begun + 3000 + 60 * (n - 10)) for n in range(11, 31)]
    log = tmp_path / "run/logs/trainer.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(parts))
    os.utime(log, (time.time() - 3600,) * 2)
    page = report(tmp_path / "run", home=tmp_path)
    said = page.told("words")
    assert "It was started 2 times." in said
    assert "Attempt 1: steps 1 to 20; 10 of them were done again; its last grave problem was cuda_oom" in said
    assert "Attempt 2, resumed from step 10: steps 11 to 30." in said
    assert "Stalled: no progress for 1 h" in said
    assert "in which nothing is told." in said
    assert [mark[1] for mark in page.data("timeline")["marks"]] == ["problem", "attempt"]


@pytest.mark.real
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_sample_of_every_framework_gets_a_whole_page(framework: str, tmp_path: Path) -> None:
    RUNS[framework]().write(tmp_path / "run")
    page = report(tmp_path / "run", home=tmp_path)
    assert "it reached step" in page.told("words")
    assert framework in page.all("header")[0].text
    assert len(page.all("figure")) > 3


def test_a_thousand_steps_are_thinned_and_keep_their_extremes(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 1000, **{"actor/grad_norm": lambda n: 99.0 if n == 517 else 0.25 + n % 7 / 100})
    page = report(run, home=tmp_path)
    titles = [figure.all("b")[0].text for figure in page.all("figure")]
    xs, ys, _ = page.data("curves")[titles.index("grad norm")][0]
    assert len(xs) <= POINTS + 1
    assert dict(zip(xs, ys, strict=True))[517] == 99.0
    assert len(page.source) < 1_000_000


def test_a_store_stands_in_for_logs_that_are_gone(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 6, **{"critic/rewards/mean": 0.5})
    assert main(["watch", "--once", "--listen", "none", "--state-dir", str(tmp_path / "kept"), str(run)]) == 0
    (store,) = (tmp_path / "kept").rglob("run.sqlite")
    (run / "train.log").unlink()
    run.rmdir()
    assert "it reached step 6" in report(store, home=tmp_path).told("words")


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(group, ["report", *map(str, arguments)])
    error = result.exception
    assert error is not None
    return f"{error}\n{getattr(error, 'hint', '')}"


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    empty, state = tmp_path / "empty", ["--state-dir", tmp_path / "state"]
    empty.mkdir()
    assert "holds no log file" in refused(empty, "-o", tmp_path / "r.html", *state)
    assert "no such file or directory" in refused(tmp_path / "nowhere", *state)
    for name in ("a", "b"):
        RUNS["prime-rl"]().write(tmp_path / "many" / name)
    assert "holds 2 runs" in refused(tmp_path / "many", *state)
    run = steps(tmp_path / "run", 2)
    assert "there is no directory" in refused(run, "-o", tmp_path / "none/there/r.html", *state)
    assert not list(tmp_path.glob("**/.r.html.new"))


def test_an_engine_alone_gets_a_page_too(tmp_path: Path) -> None:
    line = "INFO 03-01 10:{:02}:00 [loggers.py:111] Engine 000: Avg prompt throughput: 9.0 tokens/s, Avg generation "
    line += "throughput: {}.0 tokens/s, Running: 4 reqs, Waiting: 0 reqs, GPU KV cache usage: 9.5%, Prefix cache hit "
    (tmp_path / "run").mkdir()
    text = "".join(line.format(n, 100 * n) + "rate: 0.0%\n" for n in range(1, 9))
    (tmp_path / "run/vllm.log").write_text(text)
    page = report(tmp_path / "run", home=tmp_path)
    assert "engine generation" in [figure.all("b")[0].text for figure in page.all("figure")]
    assert "no step was told" in page.told("words")


def test_junk_gets_a_page_or_a_clear_word(tmp_path: Path) -> None:
    run = steps(tmp_path / "run", 3)
    (run / "worker.log").write_bytes(os.urandom(20_000))
    (run / "half.jsonl").write_text('{"step": 1, "lo')
    assert "it reached step 3" in report(run, home=tmp_path).told("words")
    junk = tmp_path / "junk"
    junk.mkdir()
    (junk / "run.sqlite").write_bytes(os.urandom(5000))
    assert "junk" in refused(junk / "run.sqlite", "-o", tmp_path / "j.html")
