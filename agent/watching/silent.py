"""What a watch says of files that give nothing: each once, those of one kind together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rli_agent.track import Track
from rli_agent.unread import Silence

#: Lines that a file has before it is said that nothing is read in it, where others give figures.
LINES = 200
#: Kinds of files that are named at a time.
MOST = 5


class SilentFiles:
    """Remembers what was said."""

    def __init__(self) -> None:
        self._told: set[Path] = set()

    def news(self, tracks: Iterable[Track], *, last: bool = False) -> list[str]:
        """What to say now. `last`: nothing more will be read, so that even a few lines without a figure count where no
        file gave anything."""
        tracks = list(tracks)
        least = 1 if last and not any(track.unread.told_anything for track in tracks) else LINES
        kinds: dict[tuple[str, str], list[tuple[Track, Silence]]] = {}
        for track in tracks:
            if track.found.path in self._told or track.found.problems_only:
                continue
            silence = track.unread.silence(LINES if track.unread.problems else least)
            if silence is not None:
                self._told.add(track.found.path)
                kinds.setdefault((track.source.role, track.found.note), []).append((track, silence))
        said = [_said(files) for files in kinds.values()]
        more = [f"and {len(said) - MOST} kinds of files more in which nothing is read"] if len(said) > MOST else []
        return said[:MOST] + more


def _said(files: Sequence[tuple[Track, Silence]]) -> str:
    track, silence = max(files, key=lambda f: f[1].lines)
    more = f" (and {len(files) - 1} more of its kind)" if len(files) > 1 else ""
    return f"{track.source.file}{more}: {silence.text}; see `rli-agent rules explain {track.found.path}`"
