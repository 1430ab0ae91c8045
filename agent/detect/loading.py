"""`detectors.yaml`, and what users' files change of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET

from rli_agent.catalogue import Catalogue
from rli_agent.config_home import config_home
from rli_agent.detect.history import KEPT
from rli_agent.detect.language import Detector, Level, Listing, Names, Shift, Single, Some, Tuning
from rli_agent.detect.readings import DERIVED
from rli_agent.errors import UserError
from rli_agent.parsers.typed_yaml import Document, TypedYamlError, read_typed
from rli_agent.shipped import shipped

PACKAGED = "rli_agent/rules/detectors.yaml"


def detector_files(output_dirs: Sequence[Path]) -> list[Path]:
    """The users' files that are looked up: `~/.config/rli-agent/detectors.yaml`, then
    `<output_dir>/.rli-agent/detectors.yaml`; those that are there."""
    places = [config_home(), *(d / ".rli-agent" for d in output_dirs)]
    return [file for place in places if (file := place / "detectors.yaml").is_file()]


def packaged() -> list[Detector]:
    """The detectors that ship."""
    return merged([], Document(PACKAGED, None, shipped("detectors.yaml", Listing)))


def load(paths: Iterable[Path] = ()) -> list[Detector]:
    """The packaged detectors with the changes of these files, in order. Raises UserError."""
    found = packaged()
    for path in paths:
        try:
            found = merged(found, read_typed(path.read_text(encoding="utf-8"), str(path), Listing))
        except TypedYamlError as e:
            raise UserError(str(e), "docs/detectors.md teaches the language") from None
        except UnicodeDecodeError as e:
            raise UserError(f"{path}:1:1: not UTF-8 text (byte {e.start})", "save the file as UTF-8") from None
        except OSError as e:
            raise UserError(f"{path}: cannot be read: {e.strerror or e}") from None
    return found


def merged(known: Sequence[Detector], document: Document[Listing]) -> list[Detector]:
    """The detectors with what a file says of them. Raises TypedYamlError for what cannot work."""
    found = {detector.name: detector for detector in known}
    catalogue = Catalogue.load()
    for number, tuning in enumerate(document.value.detectors):
        at = f".detectors[{number}]"
        given = {k: v for k, v in msgspec.structs.asdict(tuning).items() if v is not UNSET}
        old = found.get(tuning.name)
        if old is None:
            given.setdefault("about", "A threshold of yours.")
            given.setdefault("todo", "")
            if "cases" not in given:
                raise document.error(at, _unknown(tuning, found))
            found[tuning.name] = Detector(**given)
        else:
            found[tuning.name] = msgspec.structs.replace(old, **given)
        _check(found[tuning.name], at, document, catalogue)
    names = set(found)
    for number, tuning in enumerate(document.value.detectors):
        for other in found[tuning.name].muted_by:
            if other not in names:
                raise document.error(f".detectors[{number}].muted_by", f"no detector is called `{other}`")
    return list(found.values())


def _unknown(tuning: Tuning, found: Iterable[str]) -> str:
    near = difflib.get_close_matches(tuning.name, list(found), n=1)
    mend = f"did you mean `{near[0]}`?" if near else "a new detector needs `cases`"
    return f"no detector is called `{tuning.name}`; {mend}"


def _check(detector: Detector, at: str, document: Document[Listing], catalogue: Catalogue) -> None:
    """What the types cannot say."""
    if not detector.cases:
        raise document.error(f"{at}.cases", "a detector needs at least one case; `off: true` switches it off")
    for number, case in enumerate(detector.cases):
        where = f"{at}.cases[{number}]"
        _check_series(case.series, f"{where}.series", document, catalogue)
        if not case.when:
            raise document.error(f"{where}.when", "a case needs at least one test")
        for kind, tests in (("when", case.when), ("unless", case.unless)):
            for i, test in enumerate(tests):
                place = f"{where}.{kind}[{i}]"
                if isinstance(test, Some):
                    for j, single in enumerate(test.of):
                        _check_test(single, f"{place}.of[{j}]", document, catalogue)
                else:
                    _check_test(test, place, document, catalogue)


def _check_test(test: Single, place: str, document: Document[Listing], catalogue: Catalogue) -> None:
    if test.series is not None:
        _check_series(test.series, f"{place}.series", document, catalogue)
    if isinstance(test, Level) and test.above is None and test.below is None:
        raise document.error(place, "a level test needs `above` or `below`")
    if isinstance(test, Shift) and test.by is None and not test.sigmas:
        raise document.error(place, "a shift test needs `by` or `sigmas`")
    if isinstance(test, Shift) and test.scale == "log" and test.by is not None and test.by < 1.0:
        raise document.error(f"{place}.by", "`by` is a factor of at least 1; `towards` says which way")
    for key in ("recent", "baseline", "least", "window", "times", "of"):
        value = getattr(test, key, None)
        if value is not None and not 1 <= value <= KEPT:
            raise document.error(f"{place}.{key}", f"`{key}` is a number of samples from 1 to {KEPT}")
    if isinstance(test, Shift) and test.recent + test.gap + test.least > KEPT:
        raise document.error(place, f"only {KEPT} samples are kept: the windows do not fit")


def _check_series(names: Names, place: str, document: Document[Listing], catalogue: Catalogue) -> None:
    """Common and derived names must exist; any other is a framework's own."""
    known = {"rl_": [q.name for q in catalogue], "run:": list(DERIVED)}
    for name in [names] if isinstance(names, str) else names:
        for beginning, there in known.items():
            if name.startswith(beginning) and name not in there:
                near = difflib.get_close_matches(name, there, n=1)
                mend = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(there)}"
                raise document.error(place, f"no series is called `{name}`; {mend}")
