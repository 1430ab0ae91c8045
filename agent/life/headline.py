"""A problem's message in one line."""

from __future__ import annotations

from rli_agent.parsers.lazy_patterns import lazy_pattern

#: A line of a traceback that names its exception.
_EXCEPTION = lazy_pattern(
    r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Timeout|Died\w*|Warning)?(?:\([\w., ]+\)(?=: ))?(?:: .*)?$"
)
#: What objects of errors call the exception, and its text (verifiers' `error`, prime-rl's `errors`).
_KIND = lazy_pattern(r'"(?:type|error_type|exception|class)": ?"([^"\\]+)"')
#: A traceback's first line, by CPython or rich; what stands before the exceptions of a group.
_TRACEBACK = lazy_pattern(r"[\s╭─]*Traceback \(most recent call last\)")
#: A headline that ends in one's first words: `Scheduler hit an exception: Traceback …` (SGLang).
_ANNOUNCED = "Traceback (most recent call last)"
#: Ray's own first line of a traceback, which names the remote call that raised it.
_REMOTE = lazy_pattern(
    r"(?:ray\.exceptions\.RayTaskError\(\w+\)|Unhandled error \([^)]*\)|Exception raised in creation task)"
    r": .*\bray::"
)
_MARGIN = lazy_pattern(r"^\s+\| (?=\S)")
_TEXT = lazy_pattern(r'"(?:message|error_message|detail|text)": ?"((?:[^"\\]|\\.)+)')


def headline(message: str) -> str:
    """The line that tells most: of a traceback the exception."""
    lines = [_MARGIN.sub("", line.strip("\r")) for line in message.split("\n") if line.strip()]
    if not lines:
        return ""
    if _ANNOUNCED in lines[0] or any(_TRACEBACK.match(line) for line in lines) or _REMOTE.match(lines[0]):
        for line in reversed(lines):
            if _EXCEPTION.match(line) and not line.startswith("Traceback"):
                return line[:300]
    return _of_record(lines[0].strip())[:300]


def _of_record(line: str) -> str:
    """The error that a rollout's record holds, as its program would print it: `TimeoutError: no answer`."""
    if not line.startswith(("{", "[{")):
        return line
    kind, text = _KIND.search(line), _TEXT.search(line)
    said = [found[1] for found in (kind, text) if found]
    return ": ".join(said) or line
