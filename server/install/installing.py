"""`rli-agent server install`: the plan told, then carried out, all programs at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rli_agent.errors import UserError
from rli_agent.server.files import locked, make_folder
from rli_agent.server.install.carry_out import Installer
from rli_agent.server.install.fetch import Fetcher, Progress
from rli_agent.server.install.plan import Step, Wish, make_plan
from rli_agent.server.locate import Installed
from rli_agent.server.places import Places
from rli_agent.server.programs import PROGRAMS

Say = Callable[[str], None]
#: Told what each program's download has: bytes here, bytes in all.
Watching = Callable[[str], Progress]


def install(
    places: Places, wish: Wish, say: Say, watching: Watching, *, dry_run: bool = False, fetcher: Fetcher | None = None
) -> int:
    """Install what was asked for. 0: all that was asked for is there; 1: some is not, and was said why."""
    if wish.source is not None and not wish.source.is_dir():
        raise UserError(f"{wish.source} is not a directory", "give with --from the folder that holds the archives")
    stop = threading.Event()
    fetcher = fetcher or Fetcher(stop)
    steps = make_plan(PROGRAMS, places, wish, fetcher)
    for step in steps:
        _tell(step, wish, say)
    if dry_run:
        return 1 if any(s.problem for s in steps) else 0
    todo = [s for s in steps if s.release is not None]
    failed = _carry_out(todo, places, wish, fetcher, stop, say, watching) if todo else []
    failed += [s.program.name for s in steps if s.problem]
    there = [s.program.name for s in steps if s.program.name not in failed]
    if failed:
        say(f"not installed: {', '.join(failed)}. When that is fixed: rli-agent server install{_only(failed)}")
    if there:
        say(f"ready to start: {', '.join(there)}. Next: rli-agent server start")
    return 1 if failed else 0


def _carry_out(
    todo: Sequence[Step],
    places: Places,
    wish: Wish,
    fetcher: Fetcher,
    stop: threading.Event,
    say: Say,
    watching: Watching,
) -> list[str]:
    """The names of those that failed."""
    make_folder(places.services)
    installer = Installer(places, wish, fetcher)
    failed = []
    with (
        locked(places.services / ".lock", f"another installation into {places.services} is under way; wait for it"),
        ThreadPoolExecutor(len(todo)) as pool,
    ):
        jobs: dict[str, Future[Installed]] = {
            s.program.name: pool.submit(installer.install, s, watching(s.program.name), say) for s in todo
        }
        try:
            for name, job in jobs.items():
                try:
                    done = job.result()
                    say(f"{name}: {done.version} is installed: {done.binary}")
                except UserError as e:
                    failed.append(name)
                    say(f"{name}: NOT installed: {e}" + (f"\n  {e.hint}" if e.hint else ""))
        except BaseException:  # Ctrl-C: the threads end at their next block, and the parts stay
            stop.set()
            raise
    return failed


def _tell(step: Step, wish: Wish, say: Say) -> None:
    head = f"{step.program.name:12} {step.version!s:8}"
    for refused in step.refused:
        say(f"{step.program.name:12} not used: {refused}")
    if step.problem:
        say(f"{head} cannot be had: {step.problem}")
    elif step.use is not None:
        say(f"{head} is there: {step.use.binary}")
    elif step.release is not None and wish.source is not None:
        say(f"{head} from {wish.source / step.release.archive}")
        say(f"{'':21} fetch it at  {step.release.url}")
        say(f"{'':21} its sum at   {step.release.sums[0]} (as {step.release.archive}.sha256)")
    elif step.release is not None:
        say(f"{head} from {step.release.url}")


def _only(names: Sequence[str]) -> str:
    return "".join(f" --only {n}" for n in names)
