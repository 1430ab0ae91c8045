"""`python -m rli_agent.compat COMMAND…`: the command, with `rl_insight` being the agent's."""

from __future__ import annotations

import os
import sys

from rli_agent.compat import with_place


def main(words: list[str]) -> int:
    """Become the command. Returns an exit code where it cannot be started."""
    if not words or words[0] in ("-h", "--help"):
        print("usage: python -m rli_agent.compat COMMAND [ARGUMENT...]\n\nRun a program that imports rl_insight.")
        return 0 if words else 2
    environment = {**os.environ, "PYTHONPATH": with_place(os.environ.get("PYTHONPATH", ""))}
    try:
        os.execvpe(words[0], words, environment)
    except OSError as error:
        print(f"error: {words[0]} cannot be started: {error.strerror}; see that it is on PATH", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
