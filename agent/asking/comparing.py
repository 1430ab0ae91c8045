"""Two runs are found, read and compared."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from datetime import tzinfo
from pathlib import Path

from rli_agent.asking.opening import OpenedRun, opened
from rli_agent.compare.comparison import Compared, Comparison, Pair, compare
from rli_agent.errors import UserError
from rli_agent.logs.merged import text_files
from rli_agent.options import WatchOptions
from rli_agent.store.errors import explain


def compare_runs(a: WatchOptions, b: WatchOptions, zone: tzinfo) -> tuple[Comparison, list[Pair]]:
    """Compare two runs. Raises UserError."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(opened(options, zone)) for options in (a, b))
        for run, options in ((first, a), (second, b)):
            if (why := run.why_empty()) is not None:
                raise UserError(f"{options.paths[0]}: nothing to compare: {why}", "name a run's output directory")
        try:
            return compare(_compared(first), _compared(second), zone)
        except sqlite3.Error as error:
            raise UserError(str(explain(error, Path(first.store)))) from None


def _compared(run: OpenedRun) -> Compared:
    if run.asked is None:
        return Compared(run.name, run.store, run.watched)
    scan = run.asked.scan()
    return Compared(run.name, run.store, run.watched, text_files(scan), scan.configs)
