"""What `rli-agent watch` was asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from msgspec import Struct

from rli_agent.discover.nodes import Nodes
from rli_agent.publish.naming import NAMESPACE


class WatchOptions(Struct):
    """paths: the run's places. framework: its pack's name; None = detected. rules: more packs. engines: pages of
    metrics to ask, beside those of the servers that the run's files name. project, experiment: labels; None = what the
    run says.

    listen: where /metrics is served; None = the default port or the next free one. start: where reading begins
    (`--from`). once: read all that is there and end. state_dir: where stores are kept. namespace: prefix of native
    metrics. one_run: all that lies below the path is one run, whatever it looks like. tee: pass on what comes from
    standard input (a path `-`). keep: bounds on what a store holds, as `store.keep` reads them. run_id: what the run is
    called; None = after its directory. nodes: those of a run that has an agent on each.

    otlp_endpoint: where spans go, laid out as `span_layout` says, with the headers in `otlp_headers_file`.
    remote_write: where figures go (`none`: nowhere, also not to this machine's own Prometheus): all that a scrape would
    show every `remote_write_interval` seconds, or the history alone (`remote_write_mode`), with labels NAME=VALUE, the
    headers in a file, and certificates.

    alerts: the file that says whom the agent tells. detectors: files that change detectors of learning failures, or add
    some. private: nobody is told of anything. status_md: seconds between two entries in `status_file` (None: STATUS.md
    in the run's directory). no_host: the machine's own figures are not shown. launched: when the agent started the run
    itself (Unix seconds)."""

    paths: list[Path]
    framework: str | None = None
    rules: list[Path] = []
    engines: list[str] = []
    project: str | None = None
    experiment: str | None = None
    listen: str | None = None
    start: Literal["start", "end", "checkpoint"] = "checkpoint"
    once: bool = False
    state_dir: Path | None = None
    namespace: str = NAMESPACE
    log_level: str = "INFO"
    otlp_endpoint: str | None = None
    otlp_headers_file: Path | None = None
    span_layout: Literal["auto", "step", "flat"] = "auto"
    alerts: Path | None = None
    one_run: bool = False
    tee: bool = False
    keep: list[str] = []
    detectors: list[Path] = []
    private: bool = False
    status_md: float | None = None
    status_file: Path | None = None
    launched: float | None = None
    no_host: bool = False
    run_id: str | None = None
    nodes: Nodes = Nodes()
    remote_write: str | None = None
    remote_write_mode: Literal["all", "history"] = "all"
    remote_write_interval: float = 15.0
    remote_write_labels: list[str] = []
    remote_write_headers_file: Path | None = None
    remote_write_ca: Path | None = None
    remote_write_cert: Path | None = None
