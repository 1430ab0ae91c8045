"""A run that a user names, by its directory, its files, its id or its store: opened to be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import tzinfo
from pathlib import Path

from msgspec import Struct

from rli_agent.asking.ask import Asked, only_run, store_of, why_unread
from rli_agent.errors import UserError
from rli_agent.options import WatchOptions
from rli_agent.publish.naming import RunLabels, labels_of
from rli_agent.store.connection import read_only
from rli_agent.store.location import state_dir
from rli_agent.store.lookup import tells_nothing
from rli_agent.store.registry import store_path


class OpenedRun(Struct, frozen=True):
    """A run whose `store` can be read. `root`: where it writes, or wrote. `asked`: how its logs are read; None where
    only the store was named."""

    name: str
    root: Path
    store: Path
    labels: RunLabels
    watched: bool
    asked: Asked | None = None

    def why_empty(self) -> str | None:
        """Why nothing of the run could be read; None where something was. Raises StoreError."""
        with closing(read_only(self.store)) as db:
            if not tells_nothing(db):
                return None
        return why_unread(self.asked)[0] if self.asked is not None else f"{self.store} holds nothing yet"


@contextmanager
def opened(options: WatchOptions, zone: tzinfo) -> Iterator[OpenedRun]:
    """The run that `options.paths` name: a store or a run's id is taken as it is, of a directory or log files all is
    read by now. Raises UserError."""
    store = _stored(options)
    if store is not None:
        yield _of_store(store, options)
        return
    run = only_run(options)
    with store_of(run, zone) as (path, watched):
        found = run.scan().run
        told = _told(path)
        labels = labels_of(found, run.store.parent.name, options.project, options.experiment, told=told)
        yield OpenedRun(found.name, found.root, path, labels, watched, run)


def _stored(options: WatchOptions) -> Path | None:
    """The store that is named, by its path or by its run's id."""
    if len(options.paths) != 1:
        return None
    named = options.paths[0]
    if named.suffix == ".sqlite" and named.is_file():
        return named
    home, _ = state_dir(options.state_dir, Path.home())
    known = store_path(home, named.name)
    return known if not named.exists() and named.parent == Path() and known.is_file() else None


def _of_store(store: Path, options: WatchOptions) -> OpenedRun:
    with closing(read_only(store)) as db:
        row = db.execute("SELECT run, root FROM runs").fetchone()
    if row is None:
        raise UserError(f"{store} is not the store of a run", "name a run's output directory")
    root, facts = Path(row[1]), _told(store)
    name = root.name or row[0]
    labels = RunLabels(
        options.project or facts.get("project", name), options.experiment or facts.get("experiment", name), row[0],
        facts.get("framework", "unknown"),
    )  # fmt: skip
    return OpenedRun(name, root, store, labels, watched=False)


def _told(store: Path) -> dict[str, str]:
    """What the run says of itself."""
    with closing(read_only(store)) as db:
        return dict(db.execute("SELECT key, value FROM facts WHERE key IN ('project', 'experiment', 'framework')"))
