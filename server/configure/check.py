"""Whether a program takes its configuration, asked of the program before it is started with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.server.locate import Installed
from rli_agent.terminal import plain

PATIENCE = 30.0
SHOWN = 10


def accepted(it: Installed, config: Path) -> None:
    """Raises UserError with what the program says of it. Grafana knows no such check; those of Prometheus and
    Alertmanager are programs of their own, which a package may lack."""
    if it.program == "prometheus":
        promtool = it.binary.resolve().with_name("promtool")
        file = config / "prometheus.yml"
        line = [str(promtool), "check", "config", str(file)] if promtool.is_file() else []
    elif it.program == "alertmanager":
        amtool = it.binary.resolve().with_name("amtool")
        file = config / "alertmanager.yml"
        line = [str(amtool), "check-config", str(file)] if amtool.is_file() else []
    elif it.program == "tempo":
        file = config / "tempo.yaml"
        line = [str(it.binary), f"-config.file={file}", "-config.verify=true"]
    else:
        line = []
    if not line:
        return
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return  # the start itself will tell
    if done.returncode != 0:
        text = (done.stdout + done.stderr).decode(errors="replace")
        said = [plain(line).strip()[:300] for line in text.splitlines() if line.strip()][-SHOWN:]
        raise UserError(
            f"{it.program} {it.version} refuses its configuration {file}:\n    " + "\n    ".join(said),
            f"fix `{it.program}: extra:` in server.yaml; nothing was started",
        )
