"""Deployed runs that are suspended while AWS works, against the same runs in one go."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from deployments.processes import LOCAL_CREDENTIALS
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.parameters import (
    BatchParameters,
    PostprocessParameters,
    TrainParameters,
    Waiting,
)
from personalization.transforms.audience_options import AudienceOptions
from tests.e2e.conftest import BUCKET, DOMAIN, QUICK, SOLUTION, Place

pytestmark = [pytest.mark.server, pytest.mark.e2e]

CONFIG = "train/bingewatch/config.json"
# Every look but the last leaves the process.
LEAVING = Waiting(
    first_look_s=0.05, slowest_look_s=0.05, give_up_after_s=600, suspend_after_s=0.001
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """A local AWS where every state lasts until it has been looked at."""
    for name, value in LOCAL_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with LocalAws(pace=Pace(looks=1)) as it:
        monkeypatch.setenv("AWS_ENDPOINT_URL", it.endpoint_url)
        yield it


@pytest.fixture
def timer(prefect_server: str) -> Iterator[None]:
    """The timer by its name, without its effect: these tests resume runs themselves."""
    from prefect.automations import Automation
    from prefect.events.actions import ResumeFlowRun
    from prefect.events.schemas.automations import EventTrigger, Posture

    from tasks.suspending import TIMER

    trigger = EventTrigger(
        expect={"never"}, posture=Posture.Reactive, threshold=1, within=dt.timedelta(0)
    )
    made = Automation(name=TIMER, trigger=trigger, actions=[ResumeFlowRun()]).create()
    yield
    made.delete()


def run_of(flow: Any, parameters: Any, **more: Any) -> Any:
    from tests.e2e.deployed import deployed_run

    return deployed_run(flow, parameters, **more)


def train(place: Place, **more: Any) -> Any:
    from flows.train import train as flow

    return run_of(flow, TrainParameters(file=place.file, waiting=LEAVING, **more))


def tables(run: Any, key: str) -> list[Any]:
    """All versions of a table that the run has left, the newest last."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        ArtifactFilterKey,
    )

    mine = ArtifactFilter(
        key=ArtifactFilterKey(any_=[key]), flow_run_id=ArtifactFilterFlowRunId(any_=[run.id])
    )
    with get_client(sync_client=True) as client:
        left = client.read_artifacts(artifact_filter=mine)
    return [json.loads(str(it.data)) for it in sorted(left, key=lambda it: str(it.created))]


def test_a_run_that_was_suspended_did_and_tells_what_one_in_one_go_would(bingewatch, timer):
    first = train(bingewatch)
    assert first.step().is_paused()
    name = first.read().name
    first.resume()
    state, resumed = first.to_the_end()
    report = state.result()

    assert resumed >= 2
    actions = [step.action for step in report.plan.steps]
    assert actions == [row["action"] for row in report.plan.rows()]
    assert {it: actions.count(it) for it in set(actions)} == {"create": 10, "import": 3}
    assert {step.reason for step in report.plan.steps} == {"does not exist yet"}
    assert len(report.arns) == 13
    assert len(report.outputs) == 1
    assert {row["previous version"] for row in report.metrics} == {None}
    assert tables(first, "plan-bingewatch") == [report.plan.rows()]
    assert len(tables(first, "data-bingewatch")) == 1
    assert tables(first, "metrics-bingewatch") == [list(report.metrics)]
    assert bingewatch.count("list_dataset_import_jobs", "datasetImportJobs") == 3
    assert bingewatch.count("list_solution_versions", "solutionVersions") == 1
    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == 1
    assert name.startswith("train-bingewatch-2")
    assert first.read().name == name

    again = train(bingewatch, retrain="always")
    state, resumed = again.to_the_end()
    report = state.result()

    assert resumed >= 1
    assert [it.action for it in report.plan.changes] == ["retrain", "create"]
    assert {row["change"] for row in report.metrics} == {0.0}
    assert bingewatch.count("list_solution_versions", "solutionVersions") == 2
    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == 2


def test_a_training_that_fails_meanwhile_is_told_with_its_reason_and_not_repeated(
    bingewatch, timer
):
    config = json.loads(bingewatch.read(CONFIG))
    # Nobody has ever done this, so there is nothing to learn from.
    config["solutions"][0]["serviceConfig"]["eventType"] = "never"
    bingewatch.put(CONFIG, json.dumps(config))
    run = train(bingewatch, check_data=False)

    state, _ = run.to_the_end()

    assert state.name == "Failed"
    assert "2 resource(s) could not be brought into being" in state.message
    assert "is CREATE FAILED: " in state.message
    assert "batchSegmentJob" in state.message
    assert bingewatch.count("list_solution_versions", "solutionVersions") == 1


