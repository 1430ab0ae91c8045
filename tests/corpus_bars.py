"""Holds scores on a corpus against bars: `corpus_bars.py SCORES BARS`; exit status 1 where one is missed.

SCORES is what the corpus's scorer prints with --json. BARS maps a family of cases to the least that it must reach:
`metric_recall` is the score `recall` of `metric`, and so on for `state`, `problem` and `time`; `negatives_hit` and
`failed` are the most that is allowed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

AT_MOST = ("negatives_hit", "failed")


def missed(summary: Mapping[str, Any], bars: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """A sentence for each bar that is not reached, or whose score does not exist."""
    for family, wanted in bars.items():
        for name, bar in wanted.items():
            score = _score(summary.get(family, {}), name)
            if score is None:
                yield f"{family}: there is no score {name}, its bar is {bar}"
            elif score > bar if name in AT_MOST else score < bar:
                yield f"{family}: {name} is {score}, its bar is {bar}"


def _score(scores: Mapping[str, Any], name: str) -> float | None:
    if name in AT_MOST:
        return scores.get(name)
    kind, _, quantity = name.partition("_")
    part: Mapping[str, float] = scores.get(kind, {})
    return part.get(quantity)


def main(scores: str, bars: str) -> int:
    summary = json.loads(Path(scores).read_text())["summary"]
    failures = list(missed(summary, json.loads(Path(bars).read_text())))
    for family, got in summary.items():
        figures = (f"{k} {got[k]['recall']:.4f}/{got[k]['precision']:.4f}" for k in ("metric", "state", "problem"))
        print(f"{family:10} {'  '.join(figures)}  negatives hit {got['negatives_hit']}  failed {got['failed']}")
    for failure in failures:
        print(f"bar missed: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
