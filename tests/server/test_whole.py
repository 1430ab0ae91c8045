"""The whole way of a user: install from archives in the vendors' layouts, start, ask, stop, remove."""

from __future__ import annotations

import configparser
import json
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import Mirror, Stack, name_of, tar, until

#: What a Grafana or Tempo does as far as the stack sees it: tells its version, and answers that it is ready.
STAND_IN = f"""#!{sys.executable}
import configparser, http.server, json, sys
if sys.argv[1:] == ["--version"]:
    print("NAME version VERSION")
    sys.exit()
if "-config.verify=true" in sys.argv:
    sys.exit()
config = next(a for a in sys.argv if "config" in a).partition("=")[2]
if config.endswith(".ini"):
    ini = configparser.RawConfigParser()
    ini.read(config)
    port = ini.getint("server", "http_port")
else:
    import yaml
    port = yaml.safe_load(open(config))["server"]["http_listen_port"]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/ready", "/api/health") else 404)
        self.end_headers()
        self.wfile.write(json.dumps(sys.argv).encode())

http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def stand_in(name: str, version: str) -> bytes:
    return STAND_IN.replace("NAME", name).replace("VERSION", version).encode()


@pytest.fixture
def archives(mirror: Mirror) -> Mirror:
    top = name_of("prometheus", "2.42.0").removesuffix(".tar.gz")
    programs = {f"{top}/{n}": Path(f"/usr/bin/{n}").read_bytes() for n in ("prometheus", "promtool")}
    mirror.offer("prometheus", "2.42.0", tar(programs))
    mirror.offer("tempo", "2.6.1", tar({"tempo": stand_in("tempo", "2.6.1")}))
    top = "grafana-13.0.0"
    files = {f"{top}/bin/grafana": stand_in("grafana", "13.0.0"), f"{top}/conf/x.ini": b"", f"{top}/public/x": b""}
    mirror.offer("grafana", "13.0.0", tar(files))
    return mirror


@pytest.mark.real
def test_from_archives_to_a_running_stack_and_back(stack: Stack, archives: Mirror) -> None:
    exact = ("--prometheus-version", "2.42.0", "--prefer", "managed")
    said = stack("install", "--mirror", archives.url, *exact)
    assert said.code == 0, said.all

    said = stack.start("--config", stack.root / "server.yaml")
    for name in ("prometheus 2.42.0", "tempo 2.6.1", "grafana 13.0.0"):
        assert f"{name} is ready after " in said.out
    assert "all are ready" in said.out
    code, report = stack.status()
    assert (code, report["state"]) == (0, "ready")
    binaries = {p["name"]: Path(f"/proc/{p['pid']}/cmdline").read_bytes().decode() for p in report["programs"]}
    assert all(str(stack.root / "services" / name) in line for name, line in binaries.items())

    config = stack.root / "server" / "config"
    ini = configparser.RawConfigParser()
    ini.read(config / "grafana.ini")
    assert ini["server"]["http_addr"] == "127.0.0.1"
    assert ini["auth.anonymous"]["enabled"] == "false"
    password = stack.root / "server" / "grafana-password"
    assert ini["security"]["admin_password"] == f"$__file{{{password}}}"
    assert password.stat().st_mode & 0o777 == 0o600
    assert len(password.read_text()) >= 20
    assert password.read_text() not in said.all
    sources = yaml.safe_load((config / "provisioning" / "datasources" / "rli-agent.yaml").read_text())["datasources"]
    assert {s["uid"]: s["url"] for s in sources} == {
        "prometheus": f"http://127.0.0.1:{stack.ports['prometheus']}",
        "tempo": f"http://127.0.0.1:{stack.ports['tempo']}",
    }
    boards = yaml.safe_load((config / "provisioning" / "dashboards" / "rli-agent.yaml").read_text())["providers"]
    assert all(Path(p["options"]["path"]).is_dir() for p in boards)
    line = json.dumps(stack.get("/api/health", "grafana"))
    home = stack.root / "services" / "grafana" / "13.0.0" / "grafana-13.0.0"
    assert f"--homepath={home}" in line

    assert stack("stop").out.splitlines() == ["prometheus has ended", "tempo has ended", "grafana has ended"]
    assert stack("uninstall", "--yes").code == 0
    assert not any((stack.root / "services" / n).exists() for n in ("prometheus", "tempo", "grafana"))


@pytest.mark.real
def test_the_password_outlives_a_restart(stack: Stack, archives: Mirror) -> None:
    stack("install", "--mirror", archives.url, "--only", "grafana", "--prefer", "managed")
    password = stack.root / "server" / "grafana-password"
    stack.start("--only", "grafana")
    first = password.read_text()
    stack("restart")
    assert password.read_text() == first
    until(lambda: stack.program("grafana")["ready"])


@pytest.mark.real
def test_a_port_for_grafana_alone_is_taken_and_nothing_is_started(stack: Stack, archives: Mirror) -> None:
    stack("install", "--mirror", archives.url, "--prometheus-version", "2.42.0", "--prefer", "managed")
    stack.ports["grafana"] = int(archives.url.rpartition(":")[2])  # the mirror listens there
    stack.configure()
    said = stack("start", "--detach")
    assert said.code == 2
    assert f"grafana cannot listen at 127.0.0.1:{stack.ports['grafana']}: the port is taken by process " in said.err
    assert "nothing was started" in said.err
    assert stack.pids() == []
