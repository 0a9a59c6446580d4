"""`personalize schedules`, as typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from personalization.parameters import Scheduled, TrainParameters
from tests.deployments.test_cli import typed
from tests.flow_runs import runs_of

IMPORT = Scheduled(slug="films.import@data", kind="import", cron="cron(0 2 L-1 * ? *)")
SEGMENTS = Scheduled(
    slug="films.batch-segment.by-genre.2@data",
    kind="batch-segment",
    cron="cron(0 4 ? * 1 *)",
    solution="by-genre",
    job=1,
)


@pytest.fixture
def deployment(prefect_server: str) -> Iterator[UUID]:
    """A deployment of `train` with two schedules of a parameter file, and one of a person."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.exceptions import ObjectNotFound

    from flows.train import train
    from tasks.schedules import as_prefect

    made = [DeploymentScheduleCreate(schedule=CronSchedule(cron="0 1 * * *"), slug="by-hand")]
    for it in (IMPORT, SEGMENTS):
        parameters = TrainParameters(file="s3://data/train/films/config.json", scheduled=it)
        said = {"parameters": parameters.model_dump(mode="json", exclude_defaults=True)}
        made += [
            DeploymentScheduleCreate(schedule=as_prefect(it.cron), parameters=said, slug=it.slug)
        ]
    with get_client(sync_client=True) as client:
        with suppress(ObjectNotFound):  # another test's
            client.delete_deployment(client.read_deployment_by_name("train/train").id)
        deployment = client.create_deployment(flow_id=client.create_flow(train), name="train")
        client.create_deployment_schedules(deployment, made)
        yield deployment
        client.delete_deployment(deployment)


def schedule(deployment: UUID, slug: str) -> Any:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = {it.slug: it for it in client.read_deployment_schedules(deployment)}
    return found[slug]


def switched(deployment: UUID, slug: str) -> None:
    """Switch it off as Prefect's UI does, which empties its parameters, too."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(deployment, schedule(deployment, slug).id, active=False)


@pytest.mark.server
def test_all_schedules_of_parameter_files_are_listed(deployment):
    status, said = typed("schedules", "list")

    assert status == 0
    assert re.search(
        r"films.batch-segment.by-genre.2@data cron\(0 4 \? \* 1 \*\) \d{4}-\d\d-\d\d 04:00 active",
        said,
    )
    assert re.search(r"films.import@data cron\(0 2 L-1 \* \? \*\) \d{4}-\d\d-\d\d 02:00", said)
    assert "by-hand" not in said


@pytest.mark.server
def test_a_schedule_is_described_in_the_words_of_aws_and_of_prefect(deployment):
    status, said = typed("schedules", "describe", SEGMENTS.slug)
    _, short = typed("schedules", "describe", "films.import")

    assert status == 0
    for words in (
        "dataset group films what batch-segment solution by-genre batch job 2",
        "parameter file s3://data/train/films/config.json when (UTC) cron(0 4 ? * 1 *)",
        "in Prefect 0 4 * * SUN next 20",
        "is active deployment train/train",
    ):
        assert words in said
    assert "RRULE:FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYMONTHDAY=-2;" in short


@pytest.mark.server
def test_a_schedule_is_paused_and_resumed_with_its_parameters(deployment):
    before = schedule(deployment, IMPORT.slug)

    assert typed("schedules", "pause", "films.import") == (0, f"{IMPORT.slug} is now paused ")
    assert typed("schedules", "pause", "films.import") == (0, f"{IMPORT.slug} was paused ")
    paused = schedule(deployment, IMPORT.slug)
    assert (paused.active, paused.parameters) == (False, before.parameters)
    assert "paused" in typed("schedules", "list")[1]

    assert typed("schedules", "resume", "films.import") == (0, f"{IMPORT.slug} is now active ")
    assert schedule(deployment, IMPORT.slug).active


@pytest.mark.server
def test_a_run_is_started_with_the_parameters_of_the_schedule(deployment):
    from prefect.client.orchestration import get_client

    status, said = typed("schedules", "run", SEGMENTS.slug)

    assert status == 0
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(re.findall(r"\(([0-9a-f-]{36})\)", said)[0]))
    assert run.parameters == schedule(deployment, SEGMENTS.slug).parameters
    assert f"last run {run.name}, " in typed("schedules", "describe", SEGMENTS.slug)[1]


@pytest.mark.server
def test_parameters_lost_in_the_ui_are_given_back_if_a_run_had_them(deployment):
    from prefect.client.orchestration import get_client

    said = schedule(deployment, IMPORT.slug).parameters
    with get_client(sync_client=True) as client:
        asked = {"min_runs": 1}
        client.request("POST", f"/deployments/{deployment}/schedule", json=asked)
        for run in runs_of(client, deployment):  # those of the past stay when it is switched
            if run.parameters == said:
                from prefect.states import Completed

                client.set_flow_run_state(run.id, Completed(), force=True)
    switched(deployment, IMPORT.slug)
    switched(deployment, SEGMENTS.slug)

    _, listed = typed("schedules", "list")
    found = typed("schedules", "resume", "films.import")
    lost = typed("schedules", "resume", SEGMENTS.slug)

    assert listed.count("without parameters") == 2
    assert found == (0, f"{IMPORT.slug} is now active ")
    assert schedule(deployment, IMPORT.slug).parameters == said
    assert lost[0] == 1
    assert "has lost its parameters, as it does where it is switched on or off in Pref" in lost[1]
    assert "run `train` with its parameter file to restore them" in lost[1]


@pytest.mark.server
@pytest.mark.parametrize("command", ["describe", "pause", "resume", "run"])
def test_a_name_that_is_not_there_is_told_with_those_that_are_near(deployment, command):
    status, said = typed("schedules", command, "film.imports")

    assert status == 1
    assert "error: there is no schedule film.imports; did you mean films.import@data" in said


@pytest.mark.server
def test_a_name_that_two_buckets_share_needs_its_bucket(deployment):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    from tasks.schedules import as_prefect

    other = DeploymentScheduleCreate(schedule=as_prefect(IMPORT.cron), slug="films.import@test")
    with get_client(sync_client=True) as client:
        client.create_deployment_schedules(deployment, [other])

    status, said = typed("schedules", "pause", "films.import")

    assert status == 1
    assert (
        "more than one schedule is called films.import; write films.import@data or "
        "films.import@test"
    ) in said


@pytest.mark.server
def test_without_schedules_it_is_said_how_to_get_some(prefect_server):
    assert typed("schedules", "list") == (0, "there are no schedules ")
    status, said = typed("schedules", "pause", "x")

    assert status == 1
    assert "there is no schedule x; there is none at all: write schedules into a parameter" in said
    assert "workflowConfig, deploy with `prefect deploy --all`, then run `train` again" in said


@pytest.mark.server
def test_a_server_that_is_away_is_told(prefect_server):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        status, said = typed("schedules", "list")

    assert status == 1
    assert "error: asking Prefect at http://127.0.0.1:9/api failed: " in said


def test_without_a_server_it_is_said_which_setting_names_it():
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: None}):
        status, said = typed("schedules", "list")

    assert status == 1
    assert "there is no Prefect server to ask; set PREFECT_API_URL to its API, such as" in said
