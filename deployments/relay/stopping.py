"""A wish to stop that a signal handler may voice."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue


class Stop:
    """False until somebody asks to stop.

    threading.Event would not do: its lock is not reentrant, so a signal that comes while the same
    thread waits could hold it for ever.  SimpleQueue.put is reentrant by its documentation.
    """

    def __init__(self) -> None:
        self._asked = False
        self._bell: SimpleQueue[None] = SimpleQueue()

    def ask(self, *_: object) -> None:
        """Ask to stop; fit to be a signal handler."""
        self._asked = True
        self._bell.put(None)

    def __bool__(self) -> bool:
        return self._asked

    def wait(self, seconds: float) -> None:
        """Wait so long, or until somebody asks to stop."""
        if not self._asked:
            with suppress(Empty):
                self._bell.get(timeout=seconds)
