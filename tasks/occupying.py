"""One at a time: runs of a job on one machine; on all machines, deliveries to a destination and
decisions about what costs money."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectException

from blocks.settings import settings
from personalization.errors import FatalError, RetryableError, shortened
from personalization.parameters import SyncParameters, Waiting
from personalization.resources import Resource
from personalization.resources.kinds import PAID
from personalization.sync.layout import JobPath
from personalization.waiting import looks
from tasks.artifacts import artifact_key

logger = logging.getLogger(__name__)

# A lease that nobody renews is given up by the server after so long; it allows no less.
# Source: prefect 3.8, server/api/concurrency_limits_v2.py, `lease_duration` (60 to 86,400).
_LEASE_S: Final = 60.0
_RENEW_S: Final = 15.0
# Answers of a server that will not make another limit: no permission, no such thing, too many.
_NO_LIMITS: Final = frozenset({401, 402, 403, 404, 405, 422})
# To decide takes some calls; who has died in the midst of it is passed over when the lease ends.
_DECIDING: Final = Waiting(first_look_s=0.2, slowest_look_s=2, give_up_after_s=3 * _LEASE_S)


Lost = Callable[[], bool]


def one_run(job: JobPath, parameters: SyncParameters) -> AbstractContextManager[object]:
    """Keep others from running the job on this machine: they share its folder, but for dry runs."""
    if parameters.dry_run:
        return nullcontext()
    return alone(f"job {job.folder}", settings().work_dir / "locks", parameters.waiting)


def one_delivery(name: str, parameters: SyncParameters) -> AbstractContextManager[Lost]:
    """Keep all others from delivering to the destination, as `one_delivery_to` does."""
    return one_delivery_to(name, settings().work_dir / "locks", parameters.waiting)


@contextmanager
def alone(what: str, folder: Path, waiting: Waiting) -> Iterator[int]:
    """Wait until no other process of this machine does `what`; yield the open lock file.

    The lock goes with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(what.encode()).hexdigest()[:12]
    file = os.open(folder / f"{digest}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(what, lambda: _locked(file), waiting)
        yield file
    finally:
        os.close(file)


def one_decision(resource: Resource) -> AbstractContextManager[object]:
    """Keep all others from deciding about what this resource is, while that may cost money.

    Names of jobs tell when their run began, so that Personalize would take the same job twice from
    two runs.  Who comes second finds what the first has asked for.
    """
    kind = resource.kind
    if kind not in PAID:
        return nullcontext()
    limit = artifact_key("deciding", kind.name, resource.references[kind.parent].partition("/")[2])
    return _one_everywhere(limit, settings().work_dir / "locks", _DECIDING, or_here=True)


def one_delivery_to(
    destination: str, folder: Path, waiting: Waiting
) -> AbstractContextManager[Lost]:
    """Wait until nobody else delivers to the destination, and occupy it."""
    return _one_everywhere(artifact_key("destination", destination), folder, waiting)


@contextmanager
def _one_everywhere(
    limit: str, folder: Path, waiting: Waiting, *, or_here: bool = False
) -> Iterator[Lost]:
    """Wait until nobody else has it, and have it.

    Yields what says whether it was lost: the server could not be told for so long that it gives it
    to others.

    Everybody who has the same Prefect server is kept apart by a global concurrency limit of that
    name, made if it is not there.  It is held by a lease; that of a process of this machine that
    was killed is given back at once, others end within a minute.
    or_here  where the server makes no such limits, to keep this machine's runs apart is enough
    """
    with alone(limit, folder, waiting) as file, get_client(sync_client=True) as client:
        if not _make(client, limit, or_here=or_here):
            yield lambda: False
            return
        if left := os.pread(file, 100, 0).decode():  # by a process that is dead: we have its lock
            _give_back(client, left)
        lease: list[UUID] = []
        _wait(limit, lambda: _leased(client, limit, lease), waiting)
        os.pwrite(file, str(lease[0]).encode(), 0)
        done, lost = threading.Event(), threading.Event()
        renewing = threading.Thread(
            # Which server it is stands in the context, and a thread begins with an empty one.
            target=copy_context().run,
            args=(_renew, lease[0], done, lost),
            daemon=True,
        )
        renewing.start()
        try:
            yield lost.is_set
        finally:
            done.set()
            _give_back(client, str(lease[0]))
            os.ftruncate(file, 0)


@contextmanager
def stopped_for_good(destination: str, lost: Lost) -> Iterator[None]:
    """Let nobody try again in this run what was stopped because the destination was lost."""
    try:
        yield
    except RetryableError as error:
        if not lost():
            raise
        raise FatalError(
            f"Prefect could not be told that {destination} is still in use, and may have given it "
            "to another run, so nothing more was sent; see that the server can be reached, then "
            "run again to go on"
        ) from error


def _wait(what: str, is_mine: Callable[[], bool], waiting: Waiting) -> None:
    if is_mine():
        return
    logger.info("waiting: another run has %s", what)
    try:
        for _ in looks({what: is_mine}, bool, waiting):
            pass
    except FatalError as error:
        raise RetryableError(
            f"another run still has {what}; wait for it, or look in Prefect's UI whether it hangs "
            "(`prefect gcl` shows and resets limits)"
        ) from error


def _make(client: SyncPrefectClient, limit: str, *, or_here: bool) -> bool:
    """Make the limit if it is not there; return whether it is there now."""
    try:
        try:
            client.read_global_concurrency_limit_by_name(limit)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):
                client.create_global_concurrency_limit(
                    GlobalConcurrencyLimitCreate(name=limit, limit=1)
                )
    except (httpx.HTTPError, PrefectException) as error:
        if or_here and _makes_none(error):
            logger.warning(
                "Prefect makes no global concurrency limit (%s): only runs of this machine are "
                "kept from asking for the same at the same moment",
                shortened(error),
            )
            return False
        raise RetryableError(f"Prefect gives no {limit}: {shortened(error)}") from error
    return True


