"""Statistics of rollouts as two columns of JSON, made to be read by people, and back."""

from __future__ import annotations

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from rli_agent.rollout_statistics import COUNTS, Distribution, RolloutStatistics

#: Counts that have columns of their own.
_OWN = ("count", "errors", "truncated")


class _Figure(Struct):
    """A distribution by plain names; `mean` and `std` are there for people."""

    count: int
    mean: float
    std: float
    min: float
    max: float
    sum: float
    squares: float
    buckets: dict[int, int] = {}


_encode = Encoder().encode
_counts = Decoder(dict[str, int]).decode
_figures = Decoder(dict[str, _Figure]).decode


def statistics_json(total: RolloutStatistics) -> tuple[str, str]:
    """The columns `counts` (what is not zero) and `figures`."""
    counts = {name: count for name in COUNTS if name not in _OWN and (count := getattr(total, name))}
    figures = {
        _utf8(name): _Figure(
            d.count, d.mean or 0.0, d.std or 0.0, d.least, d.most, d.sum, d.squares, dict(sorted(d.buckets.items()))
        )
        for name, d in total.figures.items()
        if d.count
    }
    return _encode(counts).decode(), _encode(figures).decode()


def statistics_of(count: int, errors: int, truncated: int, counts: str, figures: str) -> RolloutStatistics:
    """The statistics that a row was made of. Raises ValueError where it was not made by `statistics_json`."""
    found = RolloutStatistics(count, errors, truncated)
    for name, number in _counts(counts).items():
        if name in COUNTS:
            setattr(found, name, number)
    for name, f in _figures(figures).items():
        found.figures[name] = Distribution(f.count, f.sum, f.squares, f.min, f.max, f.buckets)
    return found


def _utf8(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
