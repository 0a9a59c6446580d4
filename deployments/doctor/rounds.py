"""All checks, in the order in which mending makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from prefect.client.orchestration import SyncPrefectClient

from blocks.settings import Settings, settings
from deployments.doctor import (
    account,
    bucket,
    destinations,
    identity,
    listeners,
    machine,
    prefect_side,
    role,
    uploads,
)
from deployments.doctor.outcome import Outcome, Seen, examined, good, not_checked
from personalization.aws import Clients


def examine(
    clients: Clients, api: SyncPrefectClient | None, *, bucket_name: str | None
) -> Iterator[Outcome]:
    """Yield what each check says; what cannot be asked for want of something else is left out.

    api  None if no server is set
    """
    known = settings()
    yield examined("Python", machine.python)
    yield examined("dependencies", machine.pins)
    yield examined("work folder", partial(machine.work_dir, known.work_dir))
    there = examined("Prefect", partial(prefect_side.server, api))
    yield there
    prefect = api if there.status == "ok" else None
    if prefect is not None:
        yield from _prefect(prefect, known.work_pool, bucket_name)
    yield from _aws(clients, bucket_name, known)
    if prefect is not None:
        yield from _destinations(prefect, clients)


def _prefect(api: SyncPrefectClient, pool: str, bucket_name: str | None) -> Iterator[Outcome]:
    yield examined("Prefect versions", partial(prefect_side.versions, api))
    yield examined("work pool", partial(prefect_side.work_pool, api, pool))
    yield examined("deployments", partial(prefect_side.deployments, api, bucket_name))
    yield examined("sweep", partial(prefect_side.sweep, api, bucket_name))
    yield examined("automations", partial(prefect_side.automations, api))


def _aws(clients: Clients, name: str | None, known: Settings) -> Iterator[Outcome]:
    us = examined("credentials", partial(account.credentials, clients))
    yield us
    if us.status != "ok":
        yield examined("AWS", lambda: not_checked("the credentials do not work"))
        return
    yield examined("region", partial(account.region, clients))
    yield examined("quotas", partial(account.quotas, clients))
    yield examined("role", partial(role.trust, clients, known.role_arn))
    yield examined("role's policies", partial(role.access, clients, known.role_arn, name))
    yield examined("topic", partial(listeners.topic, clients, known.sns_topic))
    yield examined("event bus", partial(listeners.bus, clients, known.event_bus))
    yield examined("metrics", partial(listeners.namespace, clients, known.metrics_namespace))
    there = examined("bucket", partial(bucket.place, clients, name))
    yield there
    if name is None or there.status != "ok":
        return
    yield examined("our policies", partial(identity.leave, clients, name, known))
    yield examined("versioning", partial(bucket.versioning, clients, name))
    yield examined("bucket policy", partial(bucket.policy, clients, name))
    ways: list[uploads.Ways] = []

    def notifications() -> Seen:
        ways.append(uploads.ways(clients, name))
        return uploads.notifications(ways[0], name)

    yield examined("uploads", notifications)
    if ways:
        yield examined("queue", partial(uploads.queue, clients, ways[0]))
        yield examined("dead letters", partial(uploads.dead_letters, clients, ways[0]))


def _destinations(api: SyncPrefectClient, clients: Clients) -> Iterator[Outcome]:
    names: list[str] = []

    def count() -> Seen:
        names.extend(destinations.saved(api))
        return good(f"{len(names)} saved")

    yield examined("destinations", count)
    for name, check in destinations.checks(names, clients):
        yield examined(name, check)
