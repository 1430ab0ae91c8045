"""Ports that are taken, locks, and files that are written whole."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import free_port

from rli_agent.port_holder import held_by
from rli_agent.server.files import try_lock, write_whole
from rli_agent.server.ports import is_taken, next_free, why_not

from .conftest import until


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
