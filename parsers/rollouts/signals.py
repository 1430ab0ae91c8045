"""Signs that a text is no good, told from a little of it."""

from __future__ import annotations

import zlib

from rli_agent.parsers.lazy_patterns import lazy_pattern

#: Characters that are looked for again.
_PROBE = 12
#: Characters that a text must have to be called repetitive: a short one may well say a thing twice.
ENOUGH = 512
#: A text that is compressed to less than this share says the same again and again: prose and code come to 0.3 to 0.6,
#: a sentence in a loop to 0.03.
REPETITIVE = 0.12
#: A text of which more than this share cannot be read is garbled.
GARBLED = 0.05

# Control characters (but tab and line ends), replacement characters, surrogates by themselves, private use.
_ODD = lazy_pattern("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ud800-\udfff\ue000-\uf8ff]")


def is_repetitive(text: str) -> bool:
    """Whether it says the same again and again."""
    if len(text) < ENOUGH or not _comes_again(text):
        return False
    data = text.encode("utf-8", "replace")
    return len(zlib.compress(data, 1)) < REPETITIVE * len(data)


def _comes_again(text: str) -> bool:
    """Whether its last characters, or some of its middle, come several times: what is that repetitive has no part
    that does not, and looking is cheaper than compressing."""
    half = len(text) // 2
    return text.count(text[-_PROBE:]) > 2 or text.count(text[half : half + _PROBE]) > 2


def is_garbled(text: str) -> bool:
    """Whether it is full of characters that nobody can read."""
    if "\ufffd" not in text and text.replace("\n", " ").replace("\t", " ").isprintable():
        return False
    return len(_ODD.findall(text)) > GARBLED * len(text)
