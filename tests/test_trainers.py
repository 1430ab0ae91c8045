"""The end of which no log tells: the processes that ran the trainer are gone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from agent_process import until

from rli_agent.alerts.opening import open_alerts
from rli_agent.catalogue import Catalogue
from rli_agent.diagnose.case import case_of_logs
from rli_agent.diagnose.cause import cause_of
from rli_agent.machine import trainers
from rli_agent.machine.trainers import Trainers
from rli_agent.options import WatchOptions
from rli_agent.rulebook import Rulebook
from rli_agent.watching.run import WatchedRun
from rli_agent.watching.setting import Setting

WRITES = "import sys, time\nlog = open(sys.argv[1], 'a')\nlog.write(sys.argv[2])\nlog.flush()\ntime.sleep(600)\n"
LINE = "\r {0}0%|#| {0}/10 [00:0{0}<00:09, 1.00s/it]{{'loss': 0.5, 'mean_token_accuracy': 0.5, 'epoch': 0.{0}}}\n"


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a trainer that writes so much into a log, and then computes."""
    (tmp_path / "train.py").write_text(WRITES)
    started: list[subprocess.Popen[bytes]] = []

    def start(log: Path, text: str = "step 1\n") -> subprocess.Popen[bytes]:
        log.parent.mkdir(exist_ok=True)
        before = log.stat().st_size if log.exists() else 0
        started.append(subprocess.Popen([sys.executable, tmp_path / "train.py", log, text]))
        until(lambda: log.exists() and log.stat().st_size > before, "what the trainer writes")
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERY", "SEARCH_EVERY", "LASTING"):
        monkeypatch.setattr(trainers, name, 0.01)
    monkeypatch.setattr(trainers, "SHARE", 1.0)


def told(run: Trainers, *, wrote: bool = False) -> str:
    """What it says within the next looks."""
    said: list[str] = []

    def looks() -> bool:
        said.append(run.lost(wrote) or "")
        time.sleep(0.001)
        return bool(said[-1]) or len(said) > 30

    until(looks, "some looks")
    return said[-1]


@pytest.mark.real
@pytest.mark.usefixtures("soon")
def test_a_killed_trainer_is_missed_once(tmp_path: Path, trained: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = trained(tmp_path / "run" / "train.log")
    run = Trainers(tmp_path / "run")
    assert told(run, wrote=True) == ""
    process.kill()
    assert told(run, wrote=True) == "", "it still writes"
    said = told(run)  # nobody has waited for it: it is a zombie
    assert f"(pid {process.pid}) is gone, and no log says why" in said
    assert "train.py" in said.splitlines()[0]
    assert told(run) == ""


@pytest.mark.real
@pytest.mark.usefixtures("soon")
def test_one_that_takes_over_is_no_loss_and_several_are_named_together(
    tmp_path: Path, trained: Callable[..., subprocess.Popen[bytes]]
) -> None:
    first = trained(tmp_path / "run" / "train.log")
    run = Trainers(tmp_path / "run")
    assert told(run, wrote=True) == ""
    others = [trained(tmp_path / "run" / "train.log") for _ in range(2)]
    first.kill()
    assert told(run) == ""
    for process in others:
        process.kill()
    assert "and 1 more are gone" in told(run)


@pytest.mark.real
@pytest.mark.usefixtures("soon")
def test_a_trainer_that_writes_through_tee_is_one(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    speaks = "import time\nprint('step 1', flush=True)\ntime.sleep(600)\n"
    trainer = subprocess.Popen([sys.executable, "-c", speaks], stdout=subprocess.PIPE)
    log = tmp_path / "run" / "train.log"
    tee = subprocess.Popen(["tee", log], stdin=trainer.stdout, stdout=subprocess.DEVNULL)
    until(lambda: log.exists() and log.read_text(), "the first line")
    run = Trainers(tmp_path / "run")
    assert told(run, wrote=True) == ""
    trainer.kill()
    assert f"(pid {trainer.pid}) is gone" in told(run)
    tee.kill()
    for process in (trainer, tee):
        process.communicate()


@pytest.mark.real
@pytest.mark.usefixtures("soon")
def test_what_only_copies_logs_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    log = (tmp_path / "run" / "train.log").open("w")
    copying = subprocess.Popen(["tail", "-f", "/dev/null"], stdout=log)
    run = Trainers(tmp_path / "run")
    assert told(run, wrote=True) == ""
    copying.kill()
    assert told(run) == ""
    copying.wait()


@pytest.mark.real
@pytest.mark.usefixtures("soon")
def test_a_watch_takes_it_for_a_problem_while_steps_are_left(
    tmp_path: Path, trained: Callable[..., subprocess.Popen[bytes]]
) -> None:
    for last, problems in ((8, 1), (10, 0)):
        place = tmp_path / f"run{last}"
        process = trained(place / "train.log", "".join(LINE.format(n) for n in range(1, last + 1)))
        options = WatchOptions([place], private=True, state_dir=tmp_path)
        setting = Setting(tmp_path, Catalogue.load(), open_alerts(None, {}), ZoneInfo("UTC"), threading.Event())
        run = WatchedRun(options, setting, Rulebook([place], []), frozenset(), lambda _: None)
        with closing(run), closing(sqlite3.connect(run.store.path)) as db:
            run.begin()
            turns(run, {place / "train.log"})
            assert run.status.life == "running"
            process.kill()
            turns(run, set())
            found = db.execute("SELECT kind, message FROM problems").fetchall()
        assert [kind for kind, _ in found] == ["worker_death"] * problems
        assert all(f"train.py (pid {process.pid}) is gone" in message for _, message in found)
        case = case_of_logs([place], Rulebook([place], []), ZoneInfo("UTC"), state=tmp_path)
        cause = cause_of(case)
        assert (cause is not None and "is gone, and no log says why" in cause.text) == bool(problems)


def turns(run: WatchedRun, changed: set[Path]) -> None:
    for _ in range(50):
        run.follow(changed)
        time.sleep(0.001)
