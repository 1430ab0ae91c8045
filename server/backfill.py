"""What is older than a running Prometheus takes, brought into its data as blocks.

Facts (promtool 2.42 and 3.x): `create-blocks-from openmetrics` drops samples out of order without a word, so what it
made is held against what it was given. Prometheus looks for new blocks once a minute, and deletes those that are older
than its retention.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.export.openmetrics import Written, write_openmetrics
from rli_agent.publish.naming import RunLabels
from rli_agent.server.configure.settings import hours
from rli_agent.server.files import make_folder, write_whole
from rli_agent.server.launch import Launch
from rli_agent.server.places import Places
from rli_agent.server.receiver import takes_back
from rli_agent.server.supervise.state import read_state
from rli_agent.server.targets import JOB
from rli_agent.terminal import many

#: Seconds before now whose samples a Prometheus has in memory: blocks of that time would be in its way.
RECENT = 3 * 3600.0
#: Seconds at the far end of the window within which samples are sent; those that a watch leaves out are older.
MARGIN = 3600.0
#: How long a block is; of the shortest, two hours, a run of weeks would be hundreds.
BLOCK = "24h"
#: Where a scrape finds an agent that says nothing else.
INSTANCE = "127.0.0.1:9092"
_DONE = ".rli-agent.backfilled"

Say = Callable[[str], None]


class PlacedLabels(RunLabels, frozen=True):
    """A run's labels, and those that a scrape gives to its series."""

    job: str = ""
    instance: str = ""


class Source(Struct, frozen=True):
    """What is to be brought: a run's store, the run's labels and the first word of its native metrics."""

    store: Path
    labels: RunLabels
    namespace: str


def placed(places: Places, labels: RunLabels, job: str | None, instance: str | None) -> PlacedLabels:
    """The labels as the stack's scrape gives them: `instance` is where it finds the agent that watches this run, if
    one does."""
    found = instance or _instance(places, labels.run) or INSTANCE
    own = {name: getattr(labels, name) for name in labels.__struct_fields__}
    return PlacedLabels(**own, job=job or JOB, instance=found)


def into_stack(places: Places, source: Source, say: Say) -> None:
    """Bring what is older than the window of the stack's Prometheus into its data. Raises UserError."""
    launch = _launched(places)
    now = time.time()
    window = takes_back(places.config / "prometheus.yml")
    data = Path(launch.data)
    with tempfile.TemporaryDirectory(prefix=".backfill-", dir=data.parent) as folder:
        written, blocks = _make(source, now - max(window - MARGIN, RECENT), Path(folder), _promtool(launch.command[0]))
        if not written.samples:
            say(f"nothing of this run is older than the {window / 86_400:g} days that a watch sends by itself")
            return
        _check_retention(launch, written, now)
        done = data / _DONE / f"{source.labels.run}.json"
        told = json.dumps([written.samples, written.series, written.first, written.last])
        if done.exists() and done.read_text() == told:
            say("this run was brought there before; nothing is new")
            return
        for block in blocks:
            shutil.move(block, data / block.name)
        make_folder(done.parent)
        write_whole(done, told)
    say(f"{_said(written, blocks)}; Prometheus shows them within a minute")


def into_folder(folder: Path, source: Source, say: Say) -> None:
    """Make blocks for another Prometheus, of all but the last hours. Raises UserError."""
    make_folder(folder)
    with tempfile.TemporaryDirectory(prefix=".backfill-", dir=folder) as scratch:
        written, blocks = _make(source, time.time() - RECENT, Path(scratch), _promtool("prometheus"))
        for block in blocks:
            shutil.move(block, folder / block.name)
    if not written.samples:
        say("nothing of this run is older than three hours")
        return
    say(f"{_said(written, blocks)}; move them into the data directory of a Prometheus, which may run")


def _make(source: Source, before: float, folder: Path, promtool: Path) -> tuple[Written, list[Path]]:
    """Blocks of all that is older than `before`, in a directory in `folder`."""
    text, made = folder / "run.om", folder / "blocks"
    try:
        with text.open("w", encoding="utf-8") as out:
            written = write_openmetrics(
                source.store, source.labels, out, namespace=source.namespace, before=before, scratch=folder
            )
    except OSError as e:
        raise UserError(f"{text} cannot be written: {e.strerror or e}", "make room") from None
    if not written.samples:
        return written, []
    line = [promtool, "tsdb", "create-blocks-from", f"--max-block-duration={BLOCK}", "openmetrics", text, made]
    words = [str(word) for word in line]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    blocks = sorted(path for path in made.iterdir() if (path / "meta.json").is_file()) if made.is_dir() else []
    kept = sum(json.loads((block / "meta.json").read_text())["stats"]["numSamples"] for block in blocks)
    if done.returncode or kept != written.samples:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:300]
        raise UserError(f"{promtool} made blocks of {kept:,} of {written.samples:,} samples; it said: {said}")
    return written, blocks


def _launched(places: Places) -> Launch:
    state = read_state(places.state)
    service = state.services.get("prometheus") if state is not None else None
    if service is None or not Path(service.launch.data).is_dir():
        mend = "rli-agent server start --detach first; or make blocks for another Prometheus with --blocks DIR"
        raise UserError(f"no Prometheus of the stack in {places.root} was ever started", mend)
    return service.launch


def _promtool(prometheus: str) -> Path:
    """The one that belongs to this Prometheus, or any."""
    beside = Path(prometheus).resolve().with_name("promtool")
    found = beside if beside.is_file() else shutil.which("promtool")
    if found is None:
        raise UserError("there is no promtool", "it comes with Prometheus: rli-agent server install --only prometheus")
    return Path(found)


def _check_retention(launch: Launch, written: Written, now: float) -> None:
    """What Prometheus would delete at once is not brought to it."""
    keeps = launch.retention or "15d"
    if written.first is not None and written.first < now - hours(keeps) * 3600:
        days = int((now - written.first) / 86_400) + 2
        raise UserError(
            f"Prometheus keeps {keeps} and would delete what is older: this run goes back to {_date(written.first)}",
            f"set `prometheus: {{retention: {days}d}}` in server.yaml, and rli-agent server restart",
        )


def _instance(places: Places, run: str) -> str | None:
    """Where the agent of this run is scraped now."""
    for file in places.targets.glob("*.json"):
        try:
            groups = json.loads(file.read_text())
            found = [group["targets"][0] for group in groups if group["labels"].get("run") == run]
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue
        if found and "engines" not in file.name:
            return str(found[0])
    return None


def _said(written: Written, blocks: list[Path]) -> str:
    first, last = (_date(at) for at in (written.first or 0.0, written.last or 0.0))
    what = f"{written.samples:,} samples of {written.series:,} series"
    return f"{what} in {many(len(blocks), 'block')}, {first} to {last}"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
