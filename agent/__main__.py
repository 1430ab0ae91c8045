"""`python -m rli_agent`: the same as the console script `rli-agent`."""

from __future__ import annotations

import sys

from rli_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
