"""Fuzzing by atheris (libFuzzer): `make fuzz`, or `python tests/fuzz.py TARGET [libFuzzer's options]`.

Each target of fuzz_targets.py, from the sample runs on. A fault ends it with the input in a file crash-…, which
`python tests/fuzz.py TARGET FILE` plays again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["rli_agent"]):
    import fuzz_targets


def main() -> None:
    """Fuzz one target until it is told to stop (-max_total_time=SECONDS)."""
    name, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(fuzz_targets.seeds(name)):
            (Path(corpus) / str(number)).write_bytes(seed[:4000])
        replayed = [option for option in options if not option.startswith("-")]
        bounds = ["-timeout=20", "-rss_limit_mb=1024", "-max_len=20000"]
        places = [] if replayed else [corpus]
        atheris.Setup([sys.argv[0], *bounds, *options, *places], fuzz_targets.TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
