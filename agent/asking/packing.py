"""A run's bundle: the run is found, read, cut and packed."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from contextlib import closing
from datetime import tzinfo
from importlib.metadata import version
from pathlib import Path

from rli_agent.answer.reader import StoreReader
from rli_agent.asking.opening import OpenedRun, opened
from rli_agent.bundle.archive import manifest, write
from rli_agent.bundle.contents import Cut, Material, Piece, gather
from rli_agent.bundle.redactor import Redactor
from rli_agent.errors import UserError
from rli_agent.export.files import new_file
from rli_agent.logs.merged import text_files
from rli_agent.options import WatchOptions
from rli_agent.printing import json_line
from rli_agent.rollouts.records import rollout_files
from rli_agent.rollouts.selecting import Wanted, select
from rli_agent.rollouts.showing import hit_object, selection_object
from rli_agent.store.errors import StoreError
from rli_agent.terminal import many

#: Rollouts that are taken, the worst and the best of the newest step.
_ROLLOUTS = 5


def pack(
    options: WatchOptions, zone: tzinfo, target: Path | None, *, with_prompts: bool, people: bool, most: int,
    force: bool,
) -> list[str]:  # fmt: skip
    """Write the bundle; what to tell of it, line by line, the answer first. Raises UserError."""
    now = time.time()
    try:
        with opened(options, zone) as run:
            material = _material(run, zone, with_prompts)
            redactor = Redactor(os.environ, people=people)
            pieces, cut = gather(material, redactor, with_prompts, most)
            about = {
                "run": run.labels.run, "made": now, "made_by": f"rli-agent {version('rli-agent')}",
                "with_prompts": with_prompts, "people_cut": people,
            }  # fmt: skip
            path = target if target is not None else Path(f"{run.name}-bundle.tar.gz")
    except (StoreError, sqlite3.Error) as error:
        raise UserError(str(error)) from None
    pieces.insert(0, Piece("manifest.json", manifest(pieces, cut, about), "what is in here, and what was cut"))
    folder = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz") or "bundle"
    with new_file(path, force) as part:
        size = write(part, folder, pieces, now)
    return _told(path, size, pieces, cut, with_prompts)


def _material(run: OpenedRun, zone: tzinfo, with_prompts: bool) -> Material:
    with closing(StoreReader(run.store, zone)) as reader:
        report = reader.report(time.time(), run.watched)
    versions = {
        "rli-agent": version("rli-agent"), "python": platform.python_version(), "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
    }  # fmt: skip
    if run.asked is None:
        return Material(run.store, run.labels, run.root, report, [], [], versions)
    scan = run.asked.scan()
    if not scan.found:  # logs in which nothing could be read are what a report may be about
        raise UserError(f"there is nothing to pack: {run.why_empty()}", "name the run's output directory")
    rollouts = None
    if with_prompts:
        try:
            found = select(rollout_files(scan, run.asked.book), Wanted(worst=_ROLLOUTS, best=_ROLLOUTS))
        except UserError:  # there are none
            pass
        else:
            told = [selection_object(found), *(hit_object(hit, True) for hit in (*found.worst, *found.best))]
            rollouts = "".join(json_line(one) + "\n" for one in told)
    return Material(run.store, run.labels, run.root, report, text_files(scan), scan.configs, versions, rollouts)


def _told(path: Path, size: int, pieces: list[Piece], cut: Cut, with_prompts: bool) -> list[str]:
    secrets = sum(cut.secrets.values())
    told = [f"{path}: {len(pieces)} files, {size / 1e3:,.0f} kB; {many(secrets, 'secret')} cut out"]
    width = max(len(piece.name) for piece in pieces)
    told += [f"  {piece.name:<{width}}  {len(piece.text):>9,}  {piece.about}" for piece in pieces]
    told += ["cut:"]
    told += [f"  {count} × {kind}" for kind, count in cut.secrets.items()]
    if with_prompts:
        told.append("  prompts and completions are in it, as --with-prompts says")
    else:
        told.append(f"  {cut.prompt_lines} lines that may be of prompts or completions")
        told.append(f"  {cut.prompt_texts} such texts in other lines")
    told += [f"  no room: {name}; --most gives more" for name in cut.without_room]
    told += [f"  not readable: {name}" for name in cut.unread]
    return [*told, f"look at it before you send it: tar xzf {path}"]
