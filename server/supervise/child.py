"""One program under supervision: started, seen to be ready, started again when it ends, told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from rli_agent.port_holder import holders_of
from rli_agent.server.ask import get
from rli_agent.server.launch import Launch
from rli_agent.server.processes import just_started
from rli_agent.server.supervise.logs import tail
from rli_agent.server.supervise.state import Service

#: Seconds for a program to become ready: Prometheus reads its write-ahead log first.
START_LIMIT = 90.0
#: Seconds before a program that has ended is started again: twice as long each time, up to the second.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: Seconds of running after which an end is the first again.
STEADY = 120.0
#: Lines of a program's log that are shown when it fails.
SHOWN = 20


class Child:
    """`lock`: the descriptor that locks its data; the program inherits it, so that its data stays locked as long as it
    runs, whatever becomes of the supervisor."""

    def __init__(self, launch: Launch, lock: int) -> None:
        self.service = Service(launch)
        self._lock = lock
        self._popen: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._again_at = 0.0
        self._pause = FIRST_PAUSE
        self._killed_at: float | None = None

    @property
    def settled(self) -> bool:
        return self.service.phase != "starting"

    def start(self) -> None:
        launch, service = self.service.launch, self.service
        service.phase, service.ready_after = "starting", None
        self._began = time.monotonic()
        try:
            log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                self._popen = subprocess.Popen(
                    launch.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=launch.data,
                    env=launch.environment, start_new_session=True, pass_fds=(self._lock,),
                )  # fmt: skip
            finally:
                os.close(log)
        except OSError as e:
            service.phase, service.reason = "failed", f"cannot be started: {e.strerror or e}: {e.filename}"
            return
        service.process = just_started(self._popen.pid)
        service.since = time.time()

    def tick(self) -> bool:
        """Look at it. Whether anything changed."""
        before = (self.service.phase, self.service.restarts)
        popen = self._popen
        if self.service.phase == "waiting":
            if time.monotonic() >= self._again_at:
                self.service.restarts += 1
                self.start()
        elif popen is not None and popen.poll() is not None:
            self._ended(popen.returncode)
        elif self.service.phase in ("starting", "unready"):
            self._ask()
        return before != (self.service.phase, self.service.restarts)

    def terminate(self) -> None:
        if self._popen is not None and self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGTERM)
        self._killed_at = time.monotonic() + self.service.launch.patience

    def kill(self) -> None:
        if self._popen is not None and self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)

    def gone(self) -> bool:
        """After `terminate`: whether it has ended; when its patience is over it is killed."""
        popen = self._popen
        if popen is None or popen.poll() is not None:
            if self.service.phase not in ("failed", "stopped"):
                self.service.phase = "stopped"
                self.service.exit = popen.returncode if popen is not None else None
                self.service.process = None
            return True
        if self._killed_at is not None and time.monotonic() >= self._killed_at:
            self.service.reason = f"did not end within {self.service.launch.patience:.0f} s, and was killed"
            self.kill()
            self._killed_at = None
        return False

    def _ask(self) -> None:
        service, launch = self.service, self.service.launch
        took = time.monotonic() - self._began
        status, body = get(launch.host, launch.port, launch.ready, timeout=1.0)
        if status == 200:
            stranger = self._stranger()
            if stranger:
                service.reason = f"port {launch.port} is answered by {stranger}"
                return
            service.phase, service.ready_after, service.reason = "ready", round(took, 2), ""
        elif took > START_LIMIT and service.phase == "starting":
            said = body.decode(errors="replace").strip()[:200]
            service.phase = "unready"
            service.reason = f"not ready after {START_LIMIT:.0f} s: {f'HTTP {status}: ' if status else ''}{said}"

    def _stranger(self) -> str:
        """Who else answers at our port. Prometheus opens its data before it finds its port taken."""
        holders = list(holders_of(self.service.launch.port))
        if not holders or any(self._is_ours(h.pid) for h in holders):
            return ""
        return f"process {holders[0].pid} ({holders[0].command})"

    def _is_ours(self, pid: int) -> bool:
        """A program may have started another process that listens: their session is the same."""
        try:
            return self._popen is not None and os.getsid(pid) == self._popen.pid
        except ProcessLookupError:
            return False

    def _ended(self, code: int) -> None:
        service = self.service
        ran = time.monotonic() - self._began
        service.exit, service.process = code, None
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        self._popen = None
        if service.ready_after is None and service.restarts == 0:
            service.phase, service.reason = "failed", f"{how} after {ran:.1f} s, before it was ready"
            return
        self._pause = FIRST_PAUSE if ran > STEADY else min(LONGEST_PAUSE, self._pause * 2)
        service.phase = "waiting"
        service.reason = f"{how}; is started again in {self._pause:.0f} s"
        self._again_at = time.monotonic() + self._pause

    def last_lines(self) -> list[str]:
        return tail(Path(self.service.launch.log), SHOWN)
