"""Schedules in Prefect against those that are wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from personalization.errors import FatalError, RetryableError
from personalization.parameters import Scheduled, TrainParameters

pytestmark = pytest.mark.server

FILE = "s3://data/train/films/config.json"
NIGHTLY = "cron(0 2 * * ? *)"
IMPORT = Scheduled(slug="films.import@data", kind="import", cron=NIGHTLY)
FULL = Scheduled(
    slug="films.full.for-you@data", kind="full", cron="cron(0 4 ? * 1 *)", solution="for-you"
)


@pytest.fixture
def deployment(prefect_server: str) -> Iterator[UUID]:
    """A deployment `train/train`, of which nobody runs anything."""
    from prefect.client.orchestration import get_client

    from flows.train import train

    with get_client(sync_client=True) as client:
        made = client.create_deployment(flow_id=client.create_flow(train), name="train")
        yield made
        client.delete_deployment(made)


def match(
    *wanted: Scheduled, done: bool = True, deployment: UUID | None = None, **more: Any
) -> dict[str, str]:
    """Make schedules what is wanted; return what was done, by slug."""
    from prefect import flow

    from tasks.schedules import match_schedules

    parameters = TrainParameters(**{"file": FILE, **more})
    there = frozenset(it.slug for it in wanted) if done else frozenset()

    @flow(name="match")
    def matching() -> Any:
        return match_schedules("films", parameters, wanted, there, deployment)

    return {row["schedule"]: row["done"] for row in matching()}


def kept(deployment: UUID) -> dict[str, Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {it.slug: it for it in client.read_deployment_schedules(deployment)}


def pause(deployment: UUID, slug: str) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(deployment, kept(deployment)[slug].id, active=False)


def test_what_stays_as_it_is_is_not_touched(deployment):
    match(IMPORT, FULL)
    before = kept(deployment)

    assert match(IMPORT, FULL) == {IMPORT.slug: "kept", FULL.slug: "kept"}
    assert kept(deployment) == before


def test_what_a_person_has_paused_stays_paused_until_its_times_change(deployment):
    match(IMPORT)
    pause(deployment, IMPORT.slug)

    # Whoever pauses it so, as Prefect's UI does, empties its parameters, too.
    mended = match(IMPORT)
    assert mended == {IMPORT.slug: "changed: its parameters, paused by a person"}
    assert match(IMPORT) == {IMPORT.slug: "kept, paused by a person"}
    other = match(IMPORT, role_arn="arn:aws:iam::123456789012:role/Other")
    assert other == {IMPORT.slug: "changed: its parameters, paused by a person"}
    assert not kept(deployment)[IMPORT.slug].active

    later = IMPORT.model_copy(update={"cron": "cron(0 3 L-1 * ? 2026-2030)"})
    assert match(later) == {IMPORT.slug: f"changed: it was {NIGHTLY}"}
    assert kept(deployment)[IMPORT.slug].active
    assert match(later) == {IMPORT.slug: "kept"}


def test_a_schedule_begins_once_its_work_was_done(deployment):
    not_yet = match(IMPORT, done=False)
    match(IMPORT)
    later = IMPORT.model_copy(update={"cron": "cron(0 3 * * ? *)"})

    assert not_yet == {IMPORT.slug: "not made yet: what it repeats has not been done once"}
    assert match(later, done=False) == {IMPORT.slug: f"changed: it was {NIGHTLY}"}


def test_schedules_of_other_files_and_of_people_stay(deployment):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    mine = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 1 * * *"), slug="by-hand")
    with get_client(sync_client=True) as client:
        client.create_deployment_schedules(deployment, [mine])
    match(FULL, file="s3://data/train/films/more.json")
    match(IMPORT)

    assert match() == {IMPORT.slug: "removed: the parameter file has it no more"}
    assert set(kept(deployment)) == {"by-hand", FULL.slug}


def test_a_schedule_without_parameters_that_nobody_wants_is_removed(deployment):
    match(IMPORT, FULL)
    pause(deployment, FULL.slug)

    match(IMPORT)

    assert set(kept(deployment)) == {IMPORT.slug}


def test_schedules_go_to_the_deployment_that_runs(deployment):
    from prefect.client.orchestration import get_client

    from flows.train import train

    with get_client(sync_client=True) as client:
        other = client.create_deployment(flow_id=client.create_flow(train), name="train-eu")
    match(IMPORT, deployment=other)

    assert (set(kept(other)), set(kept(deployment))) == ({IMPORT.slug}, set())
    with get_client(sync_client=True) as client:
        client.delete_deployment(other)


def test_without_a_deployment_it_is_said_how_to_make_one(prefect_server, caplog):
    assert match(IMPORT) == {}
    assert (
        "1 schedule(s) are not kept: there is no deployment train/train; deploy with "
        "`prefect deploy --all`, then run `train` again"
    ) in caplog.text


def test_what_a_scheduled_run_is_given_is_what_the_run_had(deployment):
    match(FULL, role_arn="arn:aws:iam::123456789012:role/R", retrain="always", plan_only=False)

    assert kept(deployment)[FULL.slug].parameters == {
        "parameters": {
            "file": FILE,
            "role_arn": "arn:aws:iam::123456789012:role/R",
            "scheduled": json.loads(FULL.model_dump_json(exclude_defaults=True)),
        }
    }


@pytest.mark.parametrize(
    ("status", "error"),
    [
        pytest.param(422, FatalError, id="refused"),
        pytest.param(503, RetryableError, id="away"),
    ],
)
def test_what_prefect_answers_is_sorted_by_what_to_do_next(status, error):
    from tasks.schedules import prefect_errors

    answer = httpx.Response(status, text="not so", request=httpx.Request("GET", "http://x"))
    with pytest.raises(error, match="keeping schedules"), prefect_errors("keeping schedules"):
        answer.raise_for_status()
