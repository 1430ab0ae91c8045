"""Freed memory is kept for what is read next instead of being given back to the kernel after each turn."""

from __future__ import annotations

import contextlib
import ctypes

#: glibc's parameters of mallopt(3), and bytes of freed memory above which they have it given back.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _KEPT = -1, -3, 32 << 20


def keep_freed() -> None:
    """From now on. Silently not where the C library knows of no such thing."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            library.mallopt(parameter, _KEPT)


def give_back() -> None:
    """What is kept so far."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
