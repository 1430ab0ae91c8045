"""An Alertmanager in the stack: asked for, told of Prometheus' alerts, and known to every command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Mirror, Run, Stack, name_of, tar, until

FIRING = """
groups:
  - name: always
    rules:
      - {alert: AlwaysFiring, expr: vector(1), labels: {run: maths}}
"""


def archive(mirror: Mirror, version: str, program: bytes) -> None:
    top = name_of("alertmanager", version).removesuffix(".tar.gz")
    mirror.offer("alertmanager", version, tar({f"{top}/alertmanager": program, f"{top}/amtool": program}))


def test_it_is_installed_only_where_it_is_asked_for(server: Run, mirror: Mirror) -> None:
    archive(mirror, "0.27.0", b"#!/bin/sh\necho 'alertmanager, version 0.27.0'\n")
    assert "alertmanager" not in server("install", "--dry-run").out
    said = server("install", "--only", "alertmanager", "--mirror", mirror.url, "--prefer", "managed")
    assert said.code == 0, said.all
    assert "alertmanager: 0.27.0 is installed" in said.out
    assert "ready to start: alertmanager" in said.out
    assert "alertmanager 0.27.0" in server("doctor").out
    said = server("uninstall", "--yes")
    assert "services/alertmanager/0.27.0" in said.out


def test_one_that_is_missing_ends_the_start(stack: Stack) -> None:
    stack.configure(f"alertmanager: {{binary: {stack.root}/gone}}\n")
    said = stack("start", "--detach", "--with", "alertmanager")
    assert said.code != 0
    assert "Alertmanager cannot be started" in said.err
    assert "server install --only alertmanager" in said.all
    assert stack.pids() == []


@pytest.mark.real
def test_prometheus_tells_it_of_alerts(stack: Stack, tmp_path: Path) -> None:
    rules = tmp_path / "always.yml"
    rules.write_text(FIRING)
    (stack.root / "server.yaml").write_text(
        f"prometheus: {{port: {stack.ports['prometheus']}, scrape_interval: 1s, extra: {{rule_files: [{rules}]}},\n"
        "  arguments: [--rules.alert.resend-delay=1s]}\n"
        f"alertmanager: {{port: {stack.ports['alertmanager']}}}\n"
    )
    said = stack.start("--only", "prometheus", "--with", "alertmanager")
    assert "alertmanager 0." in said.out
    code, report = stack.status()
    assert (code, [p["name"] for p in report["programs"]]) == (0, ["prometheus", "alertmanager"])
    assert stack.program("alertmanager")["retention"] == "5d"

    def alerts() -> Any:
        return stack.get("/api/v2/alerts", "alertmanager")

    found = until(lambda: [a for a in alerts() or [] if a["labels"]["alertname"] == "AlwaysFiring"])
    assert found[0]["labels"]["run"] == "maths"
    assert stack("restart").code == 0
    assert stack.program("alertmanager")["ready"], "restart knows how it was started"
    assert "alertmanager has ended" in stack("stop").out


@pytest.mark.real
def test_a_configuration_that_it_refuses_ends_the_start(stack: Stack) -> None:
    stack.configure(
        f"alertmanager: {{enabled: true, port: {stack.ports['alertmanager']}, extra: {{route: {{receiver: gone}}}}}}\n"
    )
    said = stack("start", "--detach")
    assert said.code != 0
    assert "alertmanager" in said.err
    assert "gone" in said.err
    assert "fix `alertmanager: extra:` in server.yaml" in said.all
    assert stack.pids() == []
