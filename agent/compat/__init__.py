"""Code that was written for RL-Insight (0.3.0, and what it was called before) runs unchanged: it says it to the agent.

    python -m rli_agent.compat python train.py …

starts the command with this directory first on PYTHONPATH, for it and the processes that it starts; or, in the program,
before anything imports `rl_insight`:

    import rli_agent.compat

    rli_agent.compat.install()

The package `rl_insight` in here is not on the path otherwise: installing the agent gives nobody another one. What
RL-Insight sends to its Ray actor goes into the file of `rli_agent.api`; neither Ray nor its server is needed.
"""

from __future__ import annotations

import os
import sys

#: Where `rl_insight` is imported from.
PLACE = os.path.dirname(os.path.abspath(__file__))


def install() -> None:
    """From now on `import rl_insight` gives this one, in this process and in those that it starts. Raises ImportError
    where another one was imported before."""
    there = sys.modules.get("rl_insight")
    if there is not None and os.path.dirname(os.path.dirname(there.__file__ or "")) != PLACE:
        raise ImportError("rl_insight was imported before: call rli_agent.compat.install() first")
    if PLACE not in sys.path:
        sys.path.insert(0, PLACE)
    os.environ["PYTHONPATH"] = with_place(os.environ.get("PYTHONPATH", ""))


def with_place(path: str) -> str:
    """A PYTHONPATH that leads to this `rl_insight` first."""
    others = [part for part in path.split(os.pathsep) if part and part != PLACE]
    return os.pathsep.join([PLACE, *others])
