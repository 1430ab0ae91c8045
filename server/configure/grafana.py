"""Grafana: its ini file, and what it finds when it starts: data sources, dashboards, an admin password.

Checked against Grafana's documentation, not run here. Nothing is fetched from elsewhere: no update checks, no news, no
plugins (since 11.3 it downloads some at start, and offline tries for ever).
"""

from __future__ import annotations

import configparser
import io
import secrets
from pathlib import Path
from typing import Any

import yaml

from rli_agent.errors import UserError
from rli_agent.server.configure.settings import GrafanaSettings
from rli_agent.server.files import write_whole
from rli_agent.server.locate import Installed
from rli_agent.server.places import Places

#: RL-Insight's uids: its dashboards show our data sources.
PROMETHEUS_UID, TEMPO_UID = "prometheus", "tempo"


def render_ini(settings: GrafanaSettings, bind: str, port: int, places: Places, data: Path) -> str:
    sections: dict[str, dict[str, Any]] = {
        "server": {"http_addr": bind, "http_port": port},
        "paths": {
            "data": data, "logs": data / "log", "plugins": data / "plugins",
            "provisioning": places.config / "provisioning",
        },
        "security": {"admin_user": "admin", "admin_password": f"$__file{{{places.password}}}", "allow_embedding": True},
        "users": {"allow_sign_up": False},
        "auth.anonymous": {"enabled": settings.anonymous, "org_role": "Viewer"},
        "analytics": {
            "reporting_enabled": False, "check_for_updates": False, "check_for_plugin_updates": False,
        },
        "plugins": {"preinstall_disabled": True},
        "news": {"news_feed_enabled": False},
    }  # fmt: skip
    for name, keys in settings.extra.items():
        sections[name] = {**sections.get(name, {}), **keys}
    ini = configparser.RawConfigParser()
    ini.optionxform = str  # type: ignore[assignment, method-assign]
    for name, keys in sections.items():
        ini[name] = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in keys.items()}
    text = io.StringIO()
    ini.write(text)
    return text.getvalue()


def render_provisioning(prometheus: str | None, tempo: str | None, dashboards: list[Path]) -> dict[str, str]:
    """The provisioning files by path. `prometheus`, `tempo`: their addresses, None where one does not run."""
    sources: list[dict[str, Any]] = []
    if prometheus is not None:
        sources.append(
            {
                "name": "Prometheus", "uid": PROMETHEUS_UID, "type": "prometheus", "access": "proxy",
                "url": prometheus, "isDefault": True, "jsonData": {"httpMethod": "POST", "timeInterval": "5s"},
            }
        )  # fmt: skip
    if tempo is not None:
        sources.append({"name": "Tempo", "uid": TEMPO_UID, "type": "tempo", "access": "proxy", "url": tempo})
    providers = [
        {
            "name": f"rli-agent-{number}", "type": "file", "disableDeletion": True, "allowUiUpdates": False,
            "updateIntervalSeconds": 10, "options": {"path": str(folder), "foldersFromFilesStructure": True},
        }
        for number, folder in enumerate(dashboards, 1)
    ]  # fmt: skip
    files = {"datasources": {"datasources": sources}, "dashboards": {"providers": providers}}
    return {
        # a `$` begins the name of a variable there
        f"{folder}/rli-agent.yaml": yaml.safe_dump({"apiVersion": 1, **what}, sort_keys=False).replace("$", "$$")
        for folder, what in files.items()
    }


def keep_password(path: Path) -> bool:
    """Make the admin's password where there is none: Grafana takes it at its first start. Whether it was made."""
    if path.exists():
        return False
    try:
        write_whole(path, secrets.token_urlsafe(18), mode=0o600)
    except OSError as e:
        raise UserError(f"{path} cannot be written: {e.strerror or e}") from None
    return True


def command(it: Installed, config: Path) -> list[str]:
    server = ["server"] if it.binary.name == "grafana" else []
    return [str(it.binary), *server, f"--config={config}", f"--homepath={it.home}"]
