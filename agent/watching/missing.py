"""The end of which no log tells: the run's trainers on this machine are gone while steps are left."""

from __future__ import annotations

import time
from pathlib import Path

from rli_agent.events import Problem
from rli_agent.keeping import Keeper
from rli_agent.life.outcome import LAUNCHER
from rli_agent.life.state import ENDS, LifeState
from rli_agent.life.wording import short_of
from rli_agent.machine.trainers import Trainers


class Missing:
    """Notices it, and keeps it as a problem: what ends the run is that silence follows, for on other machines it may
    go on."""

    def __init__(self, root: Path, keeper: Keeper) -> None:
        self._trainers = Trainers(root)
        self._keeper = keeper

    def notice(self, wrote: bool, life: LifeState) -> None:
        """To be called every second or so. `wrote`: the run has written since the last call."""
        lost = self._trainers.lost(wrote)
        if lost is not None and life.life not in ENDS and life.ending is None and short_of(life):
            gone = Problem(".", 0, 0, time.time(), "observed", "CRITICAL", "worker_death", lost)
            self._keeper.keep_told([gone], LAUNCHER)
