"""Sends an outbox: batch by batch, several at a time, as fast as allowed, until all is answered.

What is guaranteed when a run is interrupted, and repeated with the same outbox and name:

- stopped (`stop` says so): requests in flight are awaited and written down; nothing is sent twice;
- killed: what was answered is known (see `journal`), what was in flight is sent again.  That is at
  most `in_flight` batches, so with `in_flight=1` at most one; no sender can do better unless the
  destination tells its own, which is why every batch has a key of its own for those that do;
- refused (a key that is not accepted): as if stopped, and FatalError says what was refused.

A batch that is refused for what is in it is halved until the users at fault stand alone; these are
rejected, the others are delivered.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from personalization.connectors.base import (
    BatchRefused,
    Rejected,
    RequestLimits,
    TakesAttributes,
)
from personalization.delivery.journal import ACCEPTED, REJECTED, Journal
from personalization.delivery.outbox import Batch, Outbox, fits, too_long
from personalization.delivery.pacing import TokenBucket
from personalization.delivery.patience import Patience
from personalization.delivery.receipt import Progress
from personalization.delivery.translating import translated
from personalization.errors import FatalError, PersonalizeFlowsError, RetryableError

logger = logging.getLogger(__name__)

# Requests refused in a row, with nobody accepted in between, after which it is not the users: for
# each that may be in flight.  One user at fault among 10,000 makes 14 in a row.
_MAX_REFUSED_IN_A_ROW = 24
_LOOK_AT_STOP_S = 0.1
_PROGRESS_EVERY_S = 1.0


@dataclass
class _Work:
    """A batch, or part of one, and what was tried with it."""

    batch: Batch
    tried: int = 0
    since: float = 0.0
    begun: bool = False  # written down to be sent as it is


class Machine:
    """One delivery in one process."""

    def __init__(
        self,
        connector: TakesAttributes,
        outbox: Outbox,
        journal: Journal,
        *,
        run: str,
        bucket: TokenBucket,
        in_flight: int,
        patience: Patience,
        stop: Callable[[], bool],
        progress: Callable[[Progress], None],
    ) -> None:
        self._connector = connector
        self._limits: RequestLimits = connector.attribute_limits
        self._journal = journal
        self._run = run
        self._bucket = bucket
        self._in_flight = in_flight
        self._patience = patience
        self._stop = stop
        self._progress = progress
        self._batches = _open_batches(outbox, journal, self._limits)
        self._ending = asyncio.Event()
        self._trouble: PersonalizeFlowsError | None = None
        # Users refused one by one before anybody was accepted: written down once somebody is.
        self._doubtful: list[tuple[Batch, Rejected]] = []
        self._refused_in_a_row = 0
        self._retries = 0
        self._not_noted = 0  # requests
        self._rng = random.Random()
        self._began = time.monotonic()

    async def deliver(self) -> None:
        """Return when every line was answered.

        Raises RetryableError if it was stopped or a batch found nobody at home for too long,
        FatalError if nothing more will be taken; either way the same run can be taken up again.
        """
        with translated(self._connector):
            await self._connector.open(self._run)
        complete = False
        try:
            watch = asyncio.create_task(self._watch())
            try:
                await asyncio.gather(*(self._worker() for _ in range(self._in_flight)))
                complete = not self._ending.is_set()
            finally:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch  # raises what `stop` or `progress` raised, if they did
            if self._trouble is None:
                self._settle_doubts()
            self._progress(self.progress())
        finally:
            with translated(self._connector):
                await self._connector.close(complete=complete)
        if self._trouble is not None:
            raise self._trouble
        if not complete:
            raise RetryableError(f"delivery {self._run} was stopped; run it again to go on")

    def progress(self) -> Progress:
        """Return how far it is."""
        return Progress(
            total=sum(map(len, self._journal.answers.values())),
            accepted=self._journal.count(ACCEPTED),
            rejected=self._journal.count(REJECTED),
            requests=self._journal.requests,
            retries=self._retries,
            seconds=time.monotonic() - self._began,
        )

    async def _watch(self) -> None:
        told = time.monotonic()
        try:
            while not self._stop():
                if time.monotonic() - told >= _PROGRESS_EVERY_S:
                    told = time.monotonic()
                    self._progress(self.progress())
                await asyncio.sleep(_LOOK_AT_STOP_S)
        finally:
            self._ending.set()

    async def _worker(self) -> None:
        try:
            while not self._ending.is_set():
                batch = next(self._batches, None)
                if batch is None:
                    return
                await self._settle(batch)
        except PersonalizeFlowsError as error:
            # What cannot be put right weighs more than what may pass.
            if self._trouble is None or isinstance(error, FatalError):
                self._trouble = error
            self._ending.set()

    async def _settle(self, batch: Batch) -> None:
        """Send a batch until each of its lines is answered, or the run is ending."""
        if too_long(batch.lines[0], self._limits):
            reason = f"makes {len(batch.lines[0]):,} bytes, more than a request carries"
            self._note(batch, (Rejected(0, reason),))
            return
        open_work = [_Work(batch, since=time.monotonic())]
        while open_work and not self._ending.is_set():
            work = open_work.pop()
            if not await self._slot():
                return
            if not work.begun:
                self._journal.begin(work.batch.file, work.batch.rows)
                work.begun = True
            work.tried += 1
            self._not_noted += 1
            try:
                with translated(self._connector):
                    delivered = await self._connector.deliver(
                        work.batch.lines, key=work.batch.key(self._run)
                    )
            except RetryableError as error:
                open_work.append(work)
                await self._wait(work, error)
            except BatchRefused as error:
                open_work += self._halved(work, error)
            else:
                if later := self._write_down(work, delivered.rejected):
                    open_work.append(later)
                    await self._wait(later, RetryableError("some users were put off"))

    def _write_down(self, work: _Work, rejected: tuple[Rejected, ...]) -> _Work | None:
        """Write down what was answered for good; return what is to be sent again."""
        last_try = work.tried >= self._patience.attempts
        later = [each.index for each in rejected if each.later and not last_try]
        final = [each for each in rejected if not each.later or last_try]
        if len(rejected) < len(work.batch.rows):
            self._refused_in_a_row = 0
            self._settle_doubts()
        if not later:
            self._note(work.batch, final)
            return None
        put_off = set(later)
        settled = [each for each in range(len(work.batch.rows)) if each not in put_off]
        place = {index: at for at, index in enumerate(settled)}
        if settled:
            moved = [Rejected(place[each.index], each.reason) for each in final]
            self._note(work.batch.part(settled), moved)
        return _Work(work.batch.part(later), work.tried, work.since)

    def _note(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        self._journal.answered(batch.file, batch.rows, rejected, self._not_noted)
        self._not_noted = 0

    def _halved(self, work: _Work, error: BatchRefused) -> list[_Work]:
        """Return the halves of a refused batch; write one user down as rejected."""
        self._refused_in_a_row += 1
        if self._refused_in_a_row > _MAX_REFUSED_IN_A_ROW * self._in_flight:
            raise FatalError(
                f"{self._refused_in_a_row} requests in a row were refused and nobody accepted, so "
                f"it is not the users; the last: {error}"
            ) from error
        size = len(work.batch.rows)
        if size == 1:
            self._doubtful.append((work.batch, Rejected(0, str(error))))
            return []
        logger.warning("a batch of %d was refused and is halved: %s", size, error)
        half = size // 2
        parts = (work.batch.part(range(half, size)), work.batch.part(range(half)))
        return [_Work(part, since=work.since) for part in parts]

    def _settle_doubts(self) -> None:
        for batch, rejected in self._doubtful:
            self._note(batch, (rejected,))
        self._doubtful.clear()

    async def _wait(self, work: _Work, error: RetryableError) -> None:
        """Wait until the batch may be tried again.  Raises `error` if it has been tried enough."""
        self._retries += 1
        asked = error.retry_after_s
        pause = self._patience.pause(work.tried, asked, self._rng)
        waited = time.monotonic() - work.since
        if asked is not None:
            # A destination that says when is not broken: that try does not count.
            work.tried -= 1
        if work.tried >= self._patience.attempts:
            raise error
        if waited + pause > self._patience.give_up_after_s:
            raise error
        if asked is not None:
            self._bucket.hold(asked)
        logger.info("a batch is tried again in %.1f s: %s", pause, error)
        await self._sleep(pause)

    async def _slot(self) -> bool:
        """Wait for a token; return whether the run still goes on."""
        await self._sleep(self._bucket.take())
        return not self._ending.is_set()

    async def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return


def _open_batches(outbox: Outbox, journal: Journal, limits: RequestLimits) -> Iterator[Batch]:
    """Yield what was not answered: first the very batches that were sent, then all other lines.

    So a destination that remembers keys knows a batch again.
    """
    again = [batch for batch in outbox.these(journal.unanswered) if fits(batch, limits)]
    done = dict(journal.answers)
    for batch in again:
        marks = done[batch.file] = bytearray(done[batch.file])
        for row in batch.rows:
            marks[row] = 1
    return chain(again, outbox.batches(limits, done))
