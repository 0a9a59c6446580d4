from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState, ResumeFlowRun, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from deployments.doctor import prefect_side
from deployments.doctor.prefect_side import heard_buckets
from flows import FLOWS
from personalization import routes

pytestmark = pytest.mark.server
POOL = "doctors"


@pytest.fixture
def api(prefect_server: str) -> Iterator[SyncPrefectClient]:
    """A server without automations, pool and our deployments."""
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        for flow in FLOWS:
            try:
                client.delete_deployment(client.read_deployment_by_name(f"{flow}/{flow}").id)
            except ObjectNotFound:
                continue
        yield client


def automation(
    name: str, trigger: EventTrigger, action: ChangeFlowRunState | ResumeFlowRun | RunDeployment
) -> AutomationCore:
    return AutomationCore(name=name, trigger=trigger, actions=[action])


def hears(key: str, bucket: str, deployment: UUID) -> AutomationCore:
    trigger = EventTrigger(
        expect={"aws.s3.object.created"},
        match={"prefect.resource.id": f"aws.s3.object.{bucket}/{key}/*"},
        posture=Posture.Reactive,
        threshold=1,
    )
    return automation(
        f"{key}-{bucket}", trigger, RunDeployment(source="selected", deployment_id=deployment)
    )


def deploy(api: SyncPrefectClient, bucket: str | None) -> None:
    for name in FLOWS:
        flow = api.create_flow_from_name(name)
        deployment = api.create_deployment(flow_id=flow, name=name)
        if bucket and name in routes.FLOWS:
            api.create_automation(hears(name, bucket, deployment))


def test_without_an_address_nothing_starts_by_itself():
    seen = prefect_side.server(None)

    assert seen.status == "bad"
    assert seen.text.startswith("PREFECT_API_URL is not set")
    assert seen.advice == "set PREFECT_API_URL, such as http://127.0.0.1:4200/api"


def test_a_server_that_is_away_is_told():
    nobody = "http://127.0.0.1:1/api"
    with SyncPrefectClient(nobody) as client:
        seen = prefect_side.server(client)

    assert seen.status == "bad"
    assert seen.text.startswith(f"{nobody}/ does not answer: ")
    assert "prefect server start" in seen.advice


def test_the_server_answers_in_our_version(api):
    assert prefect_side.server(api).status == "ok"
    assert prefect_side.versions(api).status == "ok"


@pytest.mark.parametrize(("there", "status"), [("3.8.1", "ok"), ("3.7.9", "bad"), ("3.9.0", "bad")])
def test_server_and_client_are_of_one_line(there: str, status: str):
    assert prefect_side.fit(there, "3.8.8").status == status


def test_a_pool_is_asked_for_and_then_a_worker(api):
    missing = prefect_side.work_pool(api, POOL)
    api.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    idle = prefect_side.work_pool(api, POOL)
    api.request(
        "POST",
        "/work_pools/{work_pool_name}/workers/heartbeat",
        path_params={"work_pool_name": POOL},
        json={"name": "ana"},
    )
    alive = prefect_side.work_pool(api, POOL)
    api.delete_work_pool(POOL)

    assert (missing.status, missing.text) == ("bad", "there is no work pool doctors")
    assert missing.advice.startswith("run `prefect work-pool create doctors --type process`")
    assert (idle.status, idle.text) == ("bad", "no worker of doctors is alive (0 known)")
    assert idle.advice == "run `prefect worker start --pool doctors`"
    assert (alive.status, alive.text) == ("ok", "doctors, of type process: 1 worker(s) alive")


def test_nothing_deployed_is_told(api):
    seen = prefect_side.deployments(api, "films")

    assert seen.status == "bad"
    assert seen.text == f"not deployed: {', '.join(FLOWS)}"
    assert seen.advice == "run `prefect deploy --all`"


