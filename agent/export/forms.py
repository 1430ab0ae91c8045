"""The forms in which a run can be had."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from rli_agent.errors import UserError
from rli_agent.export.chrome_trace import write_chrome_trace
from rli_agent.export.csv_files import write_csv, write_wide
from rli_agent.export.files import STANDARD_OUTPUT, new_directory, new_file
from rli_agent.export.openmetrics import write_openmetrics
from rli_agent.export.parquet_files import write_parquet
from rli_agent.publish.naming import NAMESPACE, RunLabels
from rli_agent.store.connection import read_only
from rli_agent.store.errors import explain


class Export(Struct, frozen=True):
    """What is to be had of a run, and where. path: None for a name like the run's, here. force: what is there is
    written over. wide: the metrics also as a table of step × metric. namespace: prefix of native metrics."""

    store: Path
    run: RunLabels
    name: str
    path: Path | None = None
    force: bool = False
    wide: bool = False
    namespace: str = NAMESPACE

    def target(self, suffix: str) -> Path:
        """Where it goes."""
        return self.path if self.path is not None else Path(f"{self.name}{suffix}")


def to_csv(export: Export) -> list[str]:
    """What was written, a sentence a line. Raises UserError, StoreError."""
    target = _directory(export, "-csv")
    with _reading(export.store) as (db, scratch), new_directory(target, export.force) as folder:
        said = _counted(target, write_csv(db, folder))
        if export.wide:
            steps, series = write_wide(db, folder, scratch / "wide.sqlite")
            said.append(f"{target / 'wide.csv'}: {steps:,} steps × {series:,} metrics")
        return said


def to_parquet(export: Export) -> list[str]:
    """The same."""
    target = _directory(export, "-parquet")
    with _reading(export.store) as (db, _), new_directory(target, export.force) as folder:
        return _counted(target, write_parquet(db, folder))


def to_perfetto(export: Export) -> list[str]:
    """The same."""
    target = export.target(".trace.json")
    with (
        _reading(export.store) as (db, scratch),
        new_file(target, export.force) as path,
        path.open("w", encoding="utf-8") as out,
    ):
        written = write_chrome_trace(db, export.run, out, scratch / "slices.sqlite")
        counts = ", ".join(f"{count:,} {kind}" for kind, count in written.items() if count)
        return [f"{target}: {counts or 'nothing'}; open it at https://ui.perfetto.dev (it stays in your browser)"]


def to_openmetrics(export: Export) -> list[str]:
    """The same."""
    target = export.target(".om")
    with new_file(target, export.force) as path, path.open("w", encoding="utf-8") as out:
        done = write_openmetrics(export.store, export.run, out, namespace=export.namespace)
    said = [f"{target}: {done.samples:,} samples of {done.series:,} series"]
    if done.replaced:
        said.append(f"{done.replaced:,} more were left out: a later one of the same series has the same time")
    if done.dropped:
        said.append(f"{done.dropped:,} series beyond the limit were left out")
    return said


FORMS: dict[str, Callable[[Export], list[str]]] = {
    "csv": to_csv, "parquet": to_parquet, "perfetto": to_perfetto, "openmetrics": to_openmetrics,
}  # fmt: skip


def _directory(export: Export, suffix: str) -> Path:
    target = export.target(suffix)
    if target == STANDARD_OUTPUT:
        raise UserError("several tables do not go into standard output", "give a directory in -o")
    return target


def _counted(target: Path, written: dict[str, int]) -> list[str]:
    tables = ", ".join(f"{name} {count:,}" for name, count in written.items() if count)
    return [f"{target}: {tables or 'tables without a row'}"]


@contextmanager
def _reading(store: Path) -> Iterator[tuple[sqlite3.Connection, Path]]:
    """The store, and a directory that is gone afterwards."""
    with (
        closing(read_only(store)) as db,
        tempfile.TemporaryDirectory(prefix="rli-agent-", ignore_cleanup_errors=True) as scratch,
    ):
        try:
            yield db, Path(scratch)
        except sqlite3.Error as error:
            raise explain(error, store) from error
