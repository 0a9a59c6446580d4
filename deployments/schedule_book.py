"""What Prefect knows of the schedules of parameter files, and how they are paused and started."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterCreatedBy,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from personalization.config import next_after
from personalization.errors import ConfigError
from tasks.schedules import FLOW, HOW_TO_DEPLOY, Kept, kept_schedules, needed, prefect_errors

_PAGE: Final = 200


@dataclass(frozen=True)
class Entry:
    """One schedule, the deployment it belongs to, and its last run, if there was one."""

    kept: Kept
    deployment: DeploymentResponse
    last: FlowRun | None

    @property
    def next(self) -> str:
        """When it runs next, UTC; empty if it is paused, or if that is not known."""
        if not self.kept.raw.active or not self.kept.cron:
            return ""
        at = next_after(self.kept.cron, dt.datetime.now(dt.UTC))
        return f"{at:%Y-%m-%d %H:%M}" if at else ""

    @property
    def state(self) -> str:
        """Whether it runs."""
        if not self.kept.is_whole:
            return "without parameters"
        return "active" if self.kept.raw.active else "paused"

    def row(self) -> dict[str, str]:
        """Return it as a line of a table."""
        return {
            "schedule": self.kept.slug,
            "when (UTC)": self.kept.cron,
            "next": self.next,
            "is": self.state,
            "last run": (self.last.state_name or "") if self.last else "",
        }

    def facts(self) -> dict[str, str]:
        """Return all that is known of it."""
        parameters, run = self.kept.parameters, self.last
        scheduled = parameters.scheduled if parameters else None
        group, kind = self.kept.slug.partition("@")[0].split(".")[:2]
        when = run.start_time or run.expected_start_time if run else None
        ended = f"{run.name}, {when:%Y-%m-%d %H:%M}: {run.state_name}" if run and when else ""
        number = str(scheduled.job + 1) if scheduled and kind.startswith("batch") else ""
        return {
            "schedule": self.kept.slug,
            "dataset group": group,
            "what": kind,
            "solution": (scheduled.solution or "") if scheduled else "",
            "batch job": number,
            "parameter file": parameters.file if parameters else "",
            "when (UTC)": self.kept.cron,
            "in Prefect": self.kept.times,
            "next": self.next,
            "is": self.state,
            "last run": ended,
            "deployment": f"{FLOW}/{self.deployment.name}",
        }


@contextmanager
def opened() -> Iterator[SyncPrefectClient]:
    """Open the server that Prefect's settings name.

    Raises ConfigError if they name none: Prefect would start a temporary one, which knows nothing.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigError(
            "there is no Prefect server to ask; set PREFECT_API_URL to its API, such as "
            "http://127.0.0.1:4200/api"
        )
    with (
        prefect_errors(f"asking Prefect at {url}"),
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True) as client,
    ):
        yield client


def entries(client: SyncPrefectClient) -> list[Entry]:
    """Return all schedules that were made from parameter files, by name."""
    flow = FlowFilter(name=FlowFilterName(any_=[FLOW]))
    deployments = client.read_deployments(flow_filter=flow, limit=_PAGE)
    found = [
        Entry(kept, deployment, _last_run(client, kept))
        for deployment in deployments
        for kept in kept_schedules(client, deployment.id)
    ]
    return sorted(found, key=lambda it: it.kept.slug)


def entry(client: SyncPrefectClient, name: str) -> Entry:
    """Return the schedule of that name; `films.import` will do for `films.import@bucket`.

    Raises ConfigError if there is none, or more than one, naming those that are meant perhaps.
    """
    there = entries(client)
    matching = [it for it in there if name in (it.kept.slug, it.kept.slug.partition("@")[0])]
    if len(matching) == 1:
        return matching[0]
    slugs = [it.kept.slug for it in there]
    if matching:
        meant = " or ".join(it.kept.slug for it in matching)
        raise ConfigError(f"more than one schedule is called {name}; write {meant}")
    if not slugs:
        raise ConfigError(
            f"there is no schedule {name}; there is none at all: write schedules into a parameter "
            f"file's workflowConfig, {HOW_TO_DEPLOY}"
        )
    near = difflib.get_close_matches(name, slugs, n=3, cutoff=0.4) or slugs[:3]
    raise ConfigError(f"there is no schedule {name}; did you mean {' or '.join(near)}?")


def start(client: SyncPrefectClient, name: str) -> tuple[Entry, FlowRun]:
    """Start a run of the schedule now, whether it is paused or not."""
    found = entry(client, name)
    kept = found.kept
    run = client.create_flow_run_from_deployment(
        kept.deployment_id, parameters=needed(kept), tags=[_tag(kept)]
    )
    return found, run


def _tag(kept: Kept) -> str:
    return f"schedule:{kept.slug}"


def _last_run(client: SyncPrefectClient, kept: Kept) -> FlowRun | None:
    """Return the newest run that was due, of the calendar or started by hand."""
    due = FlowRunFilterExpectedStartTime(before_=dt.datetime.now(dt.UTC))
    wanted: Sequence[dict[str, Any]] = (
        {"created_by": FlowRunFilterCreatedBy(id_=[kept.raw.id])},
        {"tags": FlowRunFilterTags(all_=[_tag(kept)])},
    )
    found = [
        run
        for it in wanted
        for run in client.read_flow_runs(
            flow_run_filter=FlowRunFilter(expected_start_time=due, **it),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=1,
        )
    ]
    return max(found, key=lambda it: it.expected_start_time or dt.datetime.min, default=None)
