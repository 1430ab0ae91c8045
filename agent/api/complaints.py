"""What went wrong, for whoever reads the trainer's log: as Python's `logging` shows warnings."""

from __future__ import annotations

_MOST = 1000
_said: set[str] = set()


def say(text: str) -> None:
    """Log a warning. Raises nothing."""
    try:
        import logging  # late: it takes longer to import than all of this

        logging.getLogger("rli_agent.api").warning("%s", text)
    except Exception:  # nothing that goes wrong here may reach the training
        pass


def left_out(name: object, error: Exception) -> None:
    """Say, once a name, that an event of it could not be made."""
    try:
        told = str(name)[:200]
        if told not in _said and len(_said) < _MOST:
            _said.add(told)
            say(f"{told}: {error}; it is left out")
    except Exception:  # a name that has no text
        pass
