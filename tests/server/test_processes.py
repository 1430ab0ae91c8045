"""A process is told from another that has its number by now."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from rli_agent.server.processes import end, is_running, just_started, process, send, users_of


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
