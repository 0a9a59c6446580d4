"""Looking again until something is finished: ever more slowly, and not for ever."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from personalization.errors import FatalError, RetryableError
from personalization.parameters import Waiting

T = TypeVar("T")
logger = logging.getLogger(__name__)

# Each pause is this much longer than the one before.
_SLOWER = 1.5


@dataclass(frozen=True)
class Stay:
    """How long one process stays with a wait that other processes began or will go on with.

    began          when the waiting began, in whichever process; None: it begins now
    leave_after_s  seconds after which what was asked for is left to a later process; None: never
    """

    began: dt.datetime | None = None
    leave_after_s: float | None = None

    @property
    def waited_s(self) -> float:
        """How long was waited before this moment."""
        return _seconds_since(self.began) if self.began else 0.0

    def is_over(self, asked_at: Iterable[dt.datetime]) -> bool:
        """Whether to leave what was asked for at these times; `began` stands in for none."""
        if self.leave_after_s is None:
            return False
        last = max(asked_at, default=self.began)
        return last is not None and _seconds_since(last) >= self.leave_after_s


def _seconds_since(moment: dt.datetime) -> float:
    return (dt.datetime.now(dt.UTC) - moment).total_seconds()


def pauses(waiting: Waiting) -> Iterator[float]:
    """Yield seconds between looks: from `first_look_s`, growing, to `slowest_look_s`."""
    pause = waiting.first_look_s
    while True:
        yield pause
        pause = min(pause * _SLOWER, waiting.slowest_look_s)


def looks(
    look: Mapping[str, Callable[[], T]],
    finished: Callable[[T], bool],
    waiting: Waiting,
    *,
    waited_s: float = 0.0,
    leave: Callable[[Mapping[str, T]], bool] = lambda _: False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[dict[str, T]]:
    """Look at many things until all are finished; yield what was seen after every round.

    look      name → one look at that thing; a RetryableError counts as "not seen this time"
    finished  whether a thing need not be looked at again
    waited_s  seconds that count as waited already
    leave     whether to stop here, by what was last seen of the things that are not finished
    A thing whose look raises FatalError is not looked at again; that error is raised when all the
    others are finished, or one FatalError for several of them.  Raises FatalError when the time is
    up, too: what goes on elsewhere is then still going on.
    """
    seen: dict[str, T] = {}
    refused: dict[str, FatalError] = {}
    open_names = set(look)
    end = clock() + waiting.give_up_after_s - waited_s
    pause = pauses(waiting)
    while open_names:
        for name in sorted(open_names):
            try:
                seen[name] = look[name]()
            except RetryableError as error:
                logger.warning("could not look at %s this time: %s", name, error)
                continue
            except FatalError as error:
                refused[name] = error
                open_names.discard(name)
                continue
            if finished(seen[name]):
                open_names.discard(name)
        yield dict(seen)
        if open_names:
            if clock() >= end:
                raise FatalError(
                    f"gave up after {waiting.give_up_after_s:g} s of waiting for "
                    f"{', '.join(sorted(open_names))}; the work goes on where it is: run again to "
                    "take it up, or raise waiting.give_up_after_s"
                    + "".join(f"; {name}: {error}" for name, error in refused.items())
                )
            if leave({name: seen[name] for name in open_names if name in seen}):
                return
            sleep(min(next(pause), max(end - clock(), 0)))
    if len(refused) == 1:
        raise next(iter(refused.values()))
    if refused:
        said = "; ".join(f"{name}: {error}" for name, error in refused.items())
        raise FatalError(f"{len(refused)} things went wrong: {said}")
