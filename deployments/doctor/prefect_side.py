"""Prefect: its server, the work pool, the deployments, the automations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import prefect
from packaging.version import Version
from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType, WorkerStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from deployments.doctor.outcome import Seen, bad, good, not_checked
from flows import FLOWS
from personalization import routes
from personalization.errors import shortened

_DEPLOY: Final = "run `prefect deploy --all`"
_BUCKET: Final = "PERSONALIZE_BUCKET"
# A sweep comes every quarter of an hour.
_RARE: Final = dt.timedelta(hours=1)
_APPLY: Final = "run `personalize automations apply`"
# What automations are for, told by what they do: they may be named as one likes.
_NEEDED: Final = {
    "resume-flow-run": "none resumes runs that wait for Personalize",
    "change-flow-run-state": "none ends runs whose process is gone",
}
_ACTION_FAILED: Final = "prefect.automation.action.failed"


def server(client: SyncPrefectClient | None) -> Seen:
    """Ask the server whether it is there."""
    if client is None:
        return bad(
            "PREFECT_API_URL is not set: each run starts a server of its own, and nothing starts "
            "by itself",
            "set PREFECT_API_URL, such as http://127.0.0.1:4200/api",
        )
    if error := client.api_healthcheck():
        return bad(
            f"{client.api_url} does not answer: {shortened(error) or type(error).__name__}",
            "start it with `prefect server start`, or correct PREFECT_API_URL and PREFECT_API_KEY",
        )
    return good(f"{client.api_url} answers")


def versions(client: SyncPrefectClient) -> Seen:
    """Hold the server's version against ours.  A server may be newer, but not older."""
    if client.server_type is ServerType.CLOUD:
        return good("Prefect Cloud takes every client")
    return fit(client.api_version(), prefect.__version__)


def fit(there: str, here: str) -> Seen:
    """Hold a server's version against a client's."""
    seen = f"server {there}, client {here}"
    if Version(there).release[:2] == Version(here).release[:2]:
        return good(seen)
    return bad(seen, "install the same 3.x on both: `pip install -r requirements.txt`")


def work_pool(client: SyncPrefectClient, name: str) -> Seen:
    """Look at the pool, and for a worker that is alive."""
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        return bad(
            f"there is no work pool {name}",
            f"run `prefect work-pool create {name} --type process`, or set PERSONALIZE_WORK_POOL",
        )
    if pool.is_paused:
        return bad(f"{name} is paused", f"run `prefect work-pool resume {name}`")
    workers = client.read_workers_for_work_pool(name)
    alive = [it.name for it in workers if it.status is WorkerStatus.ONLINE]
    if not alive:
        return bad(
            f"no worker of {name} is alive ({len(workers)} known)",
            f"run `prefect worker start --pool {name}`",
        )
    return good(f"{name}, of type {pool.type}: {len(alive)} worker(s) alive")


def deployments(client: SyncPrefectClient, bucket: str | None) -> Seen:
    """Look for a deployment of every flow, and at the bucket of those that an upload calls for."""
    missing: list[str] = []
    deaf: list[str] = []
    elsewhere: set[str] = set()
    for flow in FLOWS:
        try:
            deployment = client.read_deployment_by_name(f"{flow}/{flow}")
        except ObjectNotFound:
            missing.append(flow)
            continue
        if flow not in routes.FLOWS:
            continue  # others start it, or it has a schedule
        related = client.read_resource_related_automations(f"prefect.deployment.{deployment.id}")
        buckets = heard_buckets([it for it in related if it.enabled])
        if not buckets:
            deaf.append(flow)
        elif bucket and buckets != {bucket}:
            elsewhere |= buckets - {bucket}
    if missing:
        return bad(f"not deployed: {', '.join(missing)}", _DEPLOY)
    if deaf:
        return bad(f"no trigger hears of uploads for: {', '.join(deaf)}", _DEPLOY)
    if elsewhere:
        return bad(
            f"triggers wait for uploads to {', '.join(sorted(elsewhere))}, not {bucket}",
            f"{_DEPLOY} with {_BUCKET}={bucket}",
        )
    return good(f"{len(FLOWS)} deployments, {len(routes.FLOWS)} of which hear of uploads")


def sweep(client: SyncPrefectClient, bucket: str | None) -> Seen:
    """Look whether what nobody works on is looked for: in our bucket, again and again, of late."""
    try:
        deployment = client.read_deployment_by_name("sweep/sweep")
    except ObjectNotFound:
        return not_checked("it is not deployed")
    looks_in = (deployment.parameters.get("parameters") or {}).get("bucket")
    if bucket and looks_in != bucket:
        return bad(f"it looks in {looks_in}, not {bucket}", f"{_DEPLOY} with {_BUCKET}={bucket}")
    if deployment.paused or not any(it.active for it in deployment.schedules):
        return bad("its schedule is off", "turn it on under Deployments in Prefect's UI")
    ended = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED]))
        ),
        sort=FlowRunSort.END_TIME_DESC,
        limit=1,
    )
    if not ended or not (end := ended[0].end_time):
        return not_checked("none has ended well yet; one starts every quarter of an hour")
    age = dt.datetime.now(dt.UTC) - end
    if age > _RARE:
        return bad(
            f"the last that ended well did so {age.total_seconds() / 3600:.0f} h ago",
            "look at its runs in Prefect's UI",
        )
    return good(f"one ended well {age.total_seconds() / 60:.0f} min ago")


def heard_buckets(automations: Sequence[AutomationCore]) -> set[str]:
    """Return the buckets whose objects the automations wait for."""
    prefix = "aws.s3.object."
    patterns = (
        pattern
        for automation in automations
        for match in _matches(automation.trigger)
        for pattern in _listed(match.get("prefect.resource.id"))
    )
    return {it.removeprefix(prefix).partition("/")[0] for it in patterns if it.startswith(prefix)}


def automations(client: SyncPrefectClient) -> Seen:
    """Look for the automations without which waiting runs sleep on and dead ones never end."""
    found = [it for it in client.read_automations() if it.enabled]
    actions = {action.type for it in found for action in it.actions}
    if missing := [why for action, why in _NEEDED.items() if action not in actions]:
        return bad("; ".join(missing), _APPLY)
    if not any(_ACTION_FAILED in _expected(it.trigger) for it in found):
        return good(
            f"{len(found)} are on, but nobody is told of triggers that fail",
            f"{_APPLY} and say whom to tell",
        )
    return good(f"{len(found)} are on")


def _expected(trigger: Any) -> set[str]:
    inner = getattr(trigger, "triggers", ())
    return set(getattr(trigger, "expect", ())).union(*(_expected(it) for it in inner))


def _matches(trigger: Any) -> list[dict[str, Any]]:
    inner = [each for it in getattr(trigger, "triggers", ()) for each in _matches(it)]
    match = getattr(trigger, "match", None)
    return [*inner, match.model_dump()] if match is not None else inner


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
