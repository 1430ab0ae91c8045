"""A status report as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from rli_agent.server.supervise.status import Program, Report


def lines(it: Report) -> Iterator[str]:
    """The answer first, then a line a program and a scrape target."""
    yield f"{it.state}: {it.answer}" if it.state != "stopped" else it.answer
    for program in it.programs:
        yield from _program(program)
    if it.targets:
        yield f"scrape targets: {sum(t.health == 'up' for t in it.targets)} of {len(it.targets)} up"
        for target in it.targets:
            run = f" run {target.labels['run']}" if "run" in target.labels else ""
            why = f": {target.error[:200]}" if target.error else ""
            yield f"  {target.health:7} {target.job} {target.address}{run}{why}"


def _program(it: Program) -> Iterator[str]:
    if it.state == "left out":
        return
    facts = [f"{it.name:12} {it.version or '':8} {it.state:8}"]
    if it.pid is not None:
        facts.append(f"process {it.pid}")
    if it.ready and it.url is not None:
        facts.append(it.url)
    extra = {k: v for k, v in it.ports.items() if v != it.port}
    if extra and it.pid is not None:
        facts.append(", ".join(f"{k} {v}" for k, v in extra.items()))
    if it.uptime_s is not None:
        facts.append(f"up {_span(it.uptime_s)}")
    if it.restarts:
        facts.append(f"restarted {it.restarts} times" if it.restarts > 1 else "restarted once")
    if it.data_bytes is not None:
        kept = f", keeps {it.retention}" if it.retention else ""
        facts.append(f"{it.data_bytes / 1e6:,.1f} MB of data{kept}")
    yield "  " + "  ".join(facts)
    if it.state in ("failed", "unready", "waiting") and it.log is not None:
        yield f"    its log: {it.log}"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"