def test_flows_that_others_start_have_to_be_deployed_too(api):
    deploy(api, "films")
    for name in ("postprocess", "sweep"):
        api.delete_deployment(api.read_deployment_by_name(f"{name}/{name}").id)

    seen = prefect_side.deployments(api, "films")

    assert (seen.status, seen.text) == ("bad", "not deployed: postprocess, sweep")


def test_deployments_that_hear_of_nothing_are_told(api):
    deploy(api, None)

    seen = prefect_side.deployments(api, "films")

    assert (
        seen.text
        == f"no trigger hears of uploads for: {', '.join(it for it in FLOWS if it in routes.FLOWS)}"
    )


@pytest.mark.parametrize(
    ("bucket", "status", "text"),
    [
        ("films", "ok", "8 deployments, 4 of which hear of uploads"),
        ("books", "bad", "triggers wait for uploads to films, not books"),
        (None, "ok", "8 deployments, 4 of which hear of uploads"),
    ],
    ids=["ours", "another", "none-is-named"],
)
def test_triggers_have_to_wait_for_our_bucket(api, bucket, status: str, text: str):
    deploy(api, "films")

    seen = prefect_side.deployments(api, bucket)

    assert (seen.status, seen.text) == (status, text)
    if status == "bad":
        assert seen.advice == "run `prefect deploy --all` with PERSONALIZE_BUCKET=books"


def test_a_sweep_has_to_come_again_and_again_to_our_bucket(api, monkeypatch):
    def seen(bucket: str = "films") -> tuple[str, str]:
        it = prefect_side.sweep(api, bucket)
        return it.status, it.text

    assert seen() == ("unknown", "not checked: it is not deployed")

    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="*/15 * * * *"), active=True)
    deployment = api.create_deployment(
        flow_id=api.create_flow_from_name("sweep"),
        name="sweep",
        parameters={"parameters": {"bucket": "films"}},
        schedules=[schedule],
    )
    assert seen("books") == ("bad", "it looks in films, not books")
    assert seen() == (
        "unknown",
        "not checked: none has ended well yet; one starts every quarter of an hour",
    )

    run = api.create_flow_run_from_deployment(deployment)
    api.set_flow_run_state(run.id, Completed(), force=True)
    assert seen() == ("ok", "one ended well 0 min ago")
    with monkeypatch.context() as patch:
        patch.setattr(prefect_side, "_RARE", dt.timedelta(0))
        assert seen() == ("bad", "the last that ended well did so 0 h ago")

    api.pause_deployment(deployment)
    assert seen() == ("bad", "its schedule is off")
    api.delete_deployment(deployment)


def test_only_events_of_objects_name_a_bucket():
    other = EventTrigger(match={"prefect.resource.id": "prefect.flow-run.*"}, threshold=1)

    assert heard_buckets([automation("other", other, ResumeFlowRun())]) == set()


def test_automations_that_everything_waits_for_are_missed(api):
    timer = EventTrigger(
        posture=Posture.Proactive,
        after={"prefect.flow-run.Suspended"},
        expect={"prefect.flow-run.Running"},
        threshold=1,
        within=300,
    )
    mute = EventTrigger(expect={"prefect.automation.action.failed"}, threshold=1)
    crash = ChangeFlowRunState(state=StateType.CRASHED)
    before = prefect_side.automations(api)
    api.create_automation(automation("timer", timer, ResumeFlowRun()))
    between = prefect_side.automations(api)
    api.create_automation(automation("zombies", timer, crash))
    quiet = prefect_side.automations(api)
    api.create_automation(automation("mute", mute, ResumeFlowRun()))
    after = prefect_side.automations(api)

    assert (before.status, before.text) == (
        "bad",
        "none resumes runs that wait for Personalize; none ends runs whose process is gone",
    )
    assert between.text == "none ends runs whose process is gone"
    assert between.advice == "run `personalize automations apply`"
    assert (quiet.status, quiet.text) == (
        "ok",
        "2 are on, but nobody is told of triggers that fail",
    )
    assert quiet.advice == "run `personalize automations apply` and say whom to tell"
    assert (after.status, after.text) == ("ok", "3 are on")