def _makes_none(error: Exception) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in _NO_LIMITS


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leased(client: SyncPrefectClient, limit: str, lease: list[UUID]) -> bool:
    try:
        answer = client.increment_concurrency_slots_with_lease(
            names=[limit], slots=1, mode="concurrency", lease_duration=_LEASE_S
        )
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.LOCKED:
            return False
        raise RetryableError(f"Prefect gives no {limit}: {shortened(error)}") from error
    lease.append(UUID(answer.json()["lease_id"]))
    return True


def _renew(lease: UUID, done: threading.Event, lost: threading.Event) -> None:
    renewed = time.monotonic()
    try:
        with get_client(sync_client=True) as client:
            while not done.wait(_RENEW_S):
                try:
                    client.renew_concurrency_lease(lease, _LEASE_S)
                    renewed = time.monotonic()
                except (httpx.HTTPError, PrefectException) as error:
                    logger.warning("the lease could not be renewed: %s", shortened(error))
                    # Early enough that what is in flight ends before somebody else begins.
                    if _is_gone(error) or time.monotonic() - renewed > _LEASE_S - 2 * _RENEW_S:
                        return
    finally:
        if not done.is_set():
            lost.set()


def _is_gone(error: Exception) -> bool:
    codes = (httpx.codes.NOT_FOUND, httpx.codes.GONE)
    return isinstance(error, ObjectNotFound) or (
        isinstance(error, httpx.HTTPStatusError) and error.response.status_code in codes
    )


def _give_back(client: SyncPrefectClient, lease: str) -> None:
    try:
        client.release_concurrency_slots_with_lease(UUID(lease))
    except ValueError:  # it was written down by halves, and ends by itself
        return
    except (httpx.HTTPError, PrefectException) as error:
        logger.warning("a lease is not given back, and ends by itself: %s", shortened(error))
