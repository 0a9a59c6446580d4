"""Runs that crashed without an upload to find them by, and runs that nobody resumes."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import uuid4

import pytest

from personalization.local.server import LocalAws
from personalization.parameters import SweepParameters
from tests.e2e.bare_deployments import Bare, bare_deployments
from tests.e2e.swept import BUCKET, sweep, table

pytestmark = [pytest.mark.server, pytest.mark.e2e]

BATCH = {"bucket": BUCKET, "dataset_group": "films", "solution": "genres", "again": True}


@pytest.fixture
def bare(prefect_server: str, aws: LocalAws) -> Iterator[Bare]:
    aws.clients("s3").create_bucket(Bucket=BUCKET)
    names = ("train", "batch-segment", "postprocess", "connector-sync", "sweep")
    with bare_deployments(*names) as it:
        yield it


def started(bare: Bare, flow: str, given: dict[str, Any], **more: Any) -> Any:
    parameters = {"parameters": given}
    return bare.client.create_flow_run_from_deployment(
        bare.ids[flow], parameters=parameters, **more
    )


def crashed(bare: Bare, flow: str, given: dict[str, Any], **more: Any) -> Any:
    from prefect.states import Crashed

    run = started(bare, flow, given, **more)
    bare.end(run.id, Crashed())
    return run


@pytest.mark.parametrize(
    ("flow", "given"),
    [
        pytest.param("batch-segment", BATCH, id="dispatched"),
        pytest.param("postprocess", {"output": "s3://films/batch/g/s/"}, id="postprocess"),
        pytest.param("connector-sync", {"job": "s3://films/etl_jobs/a/b/"}, id="sync"),
        pytest.param("train", {"file": "s3://films/train/a.json"}, id="by-hand"),
    ],
)
def test_a_run_that_crashed_is_started_again_as_it_was_and_only_once(bare, flow, given):
    first = crashed(bare, flow, given, tags=["mine"], job_variables={"env": {"A": "b"}})

    [id_] = sweep()

    assert sweep() == ()
    again = bare.client.read_flow_run(id_)
    assert len(bare.runs(flow)) == 2
    assert (again.deployment_id, again.parameters) == (first.deployment_id, first.parameters)
    assert set(again.tags) == set(first.tags) > {"mine"}
    assert again.job_variables == {"env": {"A": "b"}}
    assert again.state.is_scheduled()
    assert again.parent_task_run_id is None


def test_what_was_started_again_is_shown(bare):
    first = crashed(bare, "batch-segment", BATCH)

    [id_] = sweep()

    [row] = table()
    again = bare.client.read_flow_run(id_)
    assert (row["what"], row["flow"]) == (first.name, "batch-segment")
    assert (row["run"], row["id"]) == (again.name, id_)
    assert row["why"] == f"run {first.id} crashed"
    sweep()
    assert table() == []


def test_a_run_gets_three_attempts_and_is_then_given_up(bare):
    from prefect.states import Crashed

    tries = [str(crashed(bare, "batch-segment", BATCH).id)]
    for _ in range(2):
        [run] = sweep()
        tries.append(run)
        bare.end(run, Crashed())

    assert sweep() == ()
    assert len(set(tries)) == 3
    [row] = table()
    assert (row["run"], row["id"]) == ("given up", "")
    assert row["why"] == f"run {tries[-1]} crashed"

    # Whoever starts it by hand begins anew.
    crashed(bare, "batch-segment", BATCH)

    assert len(sweep()) == 1


def test_sweeps_at_the_same_time_start_one_run(bare):
    crashed(bare, "batch-segment", BATCH)

    with ThreadPoolExecutor(2) as pool:
        # Prefect's settings, the server's address among them, are the thread's own.
        sweeps = [pool.submit(copy_context().run, sweep) for _ in range(2)]
        found = [it.result() for it in sweeps]

    assert len(bare.runs("batch-segment")) == 2
    assert len({id_ for ids in found for id_ in ids}) == 1


@pytest.mark.parametrize("state", ["Completed", "Failed", "Cancelled", "Running"])
def test_what_somebody_has_started_again_is_left(bare, state):
    from prefect import states

    crashed(bare, "batch-segment", BATCH)
    other = started(bare, "batch-segment", BATCH)
    bare.end(other.id, getattr(states, state)())

    assert sweep() == ()


def test_another_job_of_the_same_deployment_follows_nothing(bare):
    first = crashed(bare, "batch-segment", BATCH)
    started(bare, "batch-segment", {**BATCH, "solution": "actors"})

    [id_] = sweep()

    assert bare.client.read_flow_run(id_).parameters == first.parameters


@pytest.mark.parametrize("ended", ["Failed", "Cancelled", "Completed"])
def test_what_did_not_crash_is_left(bare, ended):
    from prefect import states

    bare.end(started(bare, "batch-segment", BATCH).id, getattr(states, ended)())

    assert sweep() == ()


def test_uploads_sweeps_and_what_crashed_long_ago_are_left(bare):
    upload = {"bucket": BUCKET, "key": "train/a.json"}
    crashed(bare, "train", {"file": "s3://films/train/a.json", "upload": upload})
    crashed(bare, "sweep", {"bucket": BUCKET})

    assert sweep() == ()

    crashed(bare, "batch-segment", BATCH)

    assert sweep(look_back_days=1e-9) == ()
    assert len(sweep()) == 1


def test_a_run_of_a_schedule_is_left_to_its_next_time(bare):
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import IntervalSchedule
    from prefect.states import Crashed

    id_ = bare.ids["batch-segment"]
    hourly = DeploymentScheduleCreate(
        schedule=IntervalSchedule(interval=dt.timedelta(hours=1)), parameters={"parameters": BATCH}
    )
    bare.client.create_deployment_schedules(id_, [hourly])
    bare.client.request("POST", "/deployments/{id}/schedule", path_params={"id": id_}, json={})
    run, *_ = bare.runs("batch-segment")
    assert run.auto_scheduled
    bare.end(run.id, Crashed())

    assert sweep() == ()


def test_what_its_deployment_does_not_take_any_more_is_given_up_and_holds_nothing_up(bare):
    crashed(bare, "batch-segment", BATCH)
    crashed(bare, "postprocess", {"output": "s3://films/batch/g/s/"})
    schema = {"type": "object", "properties": {"other": {}}, "additionalProperties": False}
    bare.client.request(
        "PATCH",
        "/deployments/{id}",
        path_params={"id": bare.ids["batch-segment"]},
        json={"parameter_openapi_schema": schema, "enforce_parameter_schema": True},
    )

    assert len(sweep()) == 1
    assert {row["flow"]: row["run"] == "given up" for row in table()} == {
        "batch-segment": True,
        "postprocess": False,
    }


@pytest.fixture
def suspended(bare: Bare) -> Any:
    from prefect.states import Running, Suspended

    run = started(bare, "batch-segment", BATCH)
    bare.end(run.id, Running())
    bare.end(run.id, Suspended(timeout_seconds=3600))
    return str(run.id)


def test_a_run_that_nobody_resumes_is_resumed_once(bare, suspended):
    assert sweep(resume_after_s=0) == (suspended,)
    assert bare.client.read_flow_run(suspended).state.name == "Resuming"
    [row] = table()
    assert (row["flow"], row["id"]) == ("batch-segment", suspended)
    assert row["why"] == "suspended, and nobody resumed it"
    assert sweep(resume_after_s=0) == ()


def test_a_run_that_the_timer_may_still_resume_is_left(bare, suspended):
    assert sweep() == ()
    assert sweep(resume_after_s=60) == ()


@pytest.mark.parametrize(
    ("enabled", "period_s", "after_s"),
    [
        pytest.param(True, 20, 60, id="three-periods"),
        pytest.param(False, 20, -1, id="disabled"),
        pytest.param(None, None, 900, id="no-timer"),
    ],
)
def test_three_of_the_timers_periods_are_enough(bare, enabled, period_s, after_s):
    from deployments.automations.definitions import Wanted, automations
    from tasks.healing import _forgotten_after_s

    made = []
    if period_s:
        timer = next(automations(Wanted(resume_every=period_s)))
        made.append(bare.client.create_automation(timer.model_copy(update={"enabled": enabled})))
    try:
        assert _forgotten_after_s(bare.client, SweepParameters(bucket=BUCKET)) == after_s
    finally:
        for id_ in made:
            bare.client.delete_automation(id_)


@pytest.fixture
def heartbeats(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs have heartbeats, of which three may be lost within ten seconds."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from tasks import healing

    monkeypatch.setattr(healing, "_HEARTBEATS", 1 / 3)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        yield


def beat(bare: Bare, run: Any) -> None:
    """Let a run give a sign of life, and wait until the server can tell of it."""
    from prefect.events.filters import EventFilter, EventIDFilter

    event = {
        "id": str(uuid4()),
        "event": "prefect.flow-run.heartbeat",
        "occurred": dt.datetime.now(dt.UTC).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "payload": {},
    }
    bare.client.request("POST", "/events", json=[event]).raise_for_status()
    mine = EventFilter(id=EventIDFilter(id=[event["id"]]))
    end_at = time.monotonic() + 30
    while not bare.client.read_events(mine, limit=1).events:
        assert time.monotonic() < end_at
        time.sleep(0.1)


def test_a_run_that_gives_no_sign_of_life_has_crashed_and_is_started_again(bare, heartbeats):
    from prefect.states import Running

    dead, alive = (
        started(bare, "batch-segment", {**BATCH, "solution": it}) for it in ("genres", "actors")
    )
    for it in (dead, alive):
        bare.end(it.id, Running())
    assert sweep(stuck_after_s=0) == ()  # they have just begun
    beat(bare, dead.id)
    time.sleep(11)
    beat(bare, alive.id)

    assert sweep() == ()  # it may take longer than that
    [again] = sweep(stuck_after_s=0)

    found = bare.client.read_flow_run(dead.id).state
    assert (found.name, found.message) == (
        "Crashed",
        "no sign of life for 10 s: the process, or its machine, is gone",
    )
    assert bare.client.read_flow_run(again).parameters == dead.parameters
    assert bare.client.read_flow_run(alive.id).state.is_running()


def test_without_heartbeats_nobody_knows_whether_a_run_is_dead(bare):
    from prefect.states import Running

    run = started(bare, "batch-segment", BATCH)
    bare.end(run.id, Running())

    assert sweep(stuck_after_s=0) == ()
    assert bare.client.read_flow_run(run.id).state.is_running()
