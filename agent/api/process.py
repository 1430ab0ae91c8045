"""What this process is to the run: `init` begins to write its events, `finish` ends it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from rli_agent.api.complaints import say
from rli_agent.api.event_file import EventFile
from rli_agent.api.text import quoted

#: Names a file, or a directory in which each process has one; it comes before all else.
VARIABLE = "RLI_AGENT_EVENTS"
#: Where in the run's directory the files lie, as `rli-agent watch` looks for them.
DIRECTORY = ".rli-agent"
#: Of the form of the file.
VERSION = 1


class Process:
    """The one that writes: its file, and the numbers of the states that it opens. `lane`: of those that name none."""

    def __init__(self, file: EventFile) -> None:
        self.file = file
        self.pid = os.getpid()
        self.lane = f"process_{self.pid}"
        self.numbers = count(1)
        #: It told the step of a metric, as the one that leads the run does.
        self.steps = False


_current: Process | None = None


def current() -> Process | None:
    """Who writes; None before `init` and after `finish`."""
    return _current


def init(
    project: str | None = None, experiment_name: str | None = None, config: Mapping[str, Any] | None = None
) -> None:
    """Begin to write events. project and experiment_name: the labels of that name on all that the run shows.

    config may hold `output_dir` (the run's directory; otherwise the current one), `role` (who this process is:
    `trainer` unless said, `inference`, `env` …) and `max_steps`; all else in it is passed over. The file is
    `<output_dir>/.rli-agent/events-<host>-<pid>.jsonl`, or what $RLI_AGENT_EVENTS names.
    A second call does nothing but warn.
    """
    global _current
    if _current is not None:
        say("init() was called before: this call changes nothing")
        return
    try:
        named = os.environ.get(VARIABLE)
        place = os.path.abspath(named or os.path.join(_said(config, "output_dir") or ".", DIRECTORY))
        if not named or named.endswith("/") or os.path.isdir(place):
            place += "/"
        about = {"project": project, "experiment_name": experiment_name, "role": _said(config, "role")}
        told = "".join(f',"{name}":{quoted(str(value))}' for name, value in about.items() if value is not None)
        _current = _process(place, told)
        _current.file.begin(time.time())
        steps = _said(config, "max_steps")
        if steps is not None:
            fact("max_steps", str(steps))
    except Exception as error:
        say(f"init() failed, so that no events are written: {error}")


def finish() -> None:
    """End what `init` began: what is called afterwards does nothing. Where this process told of steps, its run is
    finished."""
    global _current
    process, _current = _current, None
    if process is not None:
        now = time.time()
        steps = "true" if process.steps else "false"
        line = f'{{"type":"finish","pid":{process.pid},"steps":{steps},"time":{now:.6f}}}\n'
        process.file.write(line.encode(), now)
        process.file.settle(now)
        process.file.close()


def fact(key: str, value: str) -> None:
    """Say something constant about the run: `max_steps`, `model`, `engine_addresses`."""
    process = current()
    if process is not None:
        now = time.time()
        line = f'{{"type":"fact","key":{quoted(key)},"value":{quoted(value)},"time":{now:.6f}}}\n'
        process.file.write(line.encode(), now)


def _process(place: str, told: str) -> Process:
    """place: a file, or a directory with a slash at its end."""
    host = os.uname().nodename
    name = re.sub(r"[^A-Za-z0-9._-]", "_", host)

    def path() -> str:
        return f"{place}events-{name}-{os.getpid()}.jsonl" if place.endswith("/") else place

    def greeting() -> bytes:
        # A newline first: what wrote into this file before may have been killed within a line.
        return (
            f'\n{{"type":"process","rli_agent_events":{VERSION},"host":{quoted(host)},"pid":{os.getpid()}{told}'
            f',"time":{time.time():.6f}}}\n'
        ).encode()

    return Process(EventFile(path, greeting))


def _said(config: Mapping[str, Any] | None, key: str) -> Any:
    """What a configuration says of this: a mapping, or an object that has it; None where it does not."""
    try:
        return config.get(key) if hasattr(config, "get") else getattr(config, key, None)  # type: ignore[union-attr]
    except Exception:  # a strict configuration refuses what it does not know
        return None


def _forked() -> None:
    global _current
    if _current is not None:
        _current.file.forget()
        _current = Process(_current.file)


os.register_at_fork(after_in_child=_forked)
