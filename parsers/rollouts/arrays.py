"""Long arrays of numbers taken out of a JSON text before it is decoded.

Of a rollout's bytes most are token ids and log-probabilities. A decoder passes over them number by number; looking for
the bracket that closes an array takes a tenth of that.
"""

from __future__ import annotations

from collections.abc import Collection

#: Bytes from which on an array is worth taking out.
LONG = 128
#: Bytes within which a key's beginning is looked for.
_KEY = 100


def without_arrays(data: bytes, keep: Collection[bytes]) -> bytes:
    """The JSON text with long arrays of numbers, booleans and nulls emptied, but for those under the keys to keep.

    In a text a quote that is not behind a backslash begins or ends a string, so `": [` is a key's end and an array's
    beginning wherever it stands; where the quote is behind a backslash nothing is taken out.
    """
    opening = b'": [' if b'": ' in data[:1024] else b'":['
    pieces = []
    taken = 0
    found = data.find(opening)
    while found >= 0:
        begin = found + len(opening)
        end = data.find(b"]", begin)
        if end < 0:
            break
        after = begin
        if end - begin >= LONG and _is_flat(data, begin, end) and not data.startswith(b"\\", found - 1):
            key = data[data.rfind(b'"', max(0, found - _KEY), found) + 1 : found]
            if key not in keep:
                pieces.append(data[taken:begin])
                taken = after = end
        found = data.find(opening, after)
    if not pieces:
        return data
    pieces.append(data[taken:])
    return b"".join(pieces)


def _is_flat(data: bytes, begin: int, end: int) -> bool:
    """Whether there is no string, object or array in it."""
    return all(data.find(sign, begin, end) < 0 for sign in (b'"', b"{", b"["))
