"""A job's way through its stages while its work is really done, in a thread of its own."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence

from personalization.local.pace import Pace

logger = logging.getLogger(__name__)


class Stages:
    """Says which stage a job is in: some before the work, one during it, the rest by its outcome.

    before   stages that are passed through while the work may already be going on
    working  the stage that lasts until the work is done
    work     does it and returns the stages that follow, the last of which stays
    crashed  the stages that follow if `work` raises; the traceback goes to the log
    """

    def __init__(
        self,
        before: Sequence[str],
        working: str,
        work: Callable[[], Sequence[str]],
        crashed: Sequence[str],
        pace: Pace,
    ) -> None:
        self._until_done = (*before, working)
        self._work = work
        self._after: Sequence[str] = crashed
        self._pace = pace
        self._looks = 0
        self._began = time.monotonic()
        self._ended = self._began
        self._thread = threading.Thread(target=self._run, name=f"{working.lower()}", daemon=True)

    def start(self) -> None:
        """Begin the work.  Call once."""
        self._thread.start()

    @property
    def working(self) -> bool:
        """Whether the work still goes on, whatever stage the job shows."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Return when the work is done."""
        self._thread.join()

    def look(self) -> str:
        """Return the stage that a caller who asks now is told; counts as a look at the job."""
        self._looks += 1
        return self.glance()

    def glance(self) -> str:
        """Return the stage without counting, as when jobs are listed."""
        return self._by_clock() if self._pace.looks is None else self._by_looks(self._pace.looks)

    def _by_looks(self, each: int) -> str:
        index = max(0, self._looks - 1) // each if each else sys.maxsize
        if index < len(self._until_done):
            return self._until_done[index]
        self._thread.join()
        return self._following(index - len(self._until_done))

    def _by_clock(self) -> str:
        seconds = self._pace.seconds
        due = self._began + seconds * len(self._until_done)
        now = time.monotonic()
        if now < due:
            return self._until_done[int((now - self._began) / seconds)]
        if self._thread.is_alive():
            return self._until_done[-1]
        since = now - max(due, self._ended)
        return self._following(int(since / seconds) if seconds else len(self._after))

    def _following(self, index: int) -> str:
        return self._after[min(index, len(self._after) - 1)]

    def _run(self) -> None:
        try:
            self._after = self._work()
        except Exception:  # the boundary of the thread: the job fails, the log says why
            logger.exception("a job of the local AWS broke while %s", self._until_done[-1])
        self._ended = time.monotonic()
