"""A SLURM of two nodes on this machine, for tests: its own keys, ports and directories, and nothing of the system's."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from loopback import free_ports

NODES = ("alpha", "beta")
_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
NodeName=alpha NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4
NodeName=beta NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4
PartitionName=main Nodes=ALL Default=YES
"""


def can_run() -> bool:
    """Whether SLURM is installed (Debian packages slurm-wlm, munge) and may be started: its daemons want root."""
    return os.geteuid() == 0 and all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch")))


class Cluster:
    """Started when made; `environment` leads its programs to it. Raises AssertionError where it does not come up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        for name in ("munge", "state"):
            (folder / name).mkdir(mode=0o755)
        key = folder / "munge" / "key"
        key.write_bytes(os.urandom(64))
        key.chmod(0o400)
        conf = folder / "slurm.conf"
        conf.write_text(_CONF.format(folder=folder, host=socket.gethostname().split(".")[0], ports=free_ports(3)))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        self.environment = {**os.environ, "SLURM_CONF": str(conf)}
        munge = folder / "munge"
        self._start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}/socket",
            f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
        )  # fmt: skip
        self._wait(lambda: (munge / "socket").exists())
        self._start("slurmctld", "-D", "-c")
        for node in NODES:
            self._start("slurmd", "-D", "-N", node)
        self._wait(lambda: self.run("sinfo", "--noheader", "--format=%t").stdout.strip() == "idle")

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one of SLURM's programs, at most a minute."""
        return subprocess.run(
            command, env={**self.environment, **more}, cwd=self._folder, capture_output=True, text=True, timeout=60
        )

    def close(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def _start(self, *command: str) -> None:
        with (self._folder / f"{len(self._daemons)}-{command[0]}.txt").open("wb") as out:
            self._daemons.append(subprocess.Popen(command, env=self.environment, stdout=out, stderr=out))

    def _wait(self, condition: object) -> None:
        assert callable(condition)
        end = time.monotonic() + 30
        while not condition():
            told = "\n".join(p.read_text()[-2000:] for p in self._folder.glob("*-*.txt"))
            assert time.monotonic() < end, f"SLURM does not come up:\n{told}"
            time.sleep(0.1)  # between two looks at the condition
