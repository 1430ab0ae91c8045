"""`rli-agent server demo`: a real Prometheus, a played run, and what the one says of the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rli_agent.errors import UserError
from rli_agent.server.ask import get_json
from rli_agent.server.places import Places
from rli_agent.server.supervise.state import read_state
from rli_agent.terminal import plain

Say = Callable[[str], None]
#: What one would ask of a run.
QUERIES = (
    "max by (run, role) (max_over_time(rl_step[5m]))",
    "last_over_time(rl_reward_mean[5m])",
    "avg by (lane) (avg_over_time(rl_step_duration_seconds[5m]))",
)
#: The sample's 45 s, so many times as fast.
SPEED = "3"
ENDING = 15.0


def demo(root: Path, say: Say) -> int:
    """Start a Prometheus of its own below `root`, play a run, ask, and end both. 0: every question had an answer."""
    (root / "server.yaml").write_text("prometheus: {scrape_interval: 1s}\n")
    environment = {**os.environ, "RLI_AGENT_SERVER_ROOT": str(root)}
    try:
        _run(environment, "server", "start", "--detach", "--only", "prometheus", "--ports", "auto")
        say("")
        _play(environment, say)
        _run(environment, "server", "status", may_fail=True)
        say("")
        answered = [_ask(root, query, say) for query in QUERIES]
        return 0 if all(answered) else 1
    finally:
        _run(environment, "server", "stop", may_fail=True)


def _run(environment: Mapping[str, str], *arguments: str, may_fail: bool = False) -> None:
    """A command as a user would give it, shown with what it says."""
    print(f"$ rli-agent {' '.join(arguments)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "rli_agent", *arguments], env=environment, check=False)
    if done.returncode and not may_fail:
        raise UserError(f"rli-agent {' '.join(arguments)} ended with status {done.returncode}", "it said why above")


def _play(environment: Mapping[str, str], say: Say) -> None:
    """Play the sample run to its end; the watch registers itself with Prometheus."""
    line = [sys.executable, "-m", "rli_agent", "demo", "--speed", SPEED, "--listen", "127.0.0.1:0"]
    say(f"$ rli-agent {' '.join(line[3:])}")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, errors="replace", env=environment) as played:
        assert played.stdout is not None
        try:
            for text in played.stdout:
                if text.startswith(("step ", "A ", "metrics")):
                    say(f"    {plain(text.rstrip())}")
        finally:
            if played.poll() is None:
                played.terminate()
                played.wait(ENDING)


def _ask(root: Path, query: str, say: Say) -> bool:
    state = read_state(Places(root).state)
    assert state is not None
    launch = state.services["prometheus"].launch
    say(f"$ curl -sG {launch.url}/api/v1/query --data-urlencode 'query={query}'")
    found: Any = get_json(launch.host, launch.port, f"/api/v1/query?query={quote(query)}&time={time.time():.3f}")
    series = found["data"]["result"] if found else []
    for one in series:
        labels = ", ".join(f'{k}="{v}"' for k, v in sorted(one["metric"].items()) if k in ("run", "role", "lane"))
        say(f"    {{{labels}}} {one['value'][1]}")
    if not series:
        say("    no answer")
    return bool(series)
