"""Machines for tests: network namespaces joined by a bridge, each with a host name of its own, where that is allowed;
otherwise processes of this machine that are told which host they are."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loopback import free_port
from real_prometheus import program, wait_for

#: Asks a URL from within a namespace.
_FETCH = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
_IN_NAMED = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']


class Hosts:
    """Hosts by name, and a hub that reaches all of them. `real`: they are namespaces."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._prefix = f"rli{os.getpid()}"
        self.real = self._make()

    def _space(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _make(self) -> bool:
        if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
            return False
        hub = self._space("hub")
        try:
            _ip("netns", "add", hub)
            _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
            _ip("-n", hub, "address", "add", "10.77.0.1/24", "dev", "bridge")
            for device in ("bridge", "lo"):
                _ip("-n", hub, "link", "set", device, "up")
            for number, name in enumerate(self.names, start=2):
                space = self._space(name)
                _ip("netns", "add", space)
                _ip("-n", space, "link", "add", "eth0", "type", "veth", "peer", "name", f"to{number}", "netns", hub)
                _ip("-n", space, "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
                for device in ("eth0", "lo"):
                    _ip("-n", space, "link", "set", device, "up")
                _ip("-n", hub, "link", "set", f"to{number}", "master", "bridge", "up")
        except subprocess.CalledProcessError:
            self.close()
            return False
        return True

    def on(self, name: str, command: Sequence[str]) -> list[str]:
        """The command line that runs this on a host, or on the hub."""
        if not self.real:
            return list(command)
        return ["ip", "netns", "exec", self._space(name), *_IN_NAMED, name, *command]

    @property
    def hub(self) -> str:
        """The address of the hub, as the hosts reach it."""
        return "10.77.0.1" if self.real else "127.0.0.1"

    def listen(self, name: str) -> tuple[str, list[str]]:
        """Where the hub reaches an agent on this host, and what tells the agent so."""
        if self.real:
            return f"10.77.0.{self.names.index(name) + 2}:9092", ["--listen", "0.0.0.0:9092"]
        address = f"127.0.0.1:{free_port()}"
        return address, ["--listen", address, "--node", name]

    def fetch(self, url: str) -> str:
        """What a page says to somebody on the hub. Raises OSError."""
        if not self.real:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        done = subprocess.run(self.on("hub", [sys.executable, "-c", _FETCH, url]), capture_output=True, text=True)
        if done.returncode:
            raise OSError(done.stderr[-500:])
        return done.stdout

    def close(self) -> None:
        for name in (*self.names, "hub"):
            subprocess.run(["ip", "netns", "delete", self._space(name)], capture_output=True)


class HubPrometheus:
    """A Prometheus on the hub that scrapes these addresses twice a second."""

    def __init__(self, hosts: Hosts, url: str) -> None:
        self._hosts, self._url = hosts, url

    @property
    def receiver(self) -> str:
        """Where it takes what is sent by remote write."""
        return f"{self._url}/api/v1/write"

    def query(self, promql: str, **more: object) -> list[dict[str, Any]]:
        """The result of an instant query, or with start, end and step of one over a range."""
        kind = "query_range" if "step" in more else "query"
        asked = urllib.parse.urlencode({"query": promql, **more})
        answer = json.loads(self._hosts.fetch(f"{self._url}/api/v1/{kind}?{asked}"))
        return list(answer["data"]["result"])

    def value(self, promql: str) -> float | None:
        found = self.query(promql)
        return float(found[0]["value"][1]) if found else None


@contextlib.contextmanager
def prometheus_on_hub(hosts: Hosts, folder: Path, addresses: Sequence[str]) -> Iterator[HubPrometheus]:
    """It takes what is sent to it as well, also of two days ago."""
    listen = f"{hosts.hub}:{free_port()}"
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 400ms}\n"
        "scrape_configs:\n  - job_name: rli-agent\n    honor_labels: true\n"
        f"    static_configs: [{{targets: {json.dumps(list(addresses))}}}]\n"
        "storage: {tsdb: {out_of_order_time_window: 2d}}\n"
    )
    command = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={listen}", "--web.enable-remote-write-receiver",
    ]  # fmt: skip
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(hosts.on("hub", command), stdout=out, stderr=out)
    prometheus = HubPrometheus(hosts, f"http://{listen}")
    try:
        wait_for(lambda: prometheus.value("vector(1)"), log.read_text)
        yield prometheus
    finally:
        process.terminate()
        process.wait(30)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
