"""`python -m rli_agent.reference DOCS`: write the reference pages anew."""

from __future__ import annotations

import sys
from pathlib import Path

from rli_agent.reference.pages import renew

for page in renew(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
    print(f"renewed {page}")
