"""What the name of a setting says of its value: whether it is a secret, whoever made it."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

#: Words of which one alone makes a value a secret.
_SECRET = frozenset({
    "password", "passwd", "passwort", "pwd", "passphrase", "passcode", "secret", "secrets", "apikey", "credential",
    "credentials", "privatekey", "accesskey", "secretkey", "authtoken", "accesstoken", "authkey", "dsn", "cookie",
    "cookies", "webhook", "otp", "totp", "pat", "authorization", "pgpassword",
})  # fmt: skip
#: Pairs of words that do.
_PAIRS = frozenset({
    ("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("signing", "key"), ("account", "key"),
    ("encryption", "key"), ("ssh", "key"), ("master", "key"), ("license", "key"), ("session", "key"), ("auth", "key"),
    ("service", "key"), ("wandb", "key"), ("hf", "key"), ("openai", "key"), ("anthropic", "key"), ("client", "key"),
    ("connection", "string"), ("storage", "key"), ("shared", "key"), ("swanlab", "key"), ("comet", "key"),
    ("access", "token"), ("auth", "token"), ("api", "token"), ("bot", "token"), ("hf", "token"), ("hub", "token"),
    ("github", "token"), ("gitlab", "token"), ("refresh", "token"), ("bearer", "token"), ("secret", "token"),
    ("session", "token"), ("slack", "token"), ("service", "token"), ("registry", "token"), ("deploy", "token"),
    ("deploy", "key"), ("consumer", "key"), ("subscription", "key"), ("app", "key"), ("auth", "header"),
})  # fmt: skip
#: Last words that make it one, if it looks like one: models have tokens and dictionaries have keys, too.
_PERHAPS = frozenset({"token", "key", "auth", "signature", "jwt", "bearer", "sid", "nonce", "salt", "seedphrase"})
#: Words before `token` that make it a model's.
_OF_MODELS = frozenset({
    "eos", "bos", "pad", "unk", "sep", "cls", "mask", "stop", "image", "video", "audio", "special", "start", "end",
    "per", "think", "tool", "next", "first", "last", "max", "min", "num", "new", "decoder", "sot", "eot", "im", "chat",
})  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
#: Values that hide nothing.
_PLAIN = re.compile(
    r"(?i)|none|null|nil|true|false|yes|no|on|off|auto|default|unset|empty|not ?set|required|optional|n/?a"
    r"|[-+]?[\d.,]+(?:e[-+]?\d+)?|\*+|x{3,}|\.{3,}|…|<[^<>]{0,60}>|\$\w+|\$\{[\w.:]*\}?|\$\{\{[^}]*\}\}|\[redacted.*|str|int|bool|float"
)


def is_secret(key: str, value: str) -> bool:
    """Whether a value of this name is to be cut."""
    value = value.strip()
    if _PLAIN.fullmatch(value) or (key.upper() in ("PWD", "OLDPWD") and value.startswith("/")):
        return False
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words:
        return False
    if _SECRET.intersection(words) or not _PAIRS.isdisjoint(pairwise(words)):
        return words[-1] not in ("file", "path", "name", "length", "len", "count", "id", "type", "env", "policy")
    last = words[-1]
    if last not in _PERHAPS or (last == "token" and _OF_MODELS.intersection(words[:-1])):
        return False
    return looks_random(value, 10)


def looks_random(text: str, least: int) -> bool:
    """Whether a text of at least so many characters is none that a person wrote: letters and digits mixed, hardly any
    twice."""
    if len(text) < least or " " in text:
        return False
    classes = sum(any(test(c) for c in text) for test in (str.islower, str.isupper, str.isdigit))
    return classes >= 2 and any(c.isdigit() for c in text) and entropy(text) >= min(3.0, math.log2(len(text)) * 0.75)


def entropy(text: str) -> float:
    """Bits a character, by how often each occurs in the text itself."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
