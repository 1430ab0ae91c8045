"""Makes the sample runs: `python -m rli_agent.samples.make_samples [DIR]`. The same ones each time.

They are of our own making, in the frameworks' own grammar: what real runs of these versions write, kept short.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rli_agent.samples import prime_rl_run, verl_run


def make(root: Path) -> None:
    """Write all samples under `root`, one directory a framework."""
    prime_rl_run.Run().make().write(root / "prime-rl")
    verl_run.Run().make().write(root / "verl")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
