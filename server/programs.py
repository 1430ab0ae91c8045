"""The programs of the stack: what each is called, which versions serve, and how it is talked to."""

from __future__ import annotations

from msgspec import Struct

from rli_agent.server.version import Version


class Program(Struct, frozen=True):
    """`minimum`: the oldest version that does what the stack needs. `reference`, `current`: what `server install` and
    `server install --set current` bring. `binaries`: names of the executable, the preferred first. `inside`: where in
    an unpacked archive it may lie. `system`: folders where packages put it, beside PATH. `ready`: the path that answers
    200 once the program serves. `patience`: seconds that it may take to end after SIGTERM. `optional`: part of the
    stack only where it is asked for."""

    name: str
    title: str
    minimum: Version
    reference: Version
    current: Version
    binaries: tuple[str, ...]
    inside: tuple[str, ...]
    system: tuple[str, ...]
    ready: str
    patience: float
    optional: bool = False


PROMETHEUS = Program(
    "prometheus", "Prometheus", Version(2, 30, 0), Version(2, 54, 1), Version(3, 5, 5),
    ("prometheus",), ("", "*"), ("/usr/bin", "/usr/local/bin", "/opt/prometheus"), "/-/ready", 30.0,
)  # fmt: skip
# Tempo 3.0.3 ends in 5 s as we configure it, and does not end at all where it was searched in the last seconds: its
# query frontend waits for jobs that nobody takes any more. It loses nothing when it is killed (tried with both majors).
TEMPO = Program(
    "tempo", "Tempo", Version(2, 0, 0), Version(2, 6, 1), Version(3, 0, 3),
    ("tempo",), ("", "*"), ("/usr/bin", "/usr/local/bin", "/opt/tempo"), "/ready", 20.0,
)  # fmt: skip
GRAFANA = Program(
    "grafana", "Grafana", Version(13, 0, 0), Version(13, 0, 0), Version(13, 2, 2),
    ("grafana", "grafana-server"), ("*/bin", "bin"),
    ("/usr/share/grafana/bin", "/usr/sbin", "/opt/grafana/bin"), "/api/health", 30.0,
)  # fmt: skip
ALERTMANAGER = Program(
    "alertmanager", "Alertmanager", Version(0, 22, 0), Version(0, 27, 0), Version(0, 34, 0),
    ("alertmanager", "prometheus-alertmanager"), ("", "*"), ("/usr/bin", "/usr/local/bin", "/opt/alertmanager"),
    "/-/ready", 15.0, True,
)  # fmt: skip

#: In the order in which they start.
PROGRAMS: tuple[Program, ...] = (PROMETHEUS, TEMPO, GRAFANA, ALERTMANAGER)
NAMES: tuple[str, ...] = tuple(p.name for p in PROGRAMS)


def program(name: str) -> Program:
    return next(p for p in PROGRAMS if p.name == name)
