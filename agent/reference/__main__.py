"""`python -m rli_agent.reference [ROOT]`: write again, in a clone, the reference texts that are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from rli_agent.reference.pages import stale

for path, text in stale(Path(sys.argv[1] if len(sys.argv) > 1 else ".")).items():
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}")
