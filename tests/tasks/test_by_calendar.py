"""Runs of a schedule: one at a time, the newest that is due, none for what is gone."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest

from personalization.claims import read
from personalization.local.server import LocalAws
from personalization.parameters import Scheduled, TrainParameters
from tests.config.files import small

pytestmark = pytest.mark.server

FILE = "s3://data/train/shop/config.json"
HOURLY = "cron(0 * * * ? *)"
IMPORT = Scheduled(slug="shop.import@data", kind="import", cron=HOURLY)
PARAMETERS = TrainParameters(file=FILE, scheduled=IMPORT)


class Calendar:
    """A deployment with one schedule, whose runs are taken up in this process."""

    def __init__(self, s3: Any) -> None:
        from prefect import flow
        from prefect.client.orchestration import get_client

        from tasks.by_calendar import by_calendar

        self.s3 = s3
        self.worked: list[Any] = []
        self.body: Callable[[TrainParameters], Any] = self.worked.append
        self.flow = flow(name="calendar")(by_calendar(self._work))
        with get_client(sync_client=True) as client:
            flow_id = client.create_flow(self.flow)
            self.deployment = client.create_deployment(flow_id=flow_id, name="calendar")
        self.schedule = self._schedule()

    def _work(self, parameters: TrainParameters) -> Any:
        return self.body(parameters)

    def _schedule(self) -> Any:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.actions import DeploymentScheduleCreate

        from tasks.schedules import as_prefect

        said = {"parameters": PARAMETERS.model_dump(mode="json", exclude_defaults=True)}
        made = DeploymentScheduleCreate(
            schedule=as_prefect(HOURLY), parameters=said, slug=IMPORT.slug
        )
        with get_client(sync_client=True) as client:
            [schedule] = client.create_deployment_schedules(self.deployment, [made])
        return schedule

    def runs(self, begin: dt.timedelta, hours: int) -> list[Any]:
        """Let Prefect make the runs of so many hours from then on; return them, oldest first."""
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterCreatedBy
        from prefect.client.schemas.sorting import FlowRunSort

        start = dt.datetime.now(dt.UTC) + begin
        asked = {
            "start_time": start.isoformat(),
            "end_time": (start + dt.timedelta(hours=hours)).isoformat(),
            "min_runs": hours,
        }
        mine = FlowRunFilterCreatedBy(id_=[self.schedule.id])
        with get_client(sync_client=True) as client:
            client.request("POST", f"/deployments/{self.deployment}/schedule", json=asked)
            return client.read_flow_runs(
                flow_run_filter=FlowRunFilter(created_by=mine),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            )

    def take_up(self, run: Any) -> Any:
        """Take a run up, as a worker's child does, be it time or not; return how it ended."""
        from prefect.client.orchestration import get_client
        from prefect.flow_engine import run_flow
        from prefect.states import Pending

        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, Pending(), force=True)
            run = client.read_flow_run(run.id)
        return run_flow(self.flow, flow_run=run, parameters=run.parameters, return_type="state")

    def by_hand(self) -> Any:
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            return client.create_flow_run_from_deployment(
                self.deployment, parameters=self.schedule.parameters
            )


@pytest.fixture
def calendar(aws: LocalAws, prefect_server: str) -> Iterator[Calendar]:
    from prefect.client.orchestration import get_client

    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="data")
    put(s3, HOURLY)
    made = Calendar(s3)
    yield made
    with get_client(sync_client=True) as client:
        client.delete_deployment(made.deployment)


def put(s3: Any, schedule: str) -> None:
    file = small()
    file["datasetGroup"]["workflowConfig"] = {"schedules": {"import": schedule}}
    s3.put_object(Bucket="data", Key="train/shop/config.json", Body=json.dumps(file).encode())


