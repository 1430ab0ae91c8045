"""Which node reads a file: each exactly one, the same whoever works it out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from growing_run import write, write_run
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.cli import main
from rli_agent.discover import Discovery, Found, Run, Scan
from rli_agent.discover.nodes import MOST, Nodes, expanded, nodes_of
from rli_agent.events import Source
from rli_agent.rulebook import Rulebook

ROLES = ("trainer", "orchestrator", "inference", "env", "router", "rollouts", "metrics", "unknown")
names = st.lists(st.from_regex(r"[a-z]{1,6}-?[0-9]{0,3}", fullmatch=True), min_size=1, max_size=6, unique=True)
files = st.lists(
    st.tuples(st.from_regex(r"[a-z0-9._/-]{1,30}", fullmatch=True), st.sampled_from(ROLES), st.booleans()),
    max_size=30, unique_by=lambda file: file[0],
)  # fmt: skip


def scan_of(files: list[tuple[str, str, bool]]) -> Scan:
    root = Path("/run")
    found = [Found(Source(file, role, role), root / file, "", again) for file, role, again in files]
    return Scan(Run(root, (root,), "run", "prime-rl", 1.0, ""), found, [], [], [])


def read_by(node: Nodes, scan: Scan) -> set[str]:
    return {found.source.file for found in node.share(scan).found}


@pytest.mark.real
@given(names, files)
def test_each_shared_file_is_read_by_one_node(names: list[str], files: list[tuple[str, str, bool]]) -> None:
    scan = scan_of(files)
    nodes = [Nodes(tuple(names), name, "shared") for name in names]
    shares = [read_by(node, scan) for node in nodes]
    assert sorted(file for share in shares for file in share) == sorted(file for file, _, _ in files)
    assert all(node.owners(scan) == nodes[0].owners(scan) for node in nodes)
    assert [node.leads for node in nodes] == [True] + [False] * (len(names) - 1)


@pytest.mark.real
@given(names, files)
def test_what_tells_of_the_whole_run_is_read_by_the_first(names: list[str], files: list[tuple[str, str, bool]]) -> None:
    owners = Nodes(tuple(names), names[0], "shared").owners(scan_of(files))
    whole = [file for file, role, again in files if role not in ("env", "inference", "router") and not again]
    assert {owners[file] for file in whole} <= {names[0]}


@given(names, st.sampled_from(("inference", "env")), st.from_regex(r"[a-z/_]{1,20}\.log", fullmatch=True))
def test_the_past_of_a_file_is_read_with_it(names: list[str], role: str, file: str) -> None:
    past = [f"{file}.1", f"{file}.2", f"{file}-20261121", f"{file}.2026-11-21"]
    owners = Nodes(tuple(names), names[0], "shared").owners(scan_of([(name, role, False) for name in (file, *past)]))
    assert len(set(owners.values())) == 1


def test_a_node_reads_the_files_that_carry_its_name() -> None:
    scan = scan_of([("logs/env_gpu1.log", "env", False), ("logs/gpu12/env.log", "env", False)])
    owners = Nodes(("gpu0", "gpu1", "gpu12"), "gpu0", "shared").owners(scan)
    assert owners == {"logs/env_gpu1.log": "gpu1", "logs/gpu12/env.log": "gpu12"}


def test_of_its_own_files_a_node_reads_all_and_only_problems_of_what_the_first_repeats() -> None:
    root = Path("/run")
    labelled = Source("node_1.log", "trainer", "trainer", labels=(("node", "1"),))
    scan = scan_of([("inference.log", "inference", False)])
    scan.found.append(Found(labelled, root / "node_1.log", ""))
    read = Nodes(("a", "b"), "b", "own").share(scan).found
    assert [(found.source.file, found.problems_only) for found in read] == [
        ("inference.log", False), ("node_1.log", True),
    ]  # fmt: skip


def test_roles_leave_files_out_and_without_the_trainer_nobody_leads() -> None:
    scan = scan_of([("a.log", "trainer", False), ("b.log", "env", False)])
    only = Nodes(roles=frozenset({"env"}))
    assert read_by(only, scan) == {"b.log"}
    assert not only.leads
    assert Nodes().leads
    assert read_by(Nodes(), scan) == {"a.log", "b.log"}


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("login", ["login"]),
        ("node[001-003,7],login1", ["node001", "node002", "node003", "node7", "login1"]),
        ("a[1-2]-ib[0-1]", ["a1-ib0", "a1-ib1", "a2-ib0", "a2-ib1"]),
        ("x, y", ["x", "y"]),
    ],
)
def test_lists_as_slurm_writes_them(text: str, nodes: list[str]) -> None:
    assert expanded(text) == nodes


@pytest.mark.parametrize(
    "text", ["", "a[1-2", "a]1[", "a[x]", "a[1-99999999]", "a[0-9999][0-9999]", "a[[1]]", "[,]", "a[2-1]"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"node"):
        expanded(text)


@given(st.text(alphabet="a0[]-,1", max_size=20))
def test_no_list_is_too_much(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 < len(expanded(text)) <= MOST


def test_a_node_is_known_without_its_domain() -> None:
    assert nodes_of("gpu[1-2]", None, "auto", (), "gpu2.cluster.example").own == "gpu2"
    assert nodes_of(None, None, "auto", (), "gpu2").own == ""
    with pytest.raises(ValueError, match="elsewhere, which is none of gpu1, gpu2"):
        nodes_of("gpu[1-2]", None, "auto", (), "elsewhere")


def test_all_nodes_print_the_same_division(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "run", 3)
    for number in range(4):
        write(tmp_path / "run", f"logs/inference/node_{number}.log", "12:00:00 INFO vLLM API server\n")
    told = []
    for node in ("a", "b", "c"):
        arguments = ["--cluster", "--nodes", "a,b,c", "--node", node, "--files", "shared", "--state-dir", str(tmp_path)]
        assert main(["watch", str(tmp_path / "run"), *arguments]) == 0
        told.append(capsys.readouterr().out.replace("this one, ", "").replace(" (this one)", ""))
    assert told[0] == told[1] == told[2]
    assert "a (steps, life, messages): " in told[0]
    scan = Discovery([tmp_path / "run"], Rulebook([], []).packs).scan()
    counts = [int(line.split(": ")[1].split()[0]) for line in told[0].splitlines() if line[:1] in "abc"]
    assert sum(counts) == len(scan.found)


def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(tmp_path), "--nodes", "a[1", "--once"]) == 2
    assert "error: --nodes: 'a[1' is not a list of nodes" in capsys.readouterr().err
    assert main(["watch", str(tmp_path), "--nodes", "a,b", "--node", "c", "--once"]) == 2
    assert "this node is called c, which is none of a, b" in capsys.readouterr().err
    assert main(["watch", str(tmp_path), "--run-id", "../x", "--once"]) == 2
    assert "'../x': up to 64 letters" in capsys.readouterr().err
