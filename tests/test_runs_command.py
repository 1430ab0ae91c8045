"""`rli-agent runs`: what there is of stores, copies of them, and room made; `rli-agent watch` without a directory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from agent_process import Agent
from click.testing import CliRunner, Result
from growing_run import write_run

from rli_agent.cli import group
from rli_agent.errors import UserError
from rli_agent.store.keep import Keep, keep


def run(*arguments: object, **more: str) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], **more)  # type: ignore[arg-type]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name, steps in {"a": 2, "b": 3}.items():
        write_run(tmp_path / "outputs" / name, steps)
    read = run("watch", "--once", "--listen", "none", "--state-dir", tmp_path / "state", tmp_path / "outputs")
    assert read.exit_code == 0, read.output
    return tmp_path / "state"


def test_runs_are_listed_with_framework_life_and_step(state: Path) -> None:
    said = run("runs", "list", "--state-dir", state)
    assert said.exit_code == 0
    head, *lines = said.output.splitlines()
    assert head.split() == ["RUN", "FRAMEWORK", "LIFE", "STEP", "SIZE", "WRITTEN", "PATH"]
    assert {(line.split()[0][0], *line.split()[1:4]) for line in lines} == {
        ("a", "prime-rl", "running", "2"), ("b", "prime-rl", "running", "3"),
    }  # fmt: skip
    found = [json.loads(line) for line in run("runs", "list", "--json", "--state-dir", state).output.splitlines()]
    assert {(each["framework"], each["last_step"], each["writing"]) for each in found} == {
        ("prime-rl", 2, False), ("prime-rl", 3, False),
    }  # fmt: skip


def test_runs_alone_lists_also_what_the_environment_names(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLI_AGENT_STATE_DIR", str(state))
    assert run("runs").output.count("prime-rl") == 2
    monkeypatch.setenv("RLI_AGENT_STATE_DIR", str(state / "nothing"))
    assert "no run was watched so far" in run("runs").output


def test_a_copy_is_a_store_and_never_overwrites(state: Path, tmp_path: Path) -> None:
    (name,) = (path.name for path in (state / "runs").glob("a-*"))
    assert run("runs", "copy", name, tmp_path / "copy.sqlite", "--state-dir", state).exit_code == 0
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM samples WHERE name = 'loss/mean'").fetchone() == (2,)
    again = run("runs", "copy", name, tmp_path / "copy.sqlite", "--state-dir", state)
    assert isinstance(again.exception, UserError)
    assert "exists already" in str(again.exception)
    unknown = run("runs", "copy", "nobody", tmp_path / "x", "--state-dir", state)
    assert isinstance(unknown.exception, UserError)
    assert name in str(unknown.exception)


def test_a_copy_into_a_directory_that_is_not_there_names_it(state: Path, tmp_path: Path) -> None:
    (name,) = (path.name for path in (state / "runs").glob("a-*"))
    copied = run("runs", "copy", name, tmp_path / "nowhere" / "copy.sqlite", "--state-dir", state)
    assert isinstance(copied.exception, UserError)
    assert f"there is no directory {tmp_path / 'nowhere'}" in str(copied.exception)


def test_runs_alone_take_the_options_of_the_list(state: Path) -> None:
    alone, listed = run("runs", "--state-dir", state, "--json"), run("runs", "list", "--state-dir", state, "--json")
    assert alone.exit_code == 0
    assert [json.loads(line)["run"] for line in alone.output.splitlines()] == [
        json.loads(line)["run"] for line in listed.output.splitlines()
    ]
    misplaced = run("runs", "--state-dir", state, "list")
    assert misplaced.exit_code == 2
    assert "stands behind the command" in misplaced.output
    assert f"{state / 'nothing'} does not exist" in run("runs", "--state-dir", state / "nothing").output


def test_prune_says_first_and_then_deletes(state: Path) -> None:
    plan = run("runs", "prune", "--keep", "0h", "--dry-run", "--state-dir", state)
    assert plan.output.count("would delete") == 2
    assert len(list((state / "runs").iterdir())) == 2
    assert run("runs", "prune", "--keep", "30d", "--keep", "1GB", "--state-dir", state).output == "nothing to delete\n"
    assert run("runs", "prune", "--keep", "0h", "--state-dir", state).output.count("deleted") == 2
    assert list((state / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("texts", "bounds"),
    [([], Keep()), (["12h"], Keep(0.5)), (["4w"], Keep(28.0)), (["1.5GB"], Keep(None, 1_500_000_000)),
     (["30d", "1 MiB"], Keep(30.0, 1 << 20))],
)  # fmt: skip
def test_bounds_are_read(texts: list[str], bounds: Keep) -> None:
    assert keep(texts) == bounds


@pytest.mark.parametrize("texts", [["30"], ["d"], ["-3d"], ["3 days"], ["1d", "2d"], ["1GB", "2GB"], [""]])
def test_bad_bounds_are_named(texts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"neither an age|one may be given"):
        keep(texts)


def test_watch_without_a_directory_lists_the_runs_below(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(state.parent)
    said = run("watch")
    assert isinstance(said.exception, UserError)
    assert {"outputs/a", "outputs/b"} <= set(str(said.exception).split())
    (state.parent / "empty").mkdir()
    monkeypatch.chdir(state.parent / "empty")
    assert "no run was found" in str(run("watch").exception)
    monkeypatch.chdir(state.parent / "outputs" / "a")
    once = run("watch", "--once", "--listen", "none", "--state-dir", state)
    assert "step 2 of 2" in once.output, once.output


def test_a_path_that_is_not_there_leaves_no_run_behind(tmp_path: Path, agents: Callable[..., Agent]) -> None:
    state = tmp_path / "state"
    once = run("watch", "--once", "--listen", "none", "--state-dir", state, tmp_path / "nope")
    assert isinstance(once.exception, UserError)
    assert "no such file or directory" in str(once.exception)
    agent = agents(tmp_path / "nope", "--listen", "none", "--state-dir", state)
    agent.says("to appear")
    assert agent.end() == 0
    assert "no run was watched so far" in run("runs", "list", "--state-dir", state).output
