"""What the user may set: `server.yaml`. A key that is left out has the value that stands here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from rli_agent.errors import UserError
from rli_agent.parsers.typed_yaml import Document, TypedYamlError, read_typed

Port = Annotated[int, Meta(ge=1, le=65535)]
_DURATION = re.compile(r"(\d{1,6})(m|h|d|w|y)")
_HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0, "y": 8760.0}


class PrometheusSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """retention, retention_size: how much is kept (`30d`, `50GB`). arguments: more of its flags. extra: merged over its
    configuration: mappings by key, lists appended."""

    enabled: bool = True
    binary: str | None = None
    port: Port = 9090
    scrape_interval: str = "5s"
    retention: str = "30d"
    retention_size: str | None = None
    arguments: list[str] = []
    extra: dict[str, Any] = {}


class TempoSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """port: queries. otlp_port: takes spans by OTLP/HTTP. grpc_port: its own, always on the loopback."""

    enabled: bool = True
    binary: str | None = None
    port: Port = 3200
    otlp_port: Port = 4318
    grpc_port: Port = 9095
    retention: str = "30d"
    extra: dict[str, Any] = {}


class GrafanaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """anonymous: whoever reaches it may look without a login. dashboards: more folders of dashboards as JSON. extra:
    sections of its ini file."""

    enabled: bool = True
    binary: str | None = None
    port: Port = 3000
    anonymous: bool = False
    dashboards: list[str] = []
    extra: dict[str, dict[str, str | int | bool]] = {}


class AlertmanagerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """retention: how long it remembers what is over, and silences. extra: merged over its
    configuration: receivers, and the routes to them."""

    enabled: bool = False
    binary: str | None = None
    port: Port = 9093
    retention: str = "5d"
    extra: dict[str, Any] = {}


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """bind: the address at which all listen. data_dir: where the data lies, on a local disk; null: below the stack's
    root."""

    bind: str = "127.0.0.1"
    data_dir: str | None = None
    prometheus: PrometheusSettings = PrometheusSettings()
    tempo: TempoSettings = TempoSettings()
    grafana: GrafanaSettings = GrafanaSettings()
    alertmanager: AlertmanagerSettings = AlertmanagerSettings()


def load_settings(path: Path, *, optional: bool) -> Settings:
    """The settings of a file; the defaults where it is `optional` and not there. Raises UserError with file, line and
    column, and the nearest valid key."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if optional:
            return Settings()
        raise UserError(f"{path}: no such file", "give with --config a file that is there") from None
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"{path} cannot be read: {e}") from None
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return Settings()
    try:
        document = read_typed(text, str(path), Settings)
        _check(document)
    except TypedYamlError as e:
        raise UserError(str(e), "docs/server.md lists the keys; nothing was changed") from None
    return document.value


def hours(duration: str) -> float:
    """The hours of a duration like `30d`. Raises ValueError."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f"{duration!r} is not a duration; write it like 30d, 12h or 4w")
    return int(found[1]) * _HOURS[found[2]]


def _check(document: Document[Settings]) -> None:
    it = document.value
    for name, text in (
        ("prometheus", it.prometheus.retention), ("tempo", it.tempo.retention),
        ("alertmanager", it.alertmanager.retention),
    ):  # fmt: skip
        try:
            hours(text)
        except ValueError as e:
            raise document.error(f".{name}.retention", str(e)) from None
    used: dict[int, str] = {}
    for path, port in (
        (".prometheus.port", it.prometheus.port), (".tempo.port", it.tempo.port),
        (".tempo.otlp_port", it.tempo.otlp_port), (".tempo.grpc_port", it.tempo.grpc_port),
        (".grafana.port", it.grafana.port), (".alertmanager.port", it.alertmanager.port),
    ):  # fmt: skip
        if port in used:
            raise document.error(path, f"port {port} is that of {used[port][1:]} too")
        used[port] = path
