"""The relay: receive, hand over, and only then delete."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from deployments.relay.health import Health
from deployments.relay.logs import facts
from deployments.relay.prefect_api import PrefectApi, Refused
from deployments.relay.queue import Message, Queue
from deployments.relay.stopping import Stop
from personalization.delivery.patience import Patience
from personalization.errors import (
    ConfigError,
    FatalError,
    RetryableError,
    shortened,
)
from personalization.s3_events import read

log = logging.getLogger(__name__)

# Seconds until a message that cannot be set aside comes, and is complained about, again.
LEFT_S: Final = 3600

_Trouble = RetryableError | Refused


@dataclass(frozen=True)
class _Readable:
    message: Message
    events: tuple[dict[str, Any], ...]


class Relay:
    """Relays until asked to stop.  Holds ten messages at most.

    hold_s  seconds for which messages are kept in hand while the server is there, as its health
            says, but takes nothing.  Given back after that, they make room for others and count
            towards the queue's maxReceiveCount; in an outage that health shows none are received.
    """

    def __init__(
        self, queue: Queue, api: PrefectApi, health: Health, *, hold_s: float = 600
    ) -> None:
        self._queue = queue
        self._api = api
        self._health = health
        self._hold_s = hold_s
        # With three of `timeout_s` for a request at worst, messages are kept in hand in time.
        self._patience = Patience(first_s=0.5, slowest_s=queue.visibility_s / 6)
        self._random = random.Random()
        self._tries = 0

    def run(self, stop: Stop) -> None:
        """Relay until asked to stop, and finish what is in hand.

        Raises FatalError if the queue says no for good: it is gone, or we may not read it.
        """
        while not stop:
            try:
                # A message that is received while Prefect is away has used up one of its tries.
                self._api.check()
                messages = self._queue.receive(patiently=not self._health.trouble)
                self._is_well("poll")
                if messages:
                    self._relay(messages, stop)
            except RetryableError as trouble:
                self._wait(trouble, stop)

    def _relay(self, messages: Sequence[Message], stop: Stop) -> None:
        """Hand over what the messages tell of; set aside those that nobody can read."""
        self._health.counts["messages"] += len(messages)
        readable: list[_Readable] = []
        silent: list[Message] = []
        unreadable: list[tuple[Message, str]] = []
        for message in messages:
            try:
                events = tuple(it.event() for it in read(message.body))
            except ConfigError as error:
                unreadable.append((message, str(error)))
                continue
            if events:
                readable.append(_Readable(message, events))
            else:
                silent.append(message)
        # These first: the others may have to wait for Prefect.
        if silent:
            self._queue.delete(silent)
            self._health.counts["silent"] += len(silent)
        for message, why in unreadable:
            self._set_aside(message, why)
        if readable:
            self._hand_over(readable, stop)

    def _hand_over(self, hand: list[_Readable], stop: Stop) -> None:
        """Offer the events until Prefect has them, we are asked to stop, or it takes too long."""
        give_up_at = time.monotonic() + self._hold_s
        while True:
            hand, trouble = self._offer(hand)
            if trouble is None:
                return
            if time.monotonic() < give_up_at:
                self._wait(trouble, stop)
                if not stop:
                    self._queue.keep([it.message for it in hand])
                    continue
            self._give_back(hand, 0, trouble)
            return

    def _offer(self, hand: list[_Readable]) -> tuple[list[_Readable], _Trouble | None]:
        """Offer all in one request, and one by one if it is refused: one may be to blame for all.

        Return what is still in hand, and what the trouble with it is.
        """
        began = time.monotonic()
        try:
            self._api.post([event for it in hand for event in it.events])
        except RetryableError as away:
            return hand, away
        except Refused as refusal:
            if len(hand) > 1:
                return self._one_by_one(hand)
            if not refusal.for_good:
                return hand, refusal
            self._set_aside(hand[0].message, str(refusal))
            return [], None
        self._is_well("delivery")
        self._queue.delete([it.message for it in hand])
        self._count(hand, time.monotonic() - began)
        return [], None

    def _one_by_one(self, hand: list[_Readable]) -> tuple[list[_Readable], _Trouble | None]:
        stumbled: list[_Readable] = []
        trouble: _Trouble | None = None
        for place, one in enumerate(hand):
            self._queue.keep([it.message for it in hand[place:]])
            rest, trouble_of_one = self._offer([one])
            if isinstance(trouble_of_one, RetryableError):
                return stumbled + hand[place:], trouble_of_one
            stumbled += rest
            trouble = trouble_of_one or trouble
        if trouble and len(stumbled) < len(hand):
            # It takes others: these must not hold them up.  Should they never pass, the queue
            # moves them to its dead-letter queue after maxReceiveCount.
            self._give_back(stumbled, self._queue.visibility_s, trouble)
            return [], None
        return stumbled, trouble

    def _set_aside(self, message: Message, why: str) -> None:
        """Move it to the dead-letter queue; where that cannot be, leave it to the queue."""
        known = facts(message=message.id, why=why, body=shortened(message.body))
        try:
            dead_letters = self._queue.dead_letters()
            if dead_letters:
                self._queue.set_aside(message, dead_letters, why)
                self._health.counts["set_aside"] += 1
                log.error("a message was set aside in %s", dead_letters, extra=known)
                return
            problem = "the queue has no dead-letter queue: give it a RedrivePolicy"
        except (ConfigError, FatalError) as error:
            problem = str(error)
        self._health.counts["left"] += 1
        log.error(
            "a message is left in the queue, and comes again in an hour until SQS forgets it: %s",
            problem,
            extra=known,
        )
        self._queue.give_back([message], LEFT_S)

    def _give_back(self, hand: Sequence[_Readable], after_s: int, trouble: _Trouble) -> None:
        self._queue.give_back([it.message for it in hand], after_s)
        self._health.counts["given_back"] += len(hand)
        known = facts(messages=len(hand), after_s=after_s, why=str(trouble))
        log.warning("messages were given back to the queue", extra=known)

    def _wait(self, trouble: _Trouble, stop: Stop) -> None:
        self._tries += 1
        self._health.alive()
        if self._health.trouble != str(trouble):  # said once, however long it lasts
            self._health.trouble = str(trouble)
            log.warning("waiting", extra=facts(why=str(trouble)))
        asked_s = trouble.retry_after_s if isinstance(trouble, RetryableError) else None
        pause_s = self._patience.pause(self._tries, asked_s, self._random)
        stop.wait(min(pause_s, self._patience.slowest_s))

    def _is_well(self, what: str) -> None:
        self._health.happened(what)
        if self._tries:
            log.info("going on", extra=facts(tries=self._tries))
        self._tries = 0

    def _count(self, hand: Sequence[_Readable], took_s: float) -> None:
        objects = [event["payload"] for it in hand for event in it.events]
        self._health.counts["delivered"] += len(hand)
        self._health.counts["events"] += len(objects)
        log.info(
            "delivered",
            extra=facts(
                messages=len(hand),
                events=len(objects),
                ms=round(took_s * 1000),
                receives=max(it.message.receives for it in hand),
                objects=[f"s3://{it['bucket']}/{it['key']}" for it in objects[:10]],
            ),
        )
