"""Errors that a user can mend: printed as one line, never with a traceback."""

from __future__ import annotations


class UserError(Exception):
    """What happened and where; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
