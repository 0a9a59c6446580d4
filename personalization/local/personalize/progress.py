"""Where a resource stands on its way from being asked for to being there.

States are worked out when somebody looks; only the work itself has a thread.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, wait
from typing import Any, Final

from personalization.errors import PersonalizeFlowsError
from personalization.local.pace import Pace

logger = logging.getLogger(__name__)

PENDING: Final = "CREATE PENDING"
IN_PROGRESS: Final = "CREATE IN_PROGRESS"
ACTIVE: Final = "ACTIVE"
FAILED: Final = "CREATE FAILED"
STOPPING: Final = "CREATE STOPPING"
STOPPED: Final = "CREATE STOPPED"
GONE: Final = "GONE"  # not a state of Personalize: from here on the resource is not found

CREATING: Final = (PENDING, IN_PROGRESS, ACTIVE)
DELETING: Final = ("DELETE PENDING", "DELETE IN_PROGRESS", GONE)
SETTLED: Final = frozenset({ACTIVE, FAILED, STOPPED})


class Progress:
    """The states in order, and the work that the last of them waits for.

    A failure of the work makes the last state `CREATE FAILED`, with its message as the reason.
    """

    def __init__(
        self, pace: Pace, states: tuple[str, ...] = CREATING, work: Future[Any] | None = None
    ) -> None:
        self._pace = pace
        self._states = states
        self._work = work
        self._lock = threading.Lock()
        self._index = 0
        self._looks = 0
        self._since = dt.datetime.now(dt.UTC)
        self._finished = self._since
        if work is not None:
            work.add_done_callback(self._note_the_time)

    @property
    def state(self) -> str:
        """The state now, without counting as a look and without waiting."""
        with self._lock:
            self._advance()
            return self._shown()

    def look(self) -> str:
        """Return the state and count the look; wait for the work if only that is missing."""
        if self._pace.looks is not None and self._work is not None and self._lacks_only_work():
            wait([self._work])
        with self._lock:
            self._advance(by_look=True)
            self._looks += 1
            return self._shown()

    @property
    def since(self) -> dt.datetime:
        """When the present state began."""
        with self._lock:
            self._advance()
            return self._since

    @property
    def failure(self) -> str | None:
        """Why it failed, once it has."""
        if self.state != FAILED or (error := self._error()) is None:
            return None
        known = isinstance(error, PersonalizeFlowsError)
        return str(error) if known else f"Internal error of the local AWS: {error!r}; see its log"

    def divert(self, states: tuple[str, ...]) -> None:
        """Take another way from here; the work is cancelled if it has not begun."""
        with self._lock:
            if self._work is not None:
                self._work.cancel()
            self._work = None
            self._states, self._index, self._looks = states, 0, 0
            self._since = dt.datetime.now(dt.UTC)

    def _note_the_time(self, _: Future[Any]) -> None:
        self._finished = dt.datetime.now(dt.UTC)

    def _lacks_only_work(self) -> bool:
        with self._lock:
            return self._index == len(self._states) - 2 and self._looks >= (self._pace.looks or 0)

    def _advance(self, *, by_look: bool = False) -> None:
        while self._index < len(self._states) - 1:
            work = self._work if self._index == len(self._states) - 2 else None
            if work is not None and not work.done():
                return
            if self._pace.looks is not None:
                if not by_look or self._looks < self._pace.looks:
                    return
                self._since = dt.datetime.now(dt.UTC)
            else:
                left = self._since + dt.timedelta(seconds=self._pace.seconds)
                if left > dt.datetime.now(dt.UTC):
                    return
                self._since = left if work is None else max(left, self._finished)
            self._index += 1
            self._looks = 0

    def _shown(self) -> str:
        state = self._states[self._index]
        return FAILED if state == ACTIVE and self._error() is not None else state

    def _error(self) -> BaseException | None:
        if self._work is None or not self._work.done():
            return None
        return CancelledError() if self._work.cancelled() else self._work.exception()


def start(executor: Executor, what: str, work: Callable[[], Any]) -> Future[Any]:
    """Begin the work of `what` in the background; unforeseen failures are logged with a trace.

    No failure is lost: the future keeps it, and `Progress` tells it.
    """

    def run() -> Any:
        try:
            return work()
        except PersonalizeFlowsError:
            raise  # its message is the failureReason
        except Exception:
            logger.exception("the work of %s failed unexpectedly", what)
            raise

    return executor.submit(run)
