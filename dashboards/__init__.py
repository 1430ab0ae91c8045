"""Grafana dashboards as code: a module each, and their generated JSON in `json/`, which is what Grafana is given."""

from pathlib import Path

#: The generated JSON.
FOLDER = Path(__file__).parent / "json"