def test_uploads_that_change_meanwhile_are_left_to_the_next_run(bingewatch, timer):
    run = train(bingewatch)
    while not bingewatch.count("list_solution_versions", "solutionVersions"):
        assert run.step().is_paused()
        run.resume()
    views = bingewatch.read("train/bingewatch/interactions.csv").splitlines(keepends=True)
    bingewatch.put("train/bingewatch/interactions.csv", b"".join(views[:-1]))

    state, _ = run.to_the_end()

    assert state.is_completed()
    assert bingewatch.count("list_dataset_import_jobs", "datasetImportJobs") == 3
    assert bingewatch.count("list_solution_versions", "solutionVersions") == 1
    # The next run sees it.
    state = train(bingewatch, plan_only=True).step()
    assert state.result().plan.importing == ("interactions",)


def test_a_job_that_is_asked_for_again_is_paid_for_once(bingewatch, timer):
    from flows.batch_segment import batch_segment
    from flows.train import train as in_one_go

    in_one_go(TrainParameters(file=bingewatch.file, waiting=QUICK))
    run = run_of(
        batch_segment,
        BatchParameters(
            bucket=BUCKET,
            dataset_group="bingewatch",
            solution=SOLUTION,
            num_results=50,
            again=True,
            waiting=LEAVING,
        ),
    )
    state = run.step()
    assert state.is_paused()
    run.resume()
    # A version that was trained meanwhile does not make it another job.
    in_one_go(TrainParameters(file=bingewatch.file, waiting=QUICK, retrain="always"))
    jobs = bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs")

    state, _ = run.to_the_end()

    assert state.is_completed()
    assert len(state.result()) == 1
    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == jobs == 3


def test_imports_are_started_once_and_audiences_keep_their_names(
    bingewatch, customer_profiles, timer
):
    from flows.postprocess import postprocess
    from flows.train import train as in_one_go

    trained = in_one_go(TrainParameters(file=bingewatch.file, waiting=QUICK))
    run = run_of(
        postprocess,
        PostprocessParameters(
            output=trained.outputs[0],
            options=AudienceOptions(address_by="user"),
            destination=customer_profiles,
            waiting=LEAVING,
        ),
    )
    state, resumed = run.to_the_end()

    assert resumed >= 1
    report = state.result()
    profiles = bingewatch.client("customer-profiles")
    jobs = profiles.list_upload_jobs(DomainName=DOMAIN)["Items"]
    assert len(jobs) == len(report.audiences) == 1
    [[started]] = tables(run, "imports-customer-profiles-started")
    assert started["import"] == jobs[0]["JobId"]
    assert tables(run, "receipts-customer-profiles")[-1][0]["state"] == "succeeded"


def test_a_run_that_nobody_would_resume_waits_on_and_says_so(bingewatch, prefect_server, caplog):
    from flows.train import train as flow

    parameters = TrainParameters(file=bingewatch.file, waiting=LEAVING)
    with caplog.at_level(logging.WARNING):
        state = run_of(flow, parameters).step()
        assert state.is_completed()
        assert "no automation 'personalize/resume-suspended-runs' is there" in caplog.text
        assert "`personalize automations apply` makes it" in caplog.text

        again = TrainParameters(file=bingewatch.file, waiting=LEAVING, retrain="always")
        state = run_of(flow, again, tags=("mine",)).step()
    assert state.is_completed()
    assert "only runs with the tag 'personalize' are resumed" in caplog.text


def test_a_retry_is_a_new_try_of_a_run_that_began_long_ago(timer):
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    from tasks.suspending import outlast, this_run

    seen: list[Any] = []

    @flow
    def tries(parameters: dict[str, Any]) -> None:
        seen.append(this_run())
        if len(seen) != 2:
            outlast(lambda _: 1, lambda _: ["it"], LEAVING, seen[-1])
        if len(seen) == 2:
            raise ValueError("no")

    run = run_of(tries, LEAVING)
    assert run.step().is_paused()
    run.resume()
    assert run.step().is_failed()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Scheduled(), force=True)
    assert run.step().is_paused()

    assert [it.resumed for it in seen] == [False, True, False]
    assert seen[0].started == seen[1].started == seen[2].started == run.read().start_time
    assert seen[0].tried == seen[1].tried < seen[2].tried


def test_what_follows_a_crashed_run_goes_on_with_its_work_and_pays_for_nothing_twice(
    bingewatch, timer
):
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed

    from tasks.starting import start_again
    from tests.e2e.deployed import DeployedRun

    train(bingewatch).to_the_end()
    first = train(bingewatch, retrain="always")
    assert first.step().is_paused()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(first.id, Crashed(), force=True)
    again = DeployedRun(first.flow, start_again(first.read()).id)
    state, _ = again.to_the_end()

    assert again.id != first.id
    assert state.is_completed()
    assert bingewatch.count("list_solution_versions", "solutionVersions") == 2
    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == 2


def test_a_cancelled_run_stays_cancelled(timer):
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelled

    from tasks.suspending import outlast, this_run

    @flow
    def waits(parameters: dict[str, Any]) -> None:
        outlast(lambda _: 1, lambda _: ["it"], LEAVING, this_run())

    run = run_of(waits, LEAVING)
    assert run.step().is_paused()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelled())
        run.resume()

    assert run.read().state.is_cancelled()
