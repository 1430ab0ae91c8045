"""Makes the sample runs: `python -m rli_agent.samples.make_samples [DIR]`. The same ones each time.

They are of our own making, in the frameworks' own grammar: what real runs of these versions write, kept short.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from rli_agent.samples import (
    areal_run,
    nemo_rl_run,
    openrlhf_run,
    prime_rl_run,
    skyrl_run,
    slime_run,
    trl_run,
    verl_run,
)
from rli_agent.samples.writing import Files

#: How each framework's run is made.
RUNS: dict[str, Callable[[], Files]] = {
    "areal": lambda: areal_run.Run().make(),
    "nemo-rl": lambda: nemo_rl_run.Run().make(),
    "openrlhf": lambda: openrlhf_run.Run().make(),
    "prime-rl": lambda: prime_rl_run.Run().make(),
    "skyrl": lambda: skyrl_run.Run().make(),
    "slime": lambda: slime_run.Run().make(),
    "trl": lambda: trl_run.Run().make(),
    "verl": lambda: verl_run.Run().make(),
}


def make(root: Path) -> None:
    """Write all samples under `root`, one directory a framework."""
    for framework, run in RUNS.items():
        run().write(root / framework)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
