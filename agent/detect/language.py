"""The language of `detectors.yaml`: the structs below are it. docs/detectors.md teaches it.

A detector has cases; each looks at a series of its own, and any of them raises the alert. Windows count samples of the
series, whatever steps lie between them, newest last:

    … | baseline                              | gap | recent |
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from rli_agent.message import Severity

#: A series: a common metric (`rl_…`), a framework's own key, or one of `readings.DERIVED`; of several the first that
#: the run has.
Names: TypeAlias = str | list[str]


class Test(Struct, forbid_unknown_fields=True, tag_field="test", kw_only=True):
    """series: another one than the case's. Where the run lacks it the test does not hold; with `optional` a case does
    without the test."""

    series: Names | None = None
    optional: bool = False


class Shift(Test, tag="shift"):
    """The median of the recent samples lies off the baseline's.

    by: the least factor between them (`scale: log`), or difference (`scale: linear`; none unless given).
    sigmas: the least distance in standard deviations of the baseline, of one sample.
    floor: magnitudes below it count as it. follow: a trend of the baseline in the same direction is expected to go on.
    least: samples that a baseline needs. warmup: first steps of the series that are never baseline.
    beside: a series whose own shift in that direction explains as much of this one (log scale).
    """

    towards: Literal["up", "down"]
    by: float | None = None
    sigmas: float = 0.0
    recent: int = 5
    gap: int = 5
    baseline: int = 60
    least: int = 12
    warmup: int = 5
    scale: Literal["log", "linear"] = "log"
    floor: float = 1e-9
    follow: bool = False
    beside: str | None = None


class Level(Test, tag="level"):
    """`times` of the last `of` samples lie above or below a threshold."""

    above: float | None = None
    below: float | None = None
    times: int = 1
    of: int | None = None


class Spikes(Test, tag="spikes"):
    """`times` of the last `of` samples are more than `by` times the median of the samples before them."""

    by: float
    times: int
    of: int
    baseline: int = 60
    least: int = 12
    warmup: int = 5


class NotFinite(Test, tag="not_finite"):
    """`times` of the last `of` samples are NaN or infinite."""

    times: int = 1
    of: int = 1


class LostGain(Test, tag="lost_gain"):
    """The recent median lies below that of the 40 samples before it, and below the best `recent` in a row of the last
    `window` samples by more than `share` of what was gained since the run began, `sigmas` standard deviations of
    neighbouring samples, and `waves` of the samples around their trend."""

    share: float = 0.5
    sigmas: float = 5.0
    waves: float = 3.0
    recent: int = 6
    window: int = 160
    least: int = 20
    warmup: int = 5


class Plateau(Test, tag="plateau"):
    """The mean of the last `window` steps, in a long run of an eighth of its samples, is a quarter of its standard
    error below that of as many before, or more. It is over when the mean climbs `sigmas` standard errors above that.
    least: samples of a window, also where each tells of many steps. ceiling: a level of a score between 0 and 1 that
    counts as reached."""

    window: int = 80
    least: int = 20
    sigmas: float = 3.0
    ceiling: float | None = None


class Some(Test, tag="some"):
    """At least so many of these tests hold."""

    least: int
    of: list[Single]


Single: TypeAlias = Shift | Level | Spikes | NotFinite | LostGain | Plateau
AnyTest: TypeAlias = Single | Some


class Case(Struct, forbid_unknown_fields=True, kw_only=True):
    """All of `when` hold and none of `unless`, `hold` samples in a row. severity: another one than the detector's.
    critical: the factor off what was expected at which it becomes critical, also later while it is raised."""

    series: Names
    when: list[AnyTest]
    unless: list[AnyTest] = []
    hold: int = 1
    severity: Severity | None = None
    critical: float | None = None


class Detector(Struct, forbid_unknown_fields=True, kw_only=True):
    """name: also the alert's kind. about: what it means, in one sentence. todo: what to do.

    clear: healthy samples in a row after which the alert is over. group: what alerts have in common that may be one
    incident. muted_by: detectors of which this one's alert is a consequence: while one of them is raised it is silent.
    message: whether a watch sends one.
    """

    name: str
    about: str
    todo: str
    cases: list[Case]
    severity: Severity = "warning"
    group: str = "learning"
    muted_by: list[str] = []
    clear: int = 8
    message: bool = True
    off: bool = False


class Tuning(Struct, forbid_unknown_fields=True, kw_only=True):
    """A detector in a user's file: what is given takes the place of the packaged one's, or makes a new one."""

    name: str
    about: str | UnsetType = UNSET
    todo: str | UnsetType = UNSET
    cases: list[Case] | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    group: str | UnsetType = UNSET
    muted_by: list[str] | UnsetType = UNSET
    clear: int | UnsetType = UNSET
    message: bool | UnsetType = UNSET
    off: bool | UnsetType = UNSET


class Listing(Struct, forbid_unknown_fields=True):
    """A file of detectors."""

    detectors: list[Tuning]
