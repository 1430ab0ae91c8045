"""Every dashboard drawn into a PNG, from a Prometheus that is there or from one that is started for it and sees sample
runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import rli_agent.samples
from rli_agent.dashboards import FOLDER
from rli_agent.dashboards.preview.asking import Prometheus
from rli_agent.demo import OUTPUT
from rli_agent.errors import UserError
from rli_agent.player import Playback

AGENT = (sys.executable, "-m", "rli_agent")
#: The runs that are played at once, and how fast.
PLAYED, SPEED = ("prime-rl", "verl"), 1.0
#: Seconds for the last lines to be read and scraped, and for a process to end.
GRACE, ENDING = 5.0, 15.0


def preview(out: Path, url: str | None, minutes: float) -> int:
    """Draw them into `out`; of `url`, the last `minutes`. 0: every panel had something to show. Raises UserError."""
    try:
        import rli_agent.dashboards.preview.drawing  # noqa: F401  (here: the dashboards themselves need no matplotlib)
    except ImportError:
        raise UserError("matplotlib is not installed", "pip install 'rli-agent[png]'") from None
    out.mkdir(parents=True, exist_ok=True)
    if url is not None:
        now = time.time()
        return _draw_all(Prometheus(url, now - minutes * 60, now), out)
    with tempfile.TemporaryDirectory(prefix="rli-agent-preview-") as folder, _sample(Path(folder)) as prometheus:
        return _draw_all(prometheus, out)


def _draw_all(prometheus: Prometheus, out: Path) -> int:
    from rli_agent.dashboards.preview.drawing import draw

    missing = 0
    for source in sorted(FOLDER.glob("*.json")):
        file = out / f"{source.stem}.png"
        empty = draw(json.loads(source.read_text(encoding="utf-8")), prometheus.answers, file)
        print(f"{file}: " + (f"no data for {', '.join(empty)}" if empty else "every panel has data"))
        missing += len(empty)
    return 1 if missing else 0


@contextmanager
def _sample(folder: Path) -> Iterator[Prometheus]:
    """A Prometheus of its own that has seen the samples being played, and whose agents are still there."""
    root = folder / "stack"
    root.mkdir()
    (root / "server.yaml").write_text("prometheus: {scrape_interval: 1s}\n")
    environment = {**os.environ, "RLI_AGENT_SERVER_ROOT": str(root)}
    begun = time.time()
    watches = []
    _run(environment, "server", "start", "--detach", "--only", "prometheus", "--ports", "auto")
    try:
        players = []
        for framework in PLAYED:
            playback = Playback(Path(rli_agent.samples.__path__[0]) / framework)
            place = folder / framework
            output = place / OUTPUT.get(framework, ".")
            output.mkdir(parents=True)
            state = str(folder / f"{framework}-state")
            line = [*AGENT, "watch", str(output), "--config", os.devnull, "--state-dir", state, "--plain"]
            watches.append(subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL))
            players.append(threading.Thread(target=playback.play, args=(place, SPEED), daemon=True))
        for player in players:
            player.start()
        for player in players:
            player.join()
        time.sleep(GRACE)
        status = _run(environment, "server", "status", "--json")
        url = json.loads(status)["programs"][0]["url"]
        yield Prometheus(url, begun, time.time())
    finally:
        for watch in watches:
            watch.terminate()
        for watch in watches:
            watch.wait(ENDING)
        _run(environment, "server", "stop")


def _run(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run([*AGENT, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"rli-agent {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout
