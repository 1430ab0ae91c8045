"""Rule packs asked about files: which framework writes them, who of it, and what only repeats another file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import islice
from pathlib import PurePosixPath

import regex
from msgspec import Struct

from rli_agent.discover.look import Look
from rli_agent.events import Labels
from rli_agent.parsers.globs import WILD, Glob, translate
from rli_agent.parsers.packs import Pack, Records, Rollouts, SourceIs

#: From this weight on a file's literals tell its framework; one telling literal is enough.
ENOUGH = 1.0
#: One file adds at most so much to a framework's weight, so that a crowd of equal ones needs company.
_PER_FILE = 3.0

_NAMED = {
    "trainer": "trainer", "train": "trainer", "sft": "trainer", "orchestrator": "orchestrator",
    "inference": "inference", "router": "router", "env": "env", "envs": "env", "launcher": "launcher",
}  # fmt: skip
#: Roles of files that may be an unknown trainer's console.
_OF_A_TRAINER = frozenset({"trainer", "job", "unknown"})
_JOB = re.compile(r"(?:slurm|job|pbs|lsf)[-_.]?\d.*|.*\.[oe]\d{3,}", re.IGNORECASE)


class Claim(Struct):
    """What a file is taken for. sure: more of its text would change nothing.

    base is the directory from which its globs matched (for twins).
    """

    role: str
    note: str
    lane: str = ""
    labels: Labels = ()
    run: str | None = None
    pack: str | None = None
    twin_of: Sequence[str] = ()
    base: str = ""
    problems_only: bool = False
    ignore: bool = False
    sure: bool = True


class Verdict(Struct):
    """Which framework a run is of. weights: of each that has any, the heaviest first."""

    framework: str | None
    confidence: float
    why: str
    weights: dict[str, float] = {}


class _Source:
    def __init__(self, spec: SourceIs) -> None:
        self.spec = spec
        self.globs = [Glob(g) for g in spec.paths]
        self.has = frozenset(spec.has)
        self._labels = regex.compile(spec.labels) if spec.labels else None

    def groups(self, path: str) -> dict[str, str]:
        try:
            match = self._labels.search(path, timeout=0.1) if self._labels else None
        except TimeoutError:
            match = None
        return {k: v for k, v in match.groupdict().items() if v} if match else {}


class _Records:
    def __init__(self, spec: Records | Rollouts) -> None:
        self.spec = spec
        self.globs = [Glob(g) for g in spec.paths]
        self.keys = frozenset(spec.keys)

    def fits(self, path: str, look: Look) -> str | None:
        """The base, where path and keys fit. Of a record seen in part, the part must do."""
        base = next((b for g in self.globs if (b := g.base(path)) is not None), None) if self.globs else ""
        if base is None or look.keys is None:
            return None
        some = isinstance(self.spec, Rollouts) and not look.whole
        fit = not self.keys or (not self.keys.isdisjoint(look.keys) if some else self.keys <= look.keys)
        return base if fit else None


class Roles:
    """The packs, made ready."""

    def __init__(self, packs: Mapping[str, Pack]) -> None:
        self.frameworks = sorted(n for n, p in packs.items() if p.kind == "framework")
        self.engines = sorted(n for n, p in packs.items() if p.kind == "engine")
        self.generic = sorted(n for n, p in packs.items() if p.kind == "generic")
        self.problems = sorted(n for n, p in packs.items() if p.kind == "problems")
        self.configs = {n: packs[n].configs for n in self.frameworks}
        weights = {n: _weights(p) for n, p in packs.items() if p.kind == "framework"}
        self._literals = {n: {t: w for t, w in ws.items() if not _is_glob(t)} for n, ws in weights.items()}
        self._globs = [(n, Glob(t), t, w) for n, ws in weights.items() for t, w in ws.items() if _is_glob(t)]
        self._sources = {n: [_Source(s) for s in p.sources] for n, p in packs.items()}
        self._records = {
            n: [_Records(r) for r in _entries(packs[n]) if not isinstance(r, SourceIs)] for n in self.frameworks
        }
        self._scores: dict[frozenset[str], dict[str, float]] = {}
        self._paths: dict[str, tuple[int, ...]] = {}
        twins = [t for p in packs.values() for r in _entries(p) for t in r.twin_of]
        texts = [t.removeprefix("text:") for t in twins if t.startswith("text:")]
        self.literals = {*texts, *(t for ws in self._literals.values() for t in ws)}
        self.literals |= {h for sources in self._sources.values() for s in sources for h in s.has}

    def scores(self, look: Look) -> dict[str, float]:
        """The weight of each framework in one file."""
        known = self._scores.get(look.hits)
        if known is None:
            sums = {n: sum(w for t, w in ws.items() if t in look.hits) for n, ws in self._literals.items()}
            known = self._scores[look.hits] = {n: w for n, w in sums.items() if w > 0}
        return known

    def writer(self, look: Look) -> str | None:
        """The framework that this file's text alone tells."""
        scores = self.scores(look)
        best = max(scores, key=lambda n: scores[n], default=None)
        return best if best is not None and scores[best] >= ENOUGH else None

    def judge(self, looks: Mapping[str, Look], paths: Iterable[str], name_of: Callable[[str], str]) -> Verdict:
        """Weigh what the files hold and how they are called; `name_of` names a path in the sentence that says why."""
        total: dict[str, float] = {}
        reasons: dict[str, list[tuple[float, str, str]]] = {}
        for path, look in looks.items():
            for name, weight in self.scores(look).items():
                total[name] = total.get(name, 0.0) + min(weight, _PER_FILE)
                held = sorted(look.hits & self._literals[name].keys(), key=lambda t: (-self._literals[name][t], t))
                quoted = " and ".join(f"“{t.strip()}”" for t in held[:2])
                reasons.setdefault(name, []).append((weight, path, f" has {quoted}"))
        for i, path in self._named(paths).items():
            name, _, _, weight = self._globs[i]
            total[name] = total.get(name, 0.0) + weight
            reasons.setdefault(name, []).append((weight, path, ""))
        ranked = dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
        if not ranked:
            why = "figures are read all the same" if looks else "there is no log yet"
            return Verdict(None, 0.0, f"no known framework: {why}")
        best, *rest = ranked
        margin = (ranked[best] - (ranked[rest[0]] if rest else 0.0)) / ranked[best]
        confidence = (1.0 - 0.5 ** (2.0 * ranked[best])) * margin
        told: dict[str, str] = {}
        for _, path, text in sorted(reasons[best], key=lambda r: (not r[2], -r[0])):
            told.setdefault(path, text)
        because = "; ".join(name_of(path) + text for path, text in islice(told.items(), 3))
        if ranked[best] < ENOUGH:
            return Verdict(None, 0.0, f"no known framework: too little tells of {best} ({because})", ranked)
        if margin < 0.2:
            why = f"no framework clearly: as much tells of {best} ({because}) as of {rest[0]}"
            return Verdict(None, 0.0, why, ranked)
        degree = "sure" if confidence >= 0.85 else "likely" if confidence >= 0.6 else "perhaps"
        return Verdict(best, confidence, f"{best} ({degree}): {because}", ranked)

    def _named(self, paths: Iterable[str]) -> dict[int, str]:
        """Which detecting globs fit a path, and the first such path."""
        found: dict[int, str] = {}
        now: dict[str, tuple[int, ...]] = {}
        for path in paths:
            hits = self._paths.get(path)
            if hits is None:
                hits = tuple(i for i, (_, glob, _, _) in enumerate(self._globs) if glob.fits(path))
            now[path] = hits
            for i in hits:
                found.setdefault(i, path)
        self._paths = now
        return found

    def text(self, path: str, look: Look, framework: str | None) -> Claim:
        """Who writes a text file: by the framework's sources, the name, an engine's lines, the framework's lines."""
        writer, scores = self.writer(look), self.scores(look)
        owner = framework
        if writer is not None and (framework is None or scores.get(framework, 0.0) * 2 < scores[writer]):
            owner = writer
        if owner is not None and (claim := self._by_sources(owner, path, look)):
            return claim
        name = PurePosixPath(path).name
        words = re.split(r"[^a-z]+", name.lower())
        role = next((_NAMED[w] for w in words if w in _NAMED), None)
        if role is not None:
            return Claim(role, "by its name", pack=owner)
        for engine in self.engines:
            if claim := self._by_sources(engine, path, look):
                claim.pack = owner
                return claim
        if writer is not None:
            return Claim("trainer", f"holds lines of {writer}", pack=owner)
        if _JOB.fullmatch(name):
            return Claim("job", "by its name", pack=owner)
        return Claim("unknown", "text of no known framework", pack=owner, sure=False)

    def _by_sources(self, pack: str, path: str, look: Look) -> Claim | None:
        for source in self._sources[pack]:
            spec = source.spec
            if source.has and source.has.isdisjoint(look.hits):
                continue
            for glob in source.globs:
                base = glob.base(path)
                if base is None:
                    continue
                groups = source.groups(path)
                lane = _filled(spec.lane, groups) or spec.role
                held = next((h for h in spec.has if h in look.hits), None)
                note = f"{pack}: {f'holds “{held.strip()}”' if held else glob.text}"
                run = groups.pop("run", None)
                labels = tuple(sorted(groups.items()))
                return Claim(
                    spec.role, note, lane, labels, run, pack, spec.twin_of, base, spec.problems_only, spec.ignore
                )  # fmt: skip
        return None

    def records(self, path: str, look: Look, framework: str | None) -> Claim:
        """What a JSONL file holds: the run's framework is asked first, then the others."""
        for pack in sorted(self.frameworks, key=lambda n: n != framework):
            for known in self._records[pack]:
                base = known.fits(path, look)
                if base is not None:
                    role = "rollouts" if isinstance(known.spec, Rollouts) else "metrics"
                    note = f"{pack}: {known.spec.id}"
                    return Claim(role, note, pack=pack, twin_of=known.spec.twin_of, base=base, sure=look.whole)
        return Claim("unknown", "JSON lines of no known kind", sure=look.whole)

    def readers(self, framework: str | None, claim: Claim) -> tuple[str, ...]:
        """The packs that read a text file: the framework's, the engines', the problems'; all, where it is in doubt."""
        if framework is not None and claim.pack in (framework, None):
            return (framework, *self.engines, *self.problems)
        unknown = framework is None and claim.pack is None and claim.role in _OF_A_TRAINER
        return (*self.frameworks, *self.engines, *(self.generic if unknown else ()), *self.problems)


def original(
    path: str,
    claim: Claim,
    claims: Mapping[str, Claim],
    looks: Mapping[str, Look],
    paths: Set[str],
    cache: dict[tuple[str, str], list[str]],
) -> str | None:
    """The file that this one repeats, if it is there. `cache` serves one scan."""
    for twin in claim.twin_of:
        kind, _, what = twin.partition(":")
        key = ("" if kind in ("role", "text") else claim.base, twin)
        if key not in cache:
            found: Iterable[str]
            if kind == "role":
                found = (p for p, c in claims.items() if c.role == what and not c.twin_of)
            elif kind == "text":
                found = (p for p, v in looks.items() if what in v.hits)
            elif not WILD.search(twin):
                found = (p for p in (claim.base + twin,) if p in paths)
            else:
                fits = re.compile(translate(twin), re.DOTALL).fullmatch
                found = (p for p in paths if p.startswith(claim.base) and fits(p, len(claim.base)))
            cache[key] = list(islice(found, 2))  # two, so that a file which is among them itself finds another
        other = next((p for p in cache[key] if p != path), None)
        if other is not None:
            return other
    return None


def _filled(template: str, groups: Mapping[str, str]) -> str:
    # No str.format: a pack is a stranger's, and `{x:>999999999}` or `{x.y}` would be obeyed.
    return " ".join(re.sub(r"\{(\w+)\}", lambda m: groups.get(m[1], ""), template).split())


def _entries(pack: Pack) -> list[SourceIs | Records | Rollouts]:
    return [*pack.sources, *pack.rollouts, *pack.records]


def _weights(pack: Pack) -> dict[str, float]:
    out: dict[str, float] = {}
    for item in pack.detect:
        out |= {item: 1.0} if isinstance(item, str) else item
    return out


def _is_glob(text: str) -> bool:
    return "/" in text and "*" in text
