"""How a process ended that was the run: its exit status says what no log need say."""

from __future__ import annotations

from typing import NamedTuple

from rli_agent.events import Event, Problem, RunFact, Source

#: Who says so: no file, but the agent that started the process.
LAUNCHER = Source(".", "launcher")


class Outcome(NamedTuple):
    """name: the program's; status: as `subprocess` has it, -N where signal N ended it; cancelled: it was told to
    end."""

    name: str
    status: int
    cancelled: bool = False

    @property
    def life(self) -> str:
        """What the run is now: finished, failed or cancelled."""
        if self.cancelled:
            return "cancelled"
        return "failed" if self.status else "finished"

    @property
    def text(self) -> str:
        """The end in words."""
        if self.status < 0:
            return f"{self.name} was killed by signal {-self.status}"
        return f"{self.name} ended with exit status {self.status}"

    def events(self, now: float) -> list[Event]:
        """The same as events of `LAUNCHER`; `now` in Unix seconds."""
        found: list[Event] = [RunFact(".", 0, 0, now, "observed", "life", self.life)]
        if self.life == "failed":
            found.append(Problem(".", 0, 0, now, "observed", "CRITICAL", "worker_death", self.text))
        return found
