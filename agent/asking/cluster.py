"""`rli-agent watch --cluster`: which node reads which files of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rli_agent.discover import Found
from rli_agent.errors import UserError
from rli_agent.follow.filesystems import file_system_type
from rli_agent.options import WatchOptions
from rli_agent.parsing import discover, refuse_several
from rli_agent.rulebook import Rulebook
from rli_agent.store.location import state_dir
from rli_agent.store.registry import run_at


def who_reads_what(options: WatchOptions) -> Iterator[str]:
    """Lines for people; the same on every node that sees these files. Raises UserError."""
    book = Rulebook([p for p in options.paths if p.is_dir()], options.rules)
    if not options.run_id and not options.one_run:
        refuse_several(options.paths, book)
    scan = discover(options.paths, book, options.framework)
    nodes, owners = options.nodes, options.nodes.owners(scan)
    if not scan.found:
        raise UserError(f"{scan.run.root}: no file to read yet", "ask again once the run has begun to write")
    run = options.run_id or run_at(state_dir(options.state_dir, Path.home())[0], scan.run.root)
    shared = nodes.shared(scan.run.root)
    how = "shared, each is read by one node" if shared else "a node's own, each node reads all that it has"
    said = {"auto": file_system_type(scan.run.root) or "unknown file system"}.get(nodes.files, "as --files says")
    yield f"run {run}: {len(scan.found)} files ({how}: {said})"
    for node in nodes.names or (nodes.own,):
        files = [f for f in scan.found if owners.get(f.source.file, "") in (node or None, None)]
        marks = ["this one"] * (node == nodes.own) + ["steps, life, messages"] * (node == next(iter(nodes.names), node))
        yield f"{node or 'this agent'} ({', '.join(marks)}): {len(files)} files".replace(" ()", "")
        if shared or node == nodes.own:
            yield from _by_role(files)
    left = len(scan.found) - len(owners)
    if left:
        yield f"nobody, as --role says: {left} files"


def _by_role(files: list[Found]) -> Iterator[str]:
    roles: dict[str, list[str]] = {}
    for found in files:
        roles.setdefault(found.source.role, []).append(found.source.file)
    for role, names in sorted(roles.items()):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"  {role}: {', '.join(names[:3])}{more}"
