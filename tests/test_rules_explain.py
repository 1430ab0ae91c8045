"""`rli-agent rules explain`: who took each line, and what a watch says of files that it reads in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.cli import main
from rli_agent.parsers.shapes import Shapes, record_shape, shape_of
from rli_agent.unread import MANY, SAMPLED_AT_ALL, Unread

VERL = "step:{n} - actor/pg_loss:0.1 - critic/score/mean:0.5 - timing_s/step:3.0\n"
NOISE = "worker {n} says 'hello {n}' to /data/shard/{n}.bin\n"


def explained(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, object]]:
    assert main(["rules", "explain", "--json", *map(str, arguments)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_line_is_a_rules_or_a_problems_or_echoed_or_blank_or_unknown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: no\n'
    text = VERL.format(n=1) + NOISE.format(n=1) + NOISE.format(n=2) + "\n" + trace + "the end\n"
    (tmp_path / "train.log").write_text(text)
    (one,) = explained(capsys, tmp_path)
    assert one["lines"] == 9
    assert one["rules"] == {"verl/step-line": 1, "problems/exception": 1}
    assert one["reasons"] == {"blank": 1, "problem": 3}
    assert (one["figures"], one["problems"], one["unknown"]) == (3, 1, 3)
    assert one["shapes"] == [
        {"shape": "worker <n> says <text> to <path>", "count": 2, "line": 2, "example": NOISE.format(n=1).strip()},
        {"shape": "the end", "count": 1, "line": 9, "example": "the end"},
    ]


def test_the_first_line_is_the_answer_and_lines_are_shown_with_who_took_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "train.log"
    log.write_text(VERL.format(n=1) + "\x1b]0;evil\x07hello\n")
    assert main(["rules", "explain", "--lines", "--most", "1", str(log)]) == 0
    printed = capsys.readouterr().out
    assert "1 file, 2 lines: 3 figures, 0 problems; no rule took 1 line" in printed
    assert "      1  verl/step-line" in printed
    assert "\x1b" not in printed
    assert "\x07" not in printed


def test_records_are_explained_by_their_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"zeta": 1, "eta": [1]}\n{"zeta": 2, "eta": []}\nno json\n')
    (one,) = explained(capsys, tmp_path)
    assert [(s["shape"], s["count"]) for s in one["shapes"]] == [  # type: ignore[attr-defined]
        ("a record with the keys eta, zeta", 2),
        ("no JSON object", 1),
    ]


def test_files_that_are_not_read_are_named_with_the_reason(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text(VERL.format(n=1))
    (tmp_path / "core.log").write_bytes(b"\x7fELF" + bytes(range(256)) * 9)
    assert main(["rules", "explain", str(tmp_path)]) == 0
    assert f"{tmp_path}/core.log: binary: an executable or a core dump" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("step 12: loss -0.5e-3, 41.3GiB (27%)", "step <n>: loss <n>, <n>GiB (<n>%)"),
        ("{'loss': 0.5, 'model': 'a b', 'x': nan}", "{'loss': <n>, 'model': <text>, 'x': <n>}"),
        ("at 2026-01-02T10:11:12.5Z from 10.0.0.1:80", "at <time> from <address>"),
        ("rank3 of run 0x7f3a and deadbeef12 in /a/b/c.py", "rank<d> of run <id> and <id> in <path>"),
        ("timing/gen:3 val-core/acc/mean@1:0.25", "timing/gen:<n> val-core/acc/mean@<d>:<n>"),
    ],
)
def test_a_shape_is_what_stays(line: str, shape: str) -> None:
    assert shape_of(line) == shape


@given(st.lists(st.sampled_from([f"kind {k} {{}}" for k in "abcdefgh"]), min_size=1, max_size=200))
def test_shapes_are_counted_and_bounded(lines: list[str]) -> None:
    free, bounded = Shapes(limit=100), Shapes(limit=4)
    for i, line in enumerate(lines):
        free.add(line.format(i), i)
        bounded.add(line.format(i), i)
    assert sum(s.count for s in free.commonest(100)) == len(lines) == bounded.lines
    assert len(bounded.commonest(100)) <= 4


@given(st.binary(max_size=200))
def test_any_bytes_are_some_kind_of_record(raw: bytes) -> None:
    assert record_shape(raw)


def test_what_is_looked_at_is_bounded_and_begins_anew_with_figures() -> None:
    looked: list[bytes] = []

    def look(raw: bytes) -> str | None:
        looked.append(raw)
        return raw.decode()

    unread = Unread(look)
    block = b"".join(NOISE.format(n=i).encode() for i in range(1000))
    for _ in range(50):
        unread.passed(block, 1000, 1)
    assert SAMPLED_AT_ALL <= len(looked) <= SAMPLED_AT_ALL + 25
    silence = unread.silence(200)
    assert silence is not None
    assert (silence.lines, silence.before) == (50_000, 0)
    assert silence.shapes[0][0] == "worker <n> says <text> to <path>"
    unread.gave(10, 1)
    assert unread.silence(1) is None
    unread.passed(block, MANY - 1, 1)
    assert unread.silence(1) is None, "figures may be rare"
    unread.passed(block, 3_000_000, 1)
    assert unread.silence(1) is not None
    assert "as before; has the format changed?" in unread.silence(1).text  # type: ignore[union-attr]


def watched(run: Path, state: Path) -> str:
    command = [sys.executable, "-m", "rli_agent", "watch", "--once", "--listen", "none", "--state-dir"]
    command += [str(state), str(run)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RLI_AGENT_")}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.real
def test_a_watch_names_files_that_it_reads_in_vain_and_no_others(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.log").write_text("".join(VERL.format(n=i) for i in range(300)))
    (run / "few.log").write_text(NOISE.format(n=1))
    (run / "odd.log").write_text("".join(NOISE.format(n=i) for i in range(300)))
    said = [line for line in watched(run, tmp_path / "a").splitlines() if "rules explain" in line]
    assert len(said) == 1
    assert said[0].startswith("odd.log: no rule reads a figure in its 300 lines; commonest of ")
    assert "× “worker <n> says <text> to <path>”; see `rli-agent rules explain " in said[0]


def test_a_format_that_changed_under_a_known_framework_is_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    known = "".join(VERL.format(n=i) for i in range(50))
    changed = "".join(f"iteration {i} | policy loss=0.1 | score=0.5\n" for i in range(60_000))
    (run / "train.log").write_text(known + changed)
    (said,) = [line for line in watched(run, tmp_path / "a").splitlines() if "rules explain" in line]
    assert "has the format changed?" in said
    assert "× “iteration <n> | policy loss=<n> | score=<n>”" in said


def test_where_nothing_at_all_is_read_even_a_short_file_is_explained(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.log").write_text("epoch 1 begins\nepoch 2 begins\n")
    said = watched(run, tmp_path / "a")
    assert "train.log: no rule reads a figure in its 2 lines; commonest of 2 lines looked at: 2× “epoch <n>" in said
