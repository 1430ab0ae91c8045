"""The demo: a sample run is played into a directory while another process watches it, as one watches a real run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import rli_agent.samples
from rli_agent.player import Playback
from rli_agent.samples import areal_run, prime_rl_run

#: Where in a sample the run's output directory is, where that is not the sample itself.
OUTPUT = {"areal": areal_run.DIR, "prime-rl": prime_rl_run.DIR}
#: Seconds that the watch gets for the last lines of the run before it is ended.
GRACE = 2.0
#: Seconds within which it ends.
ENDING = 15.0


def demo(framework: str, home: Path, speed: float, watch_options: Sequence[str], say: Callable[[str], None]) -> int:
    """Play the sample of `framework` into `home` and watch it; the exit status of the watch. Ctrl-C ends both."""
    playback = Playback(Path(rli_agent.samples.__path__[0]) / framework)
    place = home / "run"
    output = place / OUTPUT.get(framework, ".")
    output.mkdir(parents=True, exist_ok=True)
    say(f"A {framework} run is played, {playback.seconds / speed:.0f} s long. It is watched as you would watch one:")
    say(f"    rli-agent watch {output}\n")
    alone = ["--config", os.devnull, "--state-dir", str(home / "state"), "--log-level", "WARNING"]
    arguments = ["watch", str(output), *alone, *watch_options]
    over = threading.Event()
    interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        interrupted.set()  # the exception may be raised where Python can only ignore it
        over.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    watch = subprocess.Popen([sys.executable, "-m", "rli_agent", *arguments], stdout=subprocess.PIPE, text=True)
    listener = threading.Thread(target=_repeat, args=(watch, say, over), daemon=True)
    listener.start()
    try:
        if playback.play(place, speed, stop=over):
            over.wait(GRACE)
        watch.terminate()
        status = watch.wait(ENDING)
    finally:
        if watch.poll() is None:
            watch.send_signal(signal.SIGINT)
            try:
                watch.wait(ENDING)
            except subprocess.TimeoutExpired:
                watch.kill()
        listener.join(ENDING)
    if interrupted.is_set():
        raise KeyboardInterrupt
    return status


def _repeat(watch: subprocess.Popen[str], say: Callable[[str], None], over: threading.Event) -> None:
    """Say what the watch says, and add how to look at what it offers; `over` is set when it ended."""
    assert watch.stdout is not None
    for line in watch.stdout:
        text = line.rstrip("\n")
        say(text)
        key, _, value = text.partition(": ")
        if key == "metrics":
            say(f"    try: curl -s {value} | grep ^rl_")
        elif key == "store":
            store = value.rpartition(" (")[0] or value
            say(f"    try: sqlite3 -readonly -box {store} 'SELECT * FROM series'")
    over.set()
