"""Bring declared resources into being: plan, ensure, wait, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from blocks.aws import clients
from personalization.errors import FatalError
from personalization.parameters import Waiting
from personalization.resources import (
    Account,
    Found,
    Plan,
    Policy,
    Resource,
    ensure,
    look,
    plan,
)
from personalization.resources.actual import active_version
from personalization.resources.kinds import SOLUTION_VERSION, Kind
from personalization.resources.report import metrics_rows
from personalization.waiting import Stay, looks
from tasks.artifacts import artifact_key, show_table, shown_table
from tasks.happenings import tell_ended, tell_made, tell_measured
from tasks.occupying import one_decision
from tasks.retrying import NETWORK
from tasks.suspending import ThisRun, outlast


@task(task_run_name="plan-{group}", **NETWORK)
def make_plan(
    group: str, resources: Sequence[Resource], policy: Policy, credentials: str | None
) -> Plan:
    """Return what would be done, and leave it as a table.  Changes nothing in AWS.

    A run that was suspended goes on with the plan that it has left then.
    """
    client = clients(credentials)
    made = plan(client("personalize"), Account.of(client), resources, policy)
    if policy.resumed and (rows := shown_table(("plan", group), policy.resumed)):
        return made.as_told(rows)
    show_table(("plan", group), made.rows(), f"What `train` does for dataset group {group}.")
    changes, steps = len(made.changes), len(made.steps)
    get_run_logger().info("%s: %d of %d resources to change", group, changes, steps)
    return made


@task(task_run_name="ensure-{resource.key}", **NETWORK)
def ensure_resource(
    resource: Resource, arns: Mapping[str, str], policy: Policy, credentials: str | None
) -> str:
    """Make, change or keep one resource and return its ARN.  It need not be ACTIVE yet.

    Safe to repeat: what an earlier try made is found by its name or its parent.  Safe beside other
    runs, too: what costs money is looked for and asked for by one of them at a time.
    """
    client = clients(credentials)
    with one_decision(resource):
        decision, arn = ensure(client("personalize"), Account.of(client), resource, arns, policy)
    get_run_logger().info("%s %s: %s", decision.action, resource.key, decision.reason)
    tell_made(decision, resource, arn, arns, credentials)
    return arn


def all_ended(
    label: str,
    resources: Mapping[str, tuple[Kind, str]],
    waiting: Waiting,
    run: ThisRun,
    credentials: str | None,
) -> dict[str, Found | None]:
    """Return each resource as it ended, by key; a deployed run is suspended meanwhile."""

    def unfinished(seen: Mapping[str, Found | None]) -> list[str]:
        return [key for key in resources if key not in seen or not _is_settled(seen[key])]

    def wait(stay: Stay) -> dict[str, Found | None]:
        return wait_until_active(label, resources, waiting, credentials, stay)

    return outlast(wait, unfinished, waiting, run)


@task(task_run_name="wait-{label}", cache_policy=NO_CACHE)
def wait_until_active(
    label: str,
    resources: Mapping[str, tuple[Kind, str]],
    waiting: Waiting,
    credentials: str | None,
    stay: Stay,
) -> dict[str, Found | None]:
    """Return each resource as it ended, by key: ACTIVE, broken with its failureReason, or gone.

    resources  key → kind and ARN
    stay       when that is over, they are returned as they are
    One process polls them all; a progress artifact tells how many are done.
    """
    personalize = clients(credentials)("personalize")
    progress = create_progress_artifact(
        0.0, key=artifact_key("wait", label), description=f"Waiting for {', '.join(resources)}."
    )
    statuses: dict[str, str] = {}
    told: set[str] = set()
    seen: dict[str, Found | None] = {}
    views = {key: partial(look, personalize, *where) for key, where in resources.items()}

    def leave(going: Mapping[str, Found | None]) -> bool:
        return stay.is_over([it.asked_at for it in going.values() if it])

    for seen in looks(views, _is_settled, waiting, waited_s=stay.waited_s, leave=leave):
        for key, found in seen.items():
            status = found.status if found else "gone"
            if statuses.get(key) != status:
                get_run_logger().info("%s is %s", key, status)
                statuses[key] = status
            if key not in told and _is_settled(found):
                tell_ended(*resources[key], found, credentials)
                told.add(key)
        done = sum(_is_settled(found) for found in seen.values())
        update_progress_artifact(progress, 100.0 * done / len(resources))  # type: ignore[arg-type]
    return seen


def _is_settled(found: Found | None) -> bool:
    return found is None or not found.on_the_way


@task(task_run_name="metrics-{group}", **NETWORK)
def show_metrics(
    group: str, versions: Mapping[str, str], credentials: str | None
) -> tuple[Mapping[str, Any], ...]:
    """Leave a table of offline metrics, each version against the one before, and return its rows.

    versions  solution name → ARN of the new version; without any, nothing is left
    """
    if not versions:
        return ()
    personalize = clients(credentials)("personalize")
    rows: list[dict[str, Any]] = []
    for solution, arn in sorted(versions.items()):
        if version := look(personalize, SOLUTION_VERSION, arn):
            its = metrics_rows(personalize, solution, version)
            tell_measured(version, its, credentials)
            rows += its
    show_table(("metrics", group), rows, f"Offline metrics of {', '.join(sorted(versions))}.")
    return tuple(rows)


@task(task_run_name="newest-version-{solution}", **NETWORK)
def find_version(solution: str, credentials: str | None) -> str:
    """Return the ARN of the solution's newest ACTIVE version."""
    client = clients(credentials)
    found = active_version(client("personalize"), Account.of(client), solution)
    if found is None:
        raise FatalError(
            f"solution {solution} has no ACTIVE version; run `train` with the parameter file that "
            "declares it, and wait until it is done"
        )
    return found.arn
