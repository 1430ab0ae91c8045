"""A real Alertmanager: an incident stays there, also when it or the agent is killed, and is over when it is over."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import Command, attached
from loopback import free_port
from prime_rl_logs import clock, step
from receivers import HttpReceiver, until

pytestmark = pytest.mark.real


class Alertmanager:
    """A process that can be killed and started again at the same port. It tells `receiver` of what it knows."""

    def __init__(self, folder: Path, receiver: HttpReceiver) -> None:
        program = shutil.which("prometheus-alertmanager")
        if program is None:
            pytest.fail("prometheus-alertmanager is not installed; run `make test`, which installs it")
        self.port = free_port()
        config = folder / "alertmanager.yml"
        hook = {"url": f"http://{receiver.address}/am", "send_resolved": True}
        route = {"receiver": "hook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        config.write_text(json.dumps({"route": route, "receivers": [{"name": "hook", "webhook_configs": [hook]}]}))
        self._command = [
            program, f"--config.file={config}", f"--storage.path={folder / 'am'}", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]  # fmt: skip
        self._log = folder / "alertmanager.log"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until(lambda: self.alerts() is not None, "Alertmanager to answer")

    def alerts(self) -> list[dict[str, Any]] | None:
        """Those that it holds to be active; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/alerts?active=true", timeout=2) as reply:
                return list(json.load(reply))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    @property
    def names(self) -> list[str]:
        return sorted(alert["labels"]["alertname"] for alert in self.alerts() or [])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def manager(tmp_path: Path, receiver: HttpReceiver) -> Iterator[Alertmanager]:
    one = Alertmanager(tmp_path, receiver)
    yield one
    one.kill()


#: The second of the day at which the run began, by its stamps: what they told of times to come would last until then.
BEGUN = int(time.time() - 3600) % 86400


def nan_step(number: int, second: int) -> str:
    return step(number, second).replace(f"Loss {number / 1000:.4f}", "Loss nan")


def test_an_incident_stays_until_it_is_over_whoever_is_killed(
    tmp_path: Path, manager: Alertmanager, receiver: HttpReceiver
) -> None:
    (tmp_path / "alerts.yaml").write_text(
        f"channels:\n- {{name: am, type: alertmanager, url: 'http://127.0.0.1:{manager.port}', resend: 1s, "
        "labels: {cluster: a}}\n"
    )
    log = tmp_path / "run" / "logs" / "trainer.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{clock(BEGUN)}    INFO Starting training loop (max_steps=90)\n{step(1, BEGUN + 60)}")

    def watch() -> Command:
        return Command(
            tmp_path, "watch", "--listen", "none", "--state-dir", tmp_path / "state", "--alerts",
            tmp_path / "alerts.yaml", log.parents[1],
        )  # fmt: skip

    agent = watch()
    try:
        until(lambda: attached(tmp_path), "the agent to be attached")
        with log.open("a") as out:
            out.write(nan_step(2, BEGUN + 120) + nan_step(3, BEGUN + 180))
        until(lambda: manager.names == ["RLNan"], "the incident to be there")
        (alert,) = manager.alerts() or [{}]
        assert (alert["labels"]["severity"], alert["labels"]["cluster"]) == ("critical", "a")
        assert "step" not in alert["labels"]
        assert alert["annotations"]["step"] == "3"
        agent.kill()
        assert manager.names == ["RLNan"], "the agent's death ends no incident"
        manager.kill()
        agent = watch()
        manager.start()
        until(lambda: manager.names == ["RLNan"], "the incident to be told again to one that had forgotten it")
        with log.open("a") as out:
            out.write("".join(step(n, BEGUN + 60 * n) for n in range(4, 11)))
        until(lambda: manager.names == [], "the incident to be over")
        told = [
            (alert["status"], alert["labels"]["alertname"])
            for request in receiver.got
            for alert in request.json["alerts"]
        ]
        until(lambda: any(r.json["status"] == "resolved" for r in receiver.got), "its receivers to hear of it")
        assert {name for _, name in told} <= {"RLNan", "RLStarted"}
    finally:
        agent.kill()
