"""How one program is to be run: all that starting, watching and asking it takes, in a form that can be kept."""

from __future__ import annotations

from msgspec import Struct

from rli_agent.publish.listen import reached, shown


def reached_at(bind: str) -> str:
    """Where this machine reaches what listens at an address."""
    return "127.0.0.1" if bind == "localhost" else reached(bind)


class Launch(Struct, frozen=True):
    """`listens`: its ports by purpose, the one that answers `ready` first, all at `bind` but those in `private`, which
    stay on the loopback. `patience`: seconds that it may take to end. `retention`: how long it keeps its data."""

    program: str
    version: str
    command: tuple[str, ...]
    environment: dict[str, str]
    bind: str
    listens: dict[str, int]
    private: tuple[str, ...]
    ready: str
    patience: float
    data: str
    log: str
    retention: str | None = None

    @property
    def host(self) -> str:
        """Where this machine reaches it."""
        return reached_at(self.bind)

    @property
    def port(self) -> int:
        return next(iter(self.listens.values()))

    @property
    def url(self) -> str:
        return f"http://{shown(self.host, self.port)}"

    def address(self, purpose: str) -> tuple[str, int]:
        """Host and port to bind."""
        return ("127.0.0.1" if purpose in self.private else self.bind), self.listens[purpose]