def schedules(deployment: UUID) -> list[Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return list(client.read_deployment_schedules(deployment))


def test_what_is_not_scheduled_is_none_of_its_business(calendar):
    plain = TrainParameters(file="s3://nowhere/x.json")

    assert calendar.flow(plain, return_state=True).is_completed()
    assert calendar.worked == [plain]


def test_a_run_waits_for_nobody_and_doubles_nobody(calendar):
    begun, go_on = threading.Event(), threading.Event()

    def slowly(parameters: TrainParameters) -> str:
        begun.set()
        assert go_on.wait(60)
        return "done"

    calendar.body = slowly
    first, second, third = (calendar.by_hand() for _ in range(3))
    with ThreadPoolExecutor(1) as other:
        working = other.submit(copy_context().run, calendar.take_up, first)
        assert begun.wait(60)
        skipped = calendar.take_up(second)
        go_on.set()
        done = working.result(60)
    after = calendar.take_up(third)

    assert (skipped.type.value, skipped.name) == ("COMPLETED", "Skipped")
    assert skipped.message == f"flow run {first.id} of schedule {IMPORT.slug} is still going on"
    assert (done.name, after.name) == ("Completed", "Completed")


def test_a_run_that_failed_is_in_nobodys_way(calendar):
    def failing(parameters: TrainParameters) -> None:
        raise RuntimeError("power cut")

    calendar.body, working = failing, calendar.body
    first = calendar.take_up(calendar.by_hand())
    calendar.body = working
    second = calendar.take_up(calendar.by_hand())

    assert (first.name, second.name) == ("Failed", "Completed")


def test_of_all_that_are_late_only_the_newest_works(calendar):
    runs = calendar.runs(-dt.timedelta(hours=4), 4)
    states = [calendar.take_up(run) for run in runs]

    assert [it.name for it in states] == ["Missed"] * (len(runs) - 1) + ["Completed"]
    assert len(calendar.worked) == 1
    due = f"{runs[0].expected_start_time:%Y-%m-%d %H:%M} UTC"
    assert states[0].message == (
        f"the run of {due} is passed over: {runs[-1].name} is newer, and due"
    )


def test_a_run_that_is_late_alone_works(calendar):
    [run] = calendar.runs(-dt.timedelta(minutes=90), 1)[:1]

    assert calendar.take_up(run).name == "Completed"


def test_a_run_that_comes_back_is_not_late(calendar):
    """As after a suspension, or a retry, when others are due."""
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled as Later

    [run, *_] = calendar.runs(-dt.timedelta(hours=4), 4)
    calendar.s3.put_object(
        Bucket="data",
        Key=f"claims/schedules/{IMPORT.slug}.json",
        Body=json.dumps({"holder": str(run.id), "since": "2026-11-22T00:00:00Z"}).encode(),
    )
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Later(), force=True)

    assert calendar.take_up(run).name == "Completed"


def test_times_at_which_nothing_ran_are_told_by_the_next_run(calendar, caplog):
    from prefect.artifacts import Artifact

    runs = calendar.runs(dt.timedelta(0), 5)
    first, last = runs[0], runs[4]
    calendar.take_up(first)
    assert "did not run" not in caplog.text

    calendar.take_up(last)

    missed = [f"{it.expected_start_time:%Y-%m-%dT%H:%MZ}" for it in runs[1:4]]
    found = Artifact.get("missed-shop-import-data")
    assert found
    assert [row["missed"] for row in json.loads(found.data)] == missed
    assert f"schedule {IMPORT.slug} did not run at 3 time(s), last at {', '.join(missed)}" in (
        caplog.text
    )
    assert len(calendar.worked) == 2
    told = event("personalize.schedule.missed")
    assert told["resource"]["prefect.resource.id"] == f"personalize.schedule.{IMPORT.slug}"
    assert (told["payload"]["count"], told["payload"]["times"]) == (3, missed)


def event(name: str) -> Any:
    """The newest event of that name; events come to the server later than they are sent."""
    from prefect.client.orchestration import get_client

    wanted = {"event": {"name": [name]}}
    end_at = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        while time.monotonic() < end_at:
            answer = client.request("POST", "/events/filter", json={"filter": wanted})
            if found := answer.json()["events"]:
                return found[0]
            time.sleep(0.2)
    raise AssertionError(f"no event {name}")


@pytest.mark.parametrize("gone", ["the file", "the schedule", "delete"])
def test_a_schedule_ends_with_what_it_repeats(calendar, gone):
    match gone:
        case "the file":
            calendar.s3.delete_object(Bucket="data", Key="train/shop/config.json")
        case "the schedule":
            calendar.s3.put_object(
                Bucket="data", Key="train/shop/config.json", Body=json.dumps(small()).encode()
            )
        case "delete":
            put(calendar.s3, "delete")

    state = calendar.take_up(calendar.by_hand())

    why = f"{FILE} {'is gone' if gone == 'the file' else 'has it no more'}"
    assert (state.type.value, state.name) == ("COMPLETED", "Removed")
    assert state.message == f"{why}, so schedule {IMPORT.slug} was removed"
    assert schedules(calendar.deployment) == []
    assert calendar.worked == []


def test_a_file_that_cannot_be_used_is_left_to_the_flow(calendar):
    calendar.s3.put_object(Bucket="data", Key="train/shop/config.json", Body=b"{")

    assert calendar.take_up(calendar.by_hand()).name == "Completed"
    assert len(calendar.worked) == 1
    assert len(schedules(calendar.deployment)) == 1
    claim = read(calendar.s3, path_of_claim())
    assert claim
    assert claim.about["schedule"] == IMPORT.slug


def path_of_claim() -> Any:
    from personalization.aws import S3Path

    return S3Path("data", f"claims/schedules/{IMPORT.slug}.json")
