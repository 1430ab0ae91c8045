"""TRL's tables of completions (parquet) as the records of rollouts that they would be in JSON.

Source: TRL 0.17 to 1.9, GRPOTrainer and RLOOTrainer with `log_completions`: one file a logged step, with the columns
step, prompt, completion, advantage, one for each reward function, and what `log_extra` adds. pyarrow reads them, where
it is installed: it is large, and few need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from rli_agent.events import Event, Samples
from rli_agent.parsers.record_parser import RecordParser

#: What a table begins and ends with.
MAGIC = b"PAR1"
#: Bytes that a table may have when it is unpacked.
LARGEST = 512 << 20
#: Columns of numbers that are no rewards.
_NO_REWARDS = frozenset({"step", "advantage", "global_step", "epoch"})


def whole(data: bytes, at: int, offset: int) -> tuple[int, int]:
    """A table is whole when its end is there; a `Framing` of follow/cursor.py."""
    del offset
    body = data[at:]
    ended = len(body) > 2 * len(MAGIC) and body.startswith(MAGIC) and body.endswith(MAGIC)
    return (len(data), 1) if ended else (len(data) + 1, 1)


def rows(data: bytes) -> Iterator[bytes]:
    """The rows of a table as JSON objects; the rewards of its functions stand under `rewards`.

    Raises ValueError for what is no such table, or too large, and ImportError without pyarrow.
    """
    import pyarrow  # here: it takes a quarter of a second and 40 MB
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        groups = range(file.metadata.num_row_groups)
        if sum(file.metadata.row_group(i).total_byte_size for i in groups) > LARGEST:
            raise ValueError(f"unpacked it has more than {LARGEST >> 20} MiB")
        numbers = {field.name for field in file.schema_arrow if pyarrow.types.is_floating(field.type)} - _NO_REWARDS
        for batch in file.iter_batches(batch_size=256):
            for row in batch.to_pylist():
                yield _record(row, numbers)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(str(error)) from None


def _record(row: dict[str, Any], numbers: set[str]) -> bytes:
    rewards = {name: value for name, value in row.items() if name in numbers and value is not None}
    kept = {name: value for name, value in row.items() if name not in numbers}
    return msgspec.json.encode(kept | {"rewards": rewards}, enc_hook=str)


class TableParser(RecordParser):
    """Reads one table. Its rows give no figures of their own: their means are those of the console."""

    def feed(self, data: bytes, offset: int, line: int, now: float | None = None) -> list[Event]:
        """Read a whole table; a row counts as a line."""
        events: list[Event] = []
        try:
            for row in rows(data):
                events += super().feed(row, offset, line, now)
                line += 1
        except (ValueError, ImportError):
            self.state.broken += 1
        return [event for event in events if not isinstance(event, Samples)]
