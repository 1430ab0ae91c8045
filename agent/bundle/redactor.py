"""Cuts secrets out of texts: those known by their form, those that a name gives away, and both where met again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from rli_agent.bundle.keys import is_secret, looks_random
from rli_agent.bundle.patterns import BASE64_LINES, BEHIND, E_MAIL, HOME, PREFIXED, PRIVATE_KEY
from rli_agent.terminal import plain

_DONE = re.compile(r"\[redacted: ([^\[\]]{1,40})\]")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_NAME = r"(?P<key>[A-Za-z_][A-Za-z0-9_.-]{0,100})"
_KEY = r"(?<![A-Za-z0-9_.])" + _NAME + r"\\{0,3}[\"']?"
_IS = r"[ \t]{0,8}(?:=>|:=|[:=])[ \t]{0,8}"
#: `"key": "value"`, `key='value'`: as far as the same quote goes.
_QUOTED = re.compile(_KEY + _IS + r"[bBuUrRfF]?(?P<quote>[\"'])(?P<value>(?:\\.|(?!(?P=quote))[^\\\n])*)(?P=quote)")
#: The same within a quoted text.
_ESCAPED = re.compile(_KEY + _IS + r"[bBuUrRfF]?(?P<quote>\\{1,3}[\"'])(?P<value>.*?)(?P=quote)")
#: `key: value` by itself on a line, as in YAML: as far as the line goes.
_LINE = re.compile(r"(?m)^[ \t]*(?:-[ \t]+|(?i:export|set)[ \t]+)?" + _NAME + _IS + r"(?P<value>[^\"'\s][^\n]*)$")
#: `key=value`, `key: value` within a line: one word.
_BARE = re.compile(_KEY + _IS + r"(?P<value>[^\s\"',;&)}\]\\]+)")
#: `--key value`
_FLAG = re.compile(r"(?<![\w-])--?(?P<key>[A-Za-z][A-Za-z0-9_.\-]{1,100})[ \t]+[\"']?(?P<value>[^\s\"'\\-][^\s\"'\\]*)")
#: `name: KEY` and then `value: …`, as containers are given their environment.
_NAMED = re.compile(
    r"\bname\\?[\"']?\s{0,8}:\s{0,8}\\?[\"']?(?P<key>[A-Za-z_][\w.-]{0,100})\\?[\"']?\s{0,40},?\s{0,40}\\?[\"']?value\\?[\"']?"
    r"\s{0,8}:\s{0,8}\\?[\"']?(?P<value>[^\"'\s,}\\]+)"
)
#: A key whose value is the indented block below it.
_BLOCK = re.compile(
    r"(?m)^(?P<indent>[ \t]*)(?P<key>[A-Za-z_][\w.-]{0,100})[ \t]*:[ \t]*[|>][+-]?\d?[ \t]*\n"
    r"(?P=indent)[ \t]+(?P<value>[^\n]*(?:\n(?P=indent)[ \t]+[^\n]*)*)"
)
_KEYED = (_BLOCK, _QUOTED, _ESCAPED, _LINE, _BARE, _FLAG, _NAMED)
#: Long runs that are mixed as only a generator mixes them.
_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{24,}(?![A-Za-z0-9])")
#: Characters of a secret from which on it is looked for elsewhere, and how many such are.
_TELLING, _KNOWN = 8, 2000
#: Characters of a line that are kept.
LONGEST = 20_000


class Redactor:
    """Cuts secrets; in their place stands of which kind they were.

    environment: what is secret in it is cut wherever it stands. people: e-mail addresses and the users' names in
    paths of homes are cut too.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, people: bool = False) -> None:
        self._people = people
        self._known: dict[str, None] = {}
        self._learning = False
        self._elsewhere: re.Pattern[str] | None = None
        for name, value in (environment or {}).items():
            if is_secret(name, value):
                self._remember(value)
        self.learn("")

    def learn(self, text: str) -> None:
        """Remember the secrets of a text, so that they are cut where nothing gives them away, too."""
        self._learning = True
        self._sweep(bounded(shown(text)))
        self._learning = False
        known = sorted(self._known, key=len, reverse=True)
        self._elsewhere = re.compile("|".join(map(re.escape, known))) if known else None

    def redact(self, text: str) -> str:
        """The text without secrets, escape sequences and control characters. To do it again changes nothing."""
        text = self._sweep(bounded(shown(text)))
        if self._people:
            text = E_MAIL.sub(_cut("e-mail"), text)
            text = HOME.sub(lambda found: found["before"] + _cut("user"), text)
        return text

    def _sweep(self, text: str) -> str:
        text = PRIVATE_KEY.sub(lambda found: self._secret("private key", found[0]), text)
        for kind, pattern in PREFIXED:
            text = pattern.sub(self._whole(kind), text)
        for kind, pattern in BEHIND:
            text = pattern.sub(self._group(kind, "secret"), text)
        for pattern in _KEYED:
            text = pattern.sub(self._keyed, text)
        if self._elsewhere is not None and not self._learning:
            text = self._elsewhere.sub(_cut("seen elsewhere"), text)
        text = BASE64_LINES.sub(_cut("base64"), text)
        return _RUN.sub(_random, text)

    def _whole(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda found: self._secret(kind, found[0])

    def _group(self, kind: str, group: str) -> Callable[[re.Match[str]], str]:
        def replaced(found: re.Match[str]) -> str:
            secret = found[group]
            if secret.startswith("[redacted"):
                return found[0]
            begin, end = found.start(group) - found.start(), found.end(group) - found.start()
            return found[0][:begin] + self._secret(kind, secret) + found[0][end:]

        return replaced

    def _keyed(self, found: re.Match[str]) -> str:
        if not is_secret(found["key"], found["value"]):
            return found[0]
        return self._group("by its name", "value")(found)

    def _secret(self, kind: str, value: str) -> str:
        if self._learning:
            self._remember(value)
        return _cut(kind)

    def _remember(self, value: str) -> None:
        """What of a secret is telling enough to be looked for elsewhere: a phrase as a whole, and what is no word."""
        value = _DONE.sub(" ", value).strip()
        phrase = [value] if " " in value and "\n" not in value else []
        for part in (*phrase, *re.split(r"[\s:@\"'\\,;]+", value)):
            is_word = part.isalpha() and (part.islower() or part.isupper() or part.istitle())
            if len(part) >= _TELLING and not is_word and "[redacted" not in part and len(self._known) < _KNOWN:
                self._known[part] = None


def counted(text: str) -> Counter[str]:
    """How many secrets of each kind were cut out of a text."""
    return Counter(_DONE.findall(text))


def _cut(kind: str) -> str:
    return f"[redacted: {kind}]"


def _random(found: re.Match[str]) -> str:
    """Mixed as only a generator mixes."""
    text = found[0]
    kinds = [sum(map(test, text)) for test in (str.islower, str.isupper, str.isdigit)]
    return _cut("looks random") if min(kinds) >= 3 and looks_random(text, 24) else text


def shown(text: str) -> str:
    """A text as one reads it: without escape sequences, in which a secret may be hidden from patterns."""
    return plain(_ESCAPES.sub("", text).replace("\r\n", "\n"))


def bounded(text: str) -> str:
    """The text with its lines cut off where they are absurdly long."""
    if len(text) <= LONGEST:
        return text
    return "\n".join(
        line if len(line) <= LONGEST else f"{line[:LONGEST]} [cut: {len(line) - LONGEST:,} characters]"
        for line in text.split("\n")
    )
