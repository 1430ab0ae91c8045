"""A run as Parquet files, one a table."""

from __future__ import annotations

import sqlite3
from itertools import islice
from pathlib import Path

from rli_agent.errors import UserError
from rli_agent.export.tables import TABLES

#: Rows of a row group: what is in memory at once.
_AT_ONCE = 50_000


def write_parquet(db: sqlite3.Connection, folder: Path) -> dict[str, int]:
    """Write every table into `folder`; how many rows each has. Raises UserError where pyarrow is missing, OSError and
    sqlite3.Error."""
    try:
        import pyarrow  # here: it is heavy, and optional
        from pyarrow import parquet
    except ImportError:
        raise UserError("Parquet needs pyarrow", "pip install 'rli-agent[parquet]', or --to csv") from None
    kinds = {"text": pyarrow.string(), "integer": pyarrow.int64(), "number": pyarrow.float64()}
    written = {}
    for table in TABLES:
        count = 0
        schema = pyarrow.schema([(name, kinds[kind]) for name, kind in table.columns])
        with parquet.ParquetWriter(folder / f"{table.name}.parquet", schema, compression="zstd") as writer:
            rows = table.rows(db)
            while batch := list(islice(rows, _AT_ONCE)):
                cells = zip(*batch, strict=True)
                columns = [pyarrow.array(of, type=field.type) for of, field in zip(cells, schema, strict=True)]
                writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
                count += len(batch)
        written[table.name] = count
    return written
