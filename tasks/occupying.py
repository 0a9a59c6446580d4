"""One at a time: runs of a job on one machine, deliveries to a destination on all machines."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
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
from personalization.sync.layout import JobPath
from personalization.waiting import looks
from tasks.artifacts import artifact_key

logger = logging.getLogger(__name__)

# A lease that nobody renews is given up by the server after so long; it allows no less.
# Source: prefect 3.8, server/api/concurrency_limits_v2.py, `lease_duration` (60 to 86,400).
_LEASE_S: Final = 60.0
_RENEW_S: Final = 15.0


def one_run(job: JobPath, parameters: SyncParameters) -> AbstractContextManager[int]:
    """Keep other runs of the job on this machine waiting: they share its folder."""
    return alone(f"job {job.folder}", settings().work_dir / "locks", parameters.waiting)


def one_delivery(name: str, parameters: SyncParameters) -> AbstractContextManager[None]:
    """Keep all others from delivering to the destination."""
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


@contextmanager
def one_delivery_to(destination: str, folder: Path, waiting: Waiting) -> Iterator[None]:
    """Wait until nobody else delivers to the destination, and occupy it.

    Everybody who has the same Prefect server is kept apart by a global concurrency limit named
    `destination-<name>`, made if it is not there.  It is held by a lease; that of a process of this
    machine that was killed is given back at once, others end within a minute.
    """
    limit = artifact_key("destination", destination)
    with alone(limit, folder, waiting) as file, get_client(sync_client=True) as client:
        if left := os.pread(file, 100, 0).decode():  # by a process that is dead: we have its lock
            client.release_concurrency_slots_with_lease(UUID(left))
        _make(client, limit)
        lease: list[UUID] = []
        _wait(limit, lambda: _leased(client, limit, lease), waiting)
        os.pwrite(file, str(lease[0]).encode(), 0)
        done = threading.Event()
        renewing = threading.Thread(
            # Which server it is stands in the context, and a thread begins with an empty one.
            target=copy_context().run,
            args=(_renew, lease[0], done),
            daemon=True,
        )
        renewing.start()
        try:
            yield
        finally:
            done.set()
            client.release_concurrency_slots_with_lease(lease[0])
            os.ftruncate(file, 0)


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


def _make(client: SyncPrefectClient, limit: str) -> None:
    try:
        client.read_global_concurrency_limit_by_name(limit)
    except ObjectNotFound:
        with suppress(ObjectAlreadyExists):
            client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=limit, limit=1)
            )


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


def _renew(lease: UUID, done: threading.Event) -> None:
    with get_client(sync_client=True) as client:
        while not done.wait(_RENEW_S):
            try:
                client.renew_concurrency_lease(lease, _LEASE_S)
            except (httpx.HTTPError, PrefectException) as error:
                logger.warning("the lease could not be renewed: %s", shortened(error))
