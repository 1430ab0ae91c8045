"""The logs of the programs: rotated, and their ends shown."""

from __future__ import annotations

from pathlib import Path

from rli_agent.server.supervise.logs import rotate, tail


def test_a_writer_goes_on_after_its_log_was_rotated_and_so_many_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(6):
            writer.write(b"%d" % number * 100 + b"\n")
            assert rotate(log, most=50, kept=3)
            assert not rotate(log, most=50, kept=3)
        writer.write(b"now\n")
    assert log.read_bytes() == b"now\n"
    names = ("a.log.1", "a.log.2", "a.log.3")
    assert [(tmp_path / n).read_text()[0] for n in names] == ["5", "4", "3"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_log_that_is_not_there_is_not_rotated(tmp_path: Path) -> None:
    assert not rotate(tmp_path / "none.log")
    assert tail(tmp_path / "none.log", 5) == []


def test_the_tail_of_a_huge_log_of_binary_is_bounded_and_harmless(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"\x1b[2J\xff" * 200_000 + b"\nlast but one\n" + b"x" * 1000)
    lines = tail(log, 3)
    assert lines[-2] == "last but one"
    assert all(len(line) <= 500 and "\x1b" not in line for line in lines)
