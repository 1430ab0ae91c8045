"""A web server of archives in the vendors' layouts, a stack on ports of its own, and the command line of both."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from loopback import QuietHandler, free_ports, served
from msgspec import Struct, field

from rli_agent.cli import main
from rli_agent.server.ask import get_json
from rli_agent.server.install import fetch
from rli_agent.server.install.releases import architecture, release
from rli_agent.server.programs import program
from rli_agent.server.version import Version

#: Whatever else may be installed on the machine that runs the tests.
OURS = ("--prefer", "managed")


class Answer(Struct):
    """What a command said, and its exit status."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


Run = Callable[..., Answer]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is on PATH, in an environment without proxies."""
    for name in list(os.environ):
        if "proxy" in name.lower() or name.startswith(("OTEL_", "RLI_", "RL_INSIGHT_")):
            monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "bin"


@pytest.fixture
def server(root: Path, bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`server("install", "--only", "tempo")` runs the command on this test's own root."""
    del bare
    monkeypatch.setattr(fetch, "FIRST_PAUSE", 0.01)

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main(["server", *map(str, arguments), "--root", str(root)])
        said = capsys.readouterr()
        assert code != 70, said.err
        return Answer(code, said.out, said.err)

    return run


def script(says: str) -> bytes:
    return f"#!/bin/sh\necho '{says}'\n".encode()


def tar(files: Mapping[str, bytes | str]) -> bytes:
    """A .tar.gz: bytes are an executable file's content, text is where a symbolic link points."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.mode, member.size = 0o755, len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def name_of(name: str, version: str) -> str:
    """The archive's name as its vendor spells it."""
    it = release(program(name), Version(*map(int, version.split("."))), architecture())
    assert it is not None
    return it.archive


def packed(name: str, version: str, says: str | None = None, padding: int = 0) -> bytes:
    """A stand-in for a vendor's archive: its layout, with a script that tells its version as the program would."""
    if name == "grafana":
        top = f"grafana-{version}"
        return tar(
            {
                f"{top}/bin/grafana": script(says or f"grafana version {version}"),
                f"{top}/conf/defaults.ini": b"",
                f"{top}/public/index.html": b"",
            }
        )
    says = says or f"{name}, version {version} (branch: HEAD, revision: 0)"
    filling = {"LICENSE": os.urandom(padding)}
    if name == "tempo":
        return tar({"tempo": script(says), "tempo-cli": script(says), **filling})
    top = name_of(name, version).removesuffix(".tar.gz")
    files = {"prometheus": script(says), "promtool": script(says), "prometheus.yml": b"", **filling}
    return tar({f"{top}/{k}": v for k, v in files.items()})


class Mirror(Struct):
    """Files served over HTTP. `trouble`: by path, what goes wrong once for each entry, first one first: a status, or
    `cut:N` (the connection breaks off after N bytes). `asked`: paths with the Range header of each request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    trouble: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def offer(self, name: str, version: str, content: bytes | None = None, summed: bytes | None = None) -> str:
        """Serve an archive and its sum; the sum may be that of other bytes. Gives the archive's name."""
        content = packed(name, version) if content is None else content
        archive = name_of(name, version)
        self.files[f"/{archive}"] = content
        digest = hashlib.sha256(content if summed is None else summed).hexdigest()
        sums = self.files.get("/sha256sums.txt", b"")
        self.files["/sha256sums.txt"] = sums + f"{digest}  {archive}\n".encode()
        return archive


class _Handler(QuietHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        path = "/" + self.path.rpartition("/")[2]  # a proxy is asked for whole addresses
        mirror = self.mirror
        mirror.asked.append((path, self.headers.get("Range", "")))
        trouble = mirror.trouble.get(path, [])
        what = trouble.pop(0) if trouble else ""
        if what.isdecimal():
            self.send_error(int(what))
        elif path not in mirror.files:
            self.send_error(404)
        else:
            self._send(mirror.files[path], int(what.partition(":")[2]) if what else None)

    def _send(self, body: bytes, most: int | None) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
        if start >= len(body) > 0 and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][:most])


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    it = Mirror()
    with served(type("Handler", (_Handler,), {"mirror": it})) as port:
        it.url = f"http://127.0.0.1:{port}"
        yield it


def until(holds: Callable[[], Any], patience: float = 30.0) -> Any:
    """Wait for a condition."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.05)  # between two looks at the condition
    return pytest.fail(f"still not so after {patience:.0f} s")


class Stack:
    """A stack below a root of its own, on free ports, commanded as a user does it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names = ("prometheus", "tempo", "otlp", "grpc", "grafana", "alertmanager")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "RLI_AGENT_"))}
        root.mkdir(parents=True)
        self.configure()

    def configure(self, more: str = "") -> None:
        ports = self.ports
        (self.root / "server.yaml").write_text(
            f"prometheus: {{port: {ports['prometheus']}, scrape_interval: 1s}}\n"
            f"tempo: {{port: {ports['tempo']}, otlp_port: {ports['otlp']}, grpc_port: {ports['grpc']}}}\n"
            f"grafana: {{port: {ports['grafana']}}}\n"
            + (more if "alertmanager:" in more else f"alertmanager: {{port: {ports['alertmanager']}}}\n{more}")
        )

    def __call__(self, *arguments: object, patience: float = 120) -> Answer:
        command = [sys.executable, "-m", "rli_agent", "server", *map(str, arguments), "--root", str(self.root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience, env=self.environment)
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: object) -> Answer:
        said = self("start", "--detach", *(arguments or ("--only", "prometheus")))
        assert said.code == 0, said.all
        return said

    def status(self) -> tuple[int, dict[str, Any]]:
        said = self("status", "--json")
        report: dict[str, Any] = json.loads(said.out)
        return said.code, report

    def program(self, name: str = "prometheus") -> dict[str, Any]:
        return next(p for p in self.status()[1]["programs"] if p["name"] == name)

    def pids(self) -> list[int]:
        """Every process of this stack."""
        mine = str(self.root).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mine in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found

    def get(self, path: str, port: str = "prometheus") -> Any:
        return get_json("127.0.0.1", self.ports[port], path)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    it = Stack(tmp_path / "stack")
    yield it
    it("stop")
    for pid in it.pids():
        os.kill(pid, signal.SIGKILL)
