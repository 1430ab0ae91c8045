"""The newest look at each file: taken again where it has grown enough to tell more."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from msgspec import structs

from rli_agent.discover.look import ENDS, UNREADABLE, Look, Looker
from rli_agent.discover.tree import Entry, reader_of

#: So many files, the last changed ones, are looked at thoroughly.
MOST_RECENT = 200


class Looks:
    """Looks for the literals at the files of a run, again and again."""

    def __init__(self, literals: Iterable[str]) -> None:
        self._looker = Looker(literals)
        self.by_path: dict[str, Look] = {}

    def renew(self, entries: Sequence[Entry], unsure: Callable[[str], bool], skipped: dict[str, str]) -> None:
        """Look at what is new or has grown; forget what is not among the entries.

        unsure: whether more of a file's text could change what it is taken for. skipped takes what cannot be read.
        """
        recent = {e.path for e in heapq.nlargest(MOST_RECENT, entries, key=lambda e: e.mtime)}
        looks = {}
        for entry in entries:
            known = self.by_path.get(entry.path)
            unsettled = known is None or known.size == 0 or unsure(entry.path)
            if known is not None and (unsettled or entry.path in recent) and not entry.refresh():
                continue
            if known is None or _worth_another(known, entry, unsettled):
                try:
                    look = self._looker.look(entry.path, reader_of(entry.path), entry.path in recent)
                except FileNotFoundError:
                    continue
                except OSError as e:
                    skipped[entry.path] = f"{UNREADABLE}: {e.strerror or e}"
                    continue
                known = _with_earlier(look, known)
            looks[entry.path] = known
        self.by_path = looks


def _worth_another(known: Look, entry: Entry, unsettled: bool) -> bool:
    """Whether the file may tell more by now. One larger than what is read of it must have grown by a quarter."""
    if known.inode != entry.inode or entry.size < known.size:
        return True
    settled = known.refused is None and not unsettled and reader_of(entry.path) not in ("text", "history")
    if entry.size == known.size or settled:
        return False
    return entry.size < 2 * ENDS or entry.size * 4 > known.size * 5


def _with_earlier(look: Look, known: Look | None) -> Look:
    """What was seen of a growing file holds on, also when it is no longer near either end."""
    if known is None or known.inode != look.inode or look.size < known.size or known.hits <= look.hits:
        return look
    return structs.replace(look, hits=look.hits | known.hits)
