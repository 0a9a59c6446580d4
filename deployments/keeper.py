"""Keep programs running: one that ends is started again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from deployments.processes import Program, Service, end
from personalization.errors import FatalError

log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
# Who has run for so long was well: the next start waits no longer than the first.
_WELL_AFTER_S: Final = 60.0


@dataclass
class _Kept:
    """A program, its process, and when it may be started again if that has ended."""

    program: Program
    service: Service
    again: bool
    began: float
    pause_s: float = _FIRST_PAUSE_S
    start_at: float | None = None


@dataclass
class Keeper:
    """Starts programs, starts those again that end, and ends all of them.

    changed  is called with the processes whenever one has been started
    """

    changed: Callable[[list[Service]], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    _kept: list[_Kept] = field(default_factory=list)
    _left: list[Service] = field(default_factory=list)

    def start(self, program: Program, *, again: bool = True) -> Service:
        """Start a program; `again`: also when it has ended, which else ends the keeping of all."""
        service = program.start()
        self._kept.append(_Kept(program, service, again, self.clock()))
        self.changed(self.services)
        return service

    @property
    def services(self) -> list[Service]:
        """The processes as they are now, in the order in which they were first started."""
        return [it.service for it in self._kept]

    def watch(self, stop: threading.Event, every_s: float = 0.5) -> None:
        """Start again what ends, until `stop` is set.

        Raises FatalError, with the end of its log, if something ends that is not started again.
        """
        while not stop.wait(every_s):
            self.look()

    def look(self) -> None:
        """Look at each program once, as `watch` does again and again."""
        for it in self._kept:
            self._look_after(it)

    def close(self) -> None:
        """End all, the last started first, and what was left by those that had ended."""
        for service in [*reversed(self.services), *self._left]:
            end(service.child)
        self._kept.clear()
        self._left.clear()

    def _look_after(self, it: _Kept) -> None:
        now = self.clock()
        status = it.service.child.poll()
        if status is None:
            return
        if not it.again:
            raise FatalError(f"{it.program.name} ended with status {status}; {it.service}")
        if it.start_at is None:
            if now - it.began > _WELL_AFTER_S:
                it.pause_s = _FIRST_PAUSE_S
            log.warning(
                "%s ended with status %s; it is started again in %g s",
                it.program.name,
                status,
                it.pause_s,
            )
            it.start_at = now + it.pause_s
            it.pause_s = min(it.pause_s * 2, _LONGEST_PAUSE_S)
        elif now >= it.start_at:
            if it.program.outlived:
                self._left.append(it.service)
            else:
                end(it.service.child)  # what it may have left
            it.service, it.began, it.start_at = it.program.start(), now, None
            self.changed(self.services)
