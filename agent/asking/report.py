"""A run's report: the run is found and read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from rli_agent.asking.ask import only_run, store_of, unread
from rli_agent.errors import UserError
from rli_agent.options import WatchOptions
from rli_agent.report.contents import Contents, answered, gather
from rli_agent.report.rollouts import Rollouts, some_rollouts
from rli_agent.rollouts.records import rollout_files
from rli_agent.traces.reading import read_traces


def contents_of(
    options: WatchOptions, zone: tzinfo, with_rollouts: bool, traces: Sequence[Path] = ()
) -> tuple[Contents, Rollouts | None]:
    """What is told of the run: from its store where an agent watches it, else from its logs. A store's file may stand
    for the run's directory. Raises UserError."""
    path, traced = options.paths[0], read_traces(traces)
    if len(options.paths) == 1 and path.suffix == ".sqlite" and path.is_file():
        return gather(path, answered(path, False, zone), zone, traced), None
    run = only_run(options)
    with store_of(run, zone) as (store, watched):
        answer = answered(store, watched, zone)
        found = gather(store, answer, zone, traced)
        if answer.health == "Unknown" and not (found.charts or found.timeline or found.problems):
            hint = "name the run's output directory, or its log files; nothing was written"
            raise UserError(unread(answer, run).answer, hint)
    if not with_rollouts:
        return found, None
    return found, some_rollouts(rollout_files(run.scan(), run.book))
