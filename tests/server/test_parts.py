"""The small parts: sums, versions, merging, logs, processes, ports, files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rli_agent.port_holder import held_by
from rli_agent.server.configure.merge import merged
from rli_agent.server.configure.settings import hours
from rli_agent.server.files import try_lock, write_whole
from rli_agent.server.install.sums import find_sum, is_sum
from rli_agent.server.ports import is_taken, next_free, why_not
from rli_agent.server.processes import end, is_running, just_started, process, send, users_of
from rli_agent.server.supervise.logs import rotate, tail
from rli_agent.server.version import Version, VersionError, find_version, version_of

from .conftest import free_port, script, until

SUM = "0123456789abcdef" * 4
VALUES: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


# -- sums


@pytest.mark.parametrize(
    "text",
    [
        f"{SUM}  a.tar.gz\n",
        f"{SUM} *a.tar.gz",
        f"{'f' * 64}  b.tar.gz\n{SUM.upper()}  ./dist/a.tar.gz\r\n",
        SUM,
        f"{SUM}\n",
        f'{{"packages": [{{"url": "https://x/b.tar.gz", "sha256": "{"f" * 64}"}}, {{"url": "https://x/a.tar.gz", '
        f'"sha256": "{SUM}"}}]}}',
    ],
)
def test_a_sum_is_found_in_every_form_that_vendors_use(text: str) -> None:
    assert find_sum(text, "a.tar.gz") == SUM


@pytest.mark.parametrize(
    "text",
    [
        "", SUM[1:], f"{SUM}  aa.tar.gz", f"{SUM}  a.tar.gz.sig", f"SHA256 (b.tar.gz) = {SUM}", "<html>404</html>",
        "{", '{"packages": 1}', '{"packages": [1]}', '{"packages": [{"url": "a.tar.gz", "sha256": "no"}]}',
    ],
)  # fmt: skip
def test_no_sum_is_made_up(text: str) -> None:
    assert find_sum(text, "a.tar.gz") is None


@given(st.text(max_size=200))
def test_whatever_a_server_answers_gives_a_sum_or_none(text: str) -> None:
    found = find_sum(text, "a.tar.gz")
    assert found is None or is_sum(found)


# -- versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)", Version(2, 42, 0)),
        ("tempo, version v3.0.3 (branch: , revision: unknown)", Version(3, 0, 3)),
        ("grafana version 13.0.1+security-01", Version(13, 0, 1)),
        ("built with 1.2 on 10.11.12.13", None),
        ("", None),
    ],
)
def test_versions_are_read_from_what_programs_say(text: str, version: Version | None) -> None:
    assert find_version(text) == version


def test_versions_are_compared_as_numbers() -> None:
    assert Version(2, 9, 9) < Version(2, 10, 0) < Version(13, 0, 0)


def test_a_program_that_says_no_version_is_quoted(tmp_path: Path) -> None:
    binary = tmp_path / "mute"
    binary.write_bytes(script("I am no server"))
    binary.chmod(0o755)
    with pytest.raises(VersionError, match="says no version, but: I am no server"):
        version_of(binary)


# -- configuration


@given(VALUES, VALUES)
def test_merging_keeps_what_only_one_says_and_lets_theirs_win(ours: Any, theirs: Any) -> None:
    both = merged(ours, theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        assert both.keys() == ours.keys() | theirs.keys()
        assert all(both[k] == merged(ours[k], theirs[k]) for k in ours.keys() & theirs.keys())
        assert all(both[k] == ours.get(k, theirs.get(k)) for k in ours.keys() ^ theirs.keys())
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert both == ours + theirs
    else:
        assert both == theirs


@given(VALUES)
def test_nothing_merged_over_something_changes_nothing(value: dict[str, Any]) -> None:
    if isinstance(value, dict):
        assert merged(value, {}) == value


@pytest.mark.parametrize(("text", "expected"), [("30d", 720), ("12h", 12), ("90m", 1.5), ("2w", 336), ("1y", 8760)])
def test_durations(text: str, expected: float) -> None:
    assert hours(text) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 d", "3e4d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        hours(text)


# -- logs


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


# -- processes


def test_a_process_is_known_by_more_than_its_number() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        known = just_started(child.pid)
        assert known is not None
        assert known.command[0] == sys.executable
        assert is_running(known)
        for other in ({"started": known.started + 1}, {"boot": "another"}, {"command": ("another",)}):
            impostor = type(known)(**{f: other.get(f, getattr(known, f)) for f in known.__struct_fields__})
            assert not is_running(impostor)
            assert not send(impostor, signal.SIGKILL)
        assert child.poll() is None
        child.communicate(b"\n")
    assert child.returncode == 0
    assert process(child.pid) is None
    assert not send(known, signal.SIGKILL)


def test_one_that_ignores_sigterm_is_killed_when_its_time_is_over() -> None:
    line = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        known = process(child.pid)
        assert known is not None
        assert not end(known, 0.2)
        assert child.wait(10) == -signal.SIGKILL


def test_whoever_has_a_file_open_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    line = "import sys; f = open(sys.argv[1], 'w'); print(flush=True); input()"
    command = [sys.executable, "-c", line, str(tmp_path / "data" / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert [p.pid for p in users_of(tmp_path / "data")] == [child.pid]
        assert users_of(tmp_path / "dat") == []
        child.communicate(b"\n")


# -- ports and files


def test_a_taken_port_names_its_holder_and_the_next_free_one_is_found() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        error = why_not("127.0.0.1", port)
        assert error is not None
        assert is_taken(error)
        assert f" by process {os.getpid()} (" in held_by(port)
        other = next_free("127.0.0.1", port, {port + 1})
        assert other is not None
        assert other > port + 1
    assert why_not("127.0.0.1", free_port()) is None


def test_a_lock_is_held_until_the_last_copy_of_its_descriptor_is_closed(tmp_path: Path) -> None:
    """So a program's data stays locked when its supervisor is killed."""
    handle = try_lock(tmp_path / "lock")
    assert handle is not None
    line = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(handle,)
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.close(handle)
        assert try_lock(tmp_path / "lock") is None
        child.communicate(b"\n")
    free = until(lambda: try_lock(tmp_path / "lock"))
    os.close(free)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "old", mode=0o600)
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
