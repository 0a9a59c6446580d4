"""What others hear of a run: an SNS topic, an EventBridge bus, CloudWatch, Prefect, uploaders."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from personalization.errors import ConfigError, FatalError
from personalization.parameters import (
    BatchParameters,
    DispatchParameters,
    ImportParameters,
    SyncParameters,
    TrainParameters,
    Upload,
)
from tests.e2e.conftest import BUCKET, QUICK, SOLUTION, Place

pytestmark = [pytest.mark.server, pytest.mark.e2e]

NAMESPACE = "personalize_solution_films"
CONFIG = "train/bingewatch/config.json"
JOB_INPUT = f"batch/bingewatch/{SOLUTION}/job_config.json"
REPORT = f"{CONFIG}.errors.json"


@dataclass(frozen=True)
class Listeners:
    """Queues behind the topic and the bus, and the place they stand in."""

    place: Place
    messages: str
    events: str
    since: dt.datetime

    def _drain(self, queue: str) -> list[dict[str, Any]]:
        sqs, bodies = self.place.client("sqs"), []
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for it in found:
                bodies.append(json.loads(it["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=it["ReceiptHandle"])
        return bodies

    def mail(self) -> list[dict[str, Any]]:
        """What SNS delivered since the last look: envelopes with a parsed `Message`."""
        return [{**it, "Message": json.loads(it["Message"])} for it in self._drain(self.messages)]

    def changes(self) -> list[dict[str, Any]]:
        """What came over the bus since the last look."""
        return self._drain(self.events)

    @contextmanager
    def without_bus(self) -> Iterator[None]:
        """Let the bus be another one, which is not there."""
        from blocks.settings import settings

        there = settings()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PERSONALIZE_EVENT_BUS", "nowhere")
            settings.cache_clear()
            yield
        settings.cache_clear()
        assert settings() == there

    def counts(self, service: str) -> dict[str, float]:
        """Sums by metric of a service of the namespace."""
        cloudwatch = self.place.client("cloudwatch")
        metrics = cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]
        now = dt.datetime.now(dt.UTC)
        sums: dict[str, float] = {}
        for metric in metrics:
            if {"Name": "service", "Value": service} not in metric["Dimensions"]:
                continue
            points = cloudwatch.get_metric_statistics(
                **metric,
                StartTime=now - dt.timedelta(hours=1),
                EndTime=now + dt.timedelta(hours=1),
                Period=7200,
                Statistics=["Sum"],
            )["Datapoints"]
            sums[metric["MetricName"]] = sum(it["Sum"] for it in points)
        return sums


@pytest.fixture
def listeners(bingewatch: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listeners]:
    """Everything that can be told is told, and heard."""
    from blocks.settings import settings

    sqs, sns, bus = (bingewatch.client(it) for it in ("sqs", "sns", "events"))
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("mail", "changes")}
    arns = {
        name: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        for name, url in queues.items()
    }
    topic = sns.create_topic(Name="films")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arns["mail"])
    bus.create_event_bus(Name="films")
    pattern = json.dumps({"source": ["solutions.aws.personalize"]})
    bus.put_rule(Name="all", EventBusName="films", EventPattern=pattern)
    bus.put_targets(
        Rule="all", EventBusName="films", Targets=[{"Id": "queue", "Arn": arns["changes"]}]
    )
    monkeypatch.setenv("PERSONALIZE_SNS_TOPIC", topic)
    monkeypatch.setenv("PERSONALIZE_EVENT_BUS", "films")
    monkeypatch.setenv("PERSONALIZE_METRICS_NAMESPACE", NAMESPACE)
    settings.cache_clear()
    now = dt.datetime.now(dt.UTC)
    yield Listeners(bingewatch, queues["mail"], queues["changes"], now)
    settings.cache_clear()


def train(place: Place, **more: Any) -> Any:
    from flows.train import train as flow

    return flow(TrainParameters(file=place.file, waiting=QUICK, **more))


def prefect_events(since: dt.datetime, prefix: str, count: int = 1) -> list[dict[str, Any]]:
    """Our events, when there are so many; they come to the server later than they are sent."""
    from prefect.client.orchestration import get_client

    wanted = {"occurred": {"since": since.isoformat()}, "event": {"prefix": [prefix]}}
    events: list[dict[str, Any]] = []
    end_at = time.monotonic() + 20
    while time.monotonic() < end_at and len(events) < count:
        time.sleep(0.2)
        with get_client(sync_client=True) as client:
            answer = client.request("POST", "/events/filter", json={"filter": wanted, "limit": 50})
        events = answer.json()["events"]
    return events


def test_all_hear_of_a_training_and_hear_nothing_twice(listeners, prefect_server):
    place = listeners.place
    report = train(place)

    [mail] = listeners.mail()
    assert mail["Subject"] == "personalize-flows Notifications: bingewatch UPDATE COMPLETE"
    assert mail["Message"]["datasetGroup"] == "bingewatch"
    assert f"Batch output: {report.outputs[0]}" in mail["Message"]["description"]
    assert (
        "#arn:aws:personalize:us-east-1:123456789012:dataset-group$bingewatch/setup"
        in (mail["Message"]["description"])
    )

    changes = listeners.changes()
    statuses = Counter(
        (it["detail-type"].removeprefix("Personalize "), it["detail"]["Status"]) for it in changes
    )
    kinds = {"Dataset Group": 1, "Schema": 3, "Dataset": 3, "Dataset Import Job": 3}
    kinds |= {"Solution": 1, "Solution Version": 1, "Batch Segment Job": 1}
    assert statuses == {
        (f"{kind} State Change", status): count
        for kind, count in kinds.items()
        for status in ("CREATING", "ACTIVE")
    }
    [job] = [
        it for it in changes if "Batch" in it["detail-type"] and it["detail"]["Status"] == "ACTIVE"
    ]
    assert job["source"] == "solutions.aws.personalize"
    assert job["resources"] == [job["detail"]["Arn"]]
    assert job["detail"]["DatasetGroupArn"].endswith(":dataset-group/bingewatch")
    assert job["detail"]["SolutionArn"].endswith(f":solution/{SOLUTION}")

    workflow = listeners.counts("Workflow")
    assert workflow == {
        "ConfigurationsProcessed": 1,
        "ConfigurationsProcessedSuccesses": 1,
        "JobSuccess": 1,
        **{f"{kind.replace(' ', '')}Created": count for kind, count in kinds.items()},
    }
    measured = {row["metric"]: row["this version"] for row in report.metrics}
    assert listeners.counts("SolutionMetrics") == pytest.approx(measured)

    train(place)

    assert listeners.changes() == []
    assert len(listeners.mail()) == 1
    assert listeners.counts("SolutionMetrics") == pytest.approx(measured)
    again = listeners.counts("Workflow")
    assert {name for name in again if again[name] != workflow[name]} == {
        "ConfigurationsProcessed",
        "ConfigurationsProcessedSuccesses",
        "JobSuccess",
    }


def test_prefect_hears_of_every_resource_once_with_what_it_belongs_to(listeners, prefect_server):
    train(listeners.place)

    events = prefect_events(listeners.since, "personalize.", 27)
    by_name = {it["event"]: it for it in events}
    assert Counter(it["event"] for it in events)["personalize.dataset-import-job.active"] == 3
    job = by_name["personalize.batch-segment-job.active"]
    assert set(job["payload"]) == {
        *("arn", "status", "duration_s", "dataset_group", "solution", "failure_reason")
    }
    assert (job["payload"]["dataset_group"], job["payload"]["solution"]) == ("bingewatch", SOLUTION)
    assert job["resource"]["prefect.resource.id"] == job["payload"]["arn"]
    roles = {it["prefect.resource.role"] for it in job["related"]}
    assert {"dataset-group", "solution", "flow", "flow-run", "task-run"} <= roles
    measured = by_name["personalize.solution-version.measured"]["payload"]
    assert 0 < measured["metrics"]["coverage"] <= 1
    assert measured["previous_metrics"]["coverage"] is None


def test_an_end_that_was_told_is_not_told_again_by_a_run_that_sees_it_again(
    listeners, prefect_server
):
    """As a run does that was suspended while Personalize worked, or that takes up another's."""
    from prefect import flow

    from personalization.resources.kinds import SOLUTION_VERSION
    from personalization.waiting import Stay
    from tasks.reconcile import wait_until_active

    key = f"solutionVersion/{SOLUTION}"
    arn = train(listeners.place).arns[key]
    active = "personalize.solution-version.active"
    prefect_events(listeners.since, active)
    listeners.changes()

    @flow
    def again() -> Any:
        return wait_until_active("again", {key: (SOLUTION_VERSION, arn)}, QUICK, None, Stay())

    assert again()[key].status == "ACTIVE"
    assert listeners.changes() == []
    assert len(prefect_events(listeners.since, active)) == 1


def test_a_failure_is_told_with_personalizes_own_reason(listeners, prefect_server):
    place = listeners.place
    config = json.loads(place.read(CONFIG))
    # Nobody has ever done this, so there is nothing to learn from.
    config["solutions"][0]["serviceConfig"]["eventType"] = "never"
    place.put(CONFIG, json.dumps(config))

    with pytest.raises(FatalError) as failure:
        train(place, check_data=False)

    [mail] = listeners.mail()
    reason = mail["Message"]["reason"]
    assert mail["Subject"] == "personalize-flows Notifications: bingewatch UPDATE FAILED"
    assert reason == str(failure.value)
    assert "is CREATE FAILED: " in reason
    [failed] = [it for it in listeners.changes() if it["detail"]["Status"] == "CREATE FAILED"]
    assert failed["detail-type"] == "Personalize Solution Version State Change"
    assert failed["detail"]["FailureReason"] in reason
    [event] = prefect_events(listeners.since, "personalize.solution-version.failed")
    assert event["payload"]["failure_reason"] == failed["detail"]["FailureReason"]
    counts = listeners.counts("Workflow")
    assert (counts["ConfigurationsProcessedSuccesses"], counts["JobFailure"]) == (1, 1)
    assert "JobSuccess" not in counts


def test_whoever_uploaded_a_faulty_parameter_file_is_told_until_it_is_mended(
    listeners, prefect_server
):
    place = listeners.place
    sound = place.read(CONFIG)
    place.put(CONFIG, sound.replace(b'"name": "bingewatch"', b'"name": "binge watch"', 1))
    etag = place.client("s3").head_object(Bucket=BUCKET, Key=CONFIG)["ETag"].strip('"')

    with pytest.raises(ConfigError):
        train(place)

    report = json.loads(place.read(REPORT))
    [wrong] = [it for it in report["findings"] if it["severity"] == "error"]
    assert (report["file"], report["etag"]) == (place.file, etag)
    assert wrong["path"] == "datasetGroup.serviceConfig.name"
    assert wrong["said"] == "is 'binge watch'"
    assert wrong["allowed"].startswith("must match")
    assert wrong["line"] > 0
    assert report["flow_run"].startswith("train-bingewatch-")
    [mail] = listeners.mail()
    assert mail["Message"]["datasetGroup"] == "binge watch"
    assert mail["Message"]["file"] == place.file
    [said] = mail["Message"]["description"]
    assert "datasetGroup.serviceConfig.name: is 'binge watch'; must match" in said
    [event] = prefect_events(listeners.since, "personalize.parameter-file.rejected")
    assert event["resource"]["prefect.resource.id"] == f"aws.s3.object.{BUCKET}/{CONFIG}"
    assert event["payload"]["etag"] == etag
    assert listeners.counts("Workflow") == {
        "ConfigurationsProcessed": 1,
        "ConfigurationsProcessedFailures": 1,
    }
    assert artifact("findings-bingewatch")[0]["where"] == wrong["path"]

    place.put(CONFIG, sound)
    train(place, plan_only=True)

    assert not there(place, REPORT)
    assert artifact("findings-bingewatch") == []
    assert listeners.mail() == []  # of a plan nobody is told


def test_faults_in_data_and_job_inputs_are_told_there_too(listeners, prefect_server):
    place = listeners.place
    interactions = place.read("train/bingewatch/interactions.csv")
    place.put("train/bingewatch/interactions.csv", interactions.replace(b"TIMESTAMP", b"TIME", 1))

    with pytest.raises(ConfigError):
        train(place)

    report = json.loads(place.read(REPORT))
    assert any("TIMESTAMP" in str(it) for it in report["findings"])

    place.put("train/bingewatch/interactions.csv", interactions)
    place.put(JOB_INPUT, '{"itemAttributes": "ITEMS.GENRES == 1"}')
    with pytest.raises(ConfigError):
        train(place)

    for key in (REPORT, f"{JOB_INPUT}.errors.json"):
        [finding] = json.loads(place.read(key))["findings"]
        assert (finding["source"], finding["line"]) == (f"s3://{BUCKET}/{JOB_INPUT}", 1)


def test_a_faulty_connector_job_is_told_beside_its_config(listeners, prefect_server):
    from flows.connector_sync import connector_sync

    key = "etl_jobs/user_personalization/for-you/config.json"
    listeners.place.put(key, '{"batchInferencePath": 1}')

    with pytest.raises(ConfigError):
        connector_sync(SyncParameters(job=f"s3://{BUCKET}/{key}"))

    report = json.loads(listeners.place.read(f"{key}.errors.json"))
    assert {it["path"] for it in report["findings"]} == {"batchInferencePath", "connectors"}
    [mail] = listeners.mail()
    assert mail["Message"]["flow"] == "connector-sync"
    assert listeners.counts("connector-sync") == {"JobFailure": 1}


def refused(place: Place, flow: Any, parameters: Any) -> str:
    """What stands beside the upload after the run; the run's error says the same."""
    with pytest.raises(ConfigError) as failure:
        flow(parameters)

    report = json.loads(place.read(f"{parameters.upload.key}.errors.json"))
    assert report["file"] == str(parameters.upload.path) == failure.value.upload
    assert report["message"] == str(failure.value)
    return str(report["message"])


def test_whatever_is_wrong_with_an_upload_reaches_whoever_uploaded_it(listeners, prefect_server):
    from flows.connector_sync import connector_sync
    from flows.dispatch import dispatch
    from flows.import_audience import import_audience

    keys = ("etl_jobs/nonsense/a/config.json", "import/nobody/a.csv", "batch/a/job_config.json")
    for key in keys:
        listeners.place.put(key, "Id\n1\n")
    job, audience, job_input = (Upload(bucket=BUCKET, key=key) for key in keys)

    said = [
        refused(
            listeners.place,
            connector_sync,
            SyncParameters(job=str(job.path), upload=job, settle_s=0),
        ),
        refused(
            listeners.place,
            import_audience,
            ImportParameters(file=str(audience.path), destination="nobody", upload=audience),
        ),
        refused(
            listeners.place,
            dispatch,
            DispatchParameters(file=str(job_input.path), upload=job_input),
        ),
    ]

    assert "job type 'nonsense' is unknown" in said[0]
    assert "there is no Destination block named 'nobody'" in said[1]
    assert "is nobody's input" in said[2]
    mails = listeners.mail()
    assert [it["Message"]["file"] for it in mails] == [
        str(it.path) for it in (job, audience, job_input)
    ]
    events = prefect_events(listeners.since, "personalize.upload.rejected", 3)
    assert len(events) == 3


def test_a_report_goes_when_its_upload_has_been_worked_on(listeners, prefect_server):
    from flows.dispatch import dispatch

    place, key = listeners.place, "batch/bingewatch/none/job_config.json.out"
    place.put(key, "")
    place.put(f"{key}.errors.json", "{}")
    time.sleep(1.1)  # S3 tells time in whole seconds
    upload = Upload(bucket=BUCKET, key=key)

    dispatch(DispatchParameters(file=str(upload.path), upload=upload), return_state=True)

    assert not there(place, f"{key}.errors.json")


def test_an_input_that_belongs_elsewhere_is_told_beside_it(listeners, prefect_server):
    from flows.batch_segment import batch_segment

    train(listeners.place)
    key = f"batch/other/{SOLUTION}/job_config.json"
    listeners.place.put(key, "{}")
    parameters = BatchParameters(
        bucket=BUCKET, dataset_group="other", solution=SOLUTION, waiting=QUICK
    )

    with pytest.raises(ConfigError):
        batch_segment(parameters)

    report = json.loads(listeners.place.read(f"{key}.errors.json"))
    assert "belongs to dataset group bingewatch, not to other" in report["message"]


def test_what_the_bus_refused_is_put_again_and_prefect_told_once(listeners, prefect_server):
    from personalization.resources import Account, look
    from personalization.resources.kinds import DATASET_GROUP
    from tasks.happenings import tell_ended

    place, group = listeners.place, {"name": "films", "domain": "VIDEO_ON_DEMAND"}
    place.client("personalize").create_dataset_group(**group)
    arn = Account.of(place.aws.clients).arn(DATASET_GROUP, "films")
    found = look(place.client("personalize"), DATASET_GROUP, arn)
    while found and found.on_the_way:
        found = look(place.client("personalize"), DATASET_GROUP, arn)

    def tell(events: int) -> list[str]:
        tell_ended(DATASET_GROUP, arn, found, None)
        return [it["event"] for it in prefect_events(listeners.since, "personalize.", events)]

    with listeners.without_bus():
        tell(2)
        tell(2)
    assert listeners.changes() == []
    tell(3)
    assert [it["detail"]["Status"] for it in listeners.changes()] == ["ACTIVE"]
    names = tell(3)

    assert listeners.changes() == []
    assert Counter(names) == {
        "personalize.dataset-group.active": 1,
        "personalize.bus.refused": 1,
        "personalize.bus.told": 1,
    }


def test_nobody_who_cannot_be_told_stops_a_run(listeners, prefect_server, monkeypatch, caplog):
    from blocks.settings import settings
    from flows.train import train as flow

    monkeypatch.setenv("PERSONALIZE_SNS_TOPIC", "arn:aws:sns:us-east-1:123456789012:nobody")
    monkeypatch.setenv("PERSONALIZE_EVENT_BUS", "nowhere")
    settings.cache_clear()

    state = flow(TrainParameters(file=listeners.place.file, waiting=QUICK), return_state=True)

    assert state.is_completed()
    said = [it.getMessage() for it in caplog.records if it.levelname == "WARNING"]
    assert any("could not tell arn:aws:sns:us-east-1:123456789012:nobody" in it for it in said)
    assert any("putting events onto nowhere failed" in it for it in said)
    assert "27 thing(s) could not be told" in said
    assert listeners.counts("Workflow")["TellingFailures"] == 27


def test_a_report_that_cannot_be_written_leaves_the_error_as_it_is(listeners, prefect_server):
    place = listeners.place
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{BUCKET}/{REPORT}",
            }
        ],
    }
    place.put(CONFIG, "{")
    place.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))

    with pytest.raises(ConfigError, match=r"config\.json cannot be used: 1 error"):
        train(place)

    [mail] = listeners.mail()
    assert not there(place, REPORT)
    assert mail["Message"]["file"] == place.file


def test_a_batch_run_that_finds_its_job_is_told_as_complete(listeners, prefect_server):
    from flows.batch_segment import batch_segment

    train(listeners.place)
    listeners.mail()
    parameters = BatchParameters(
        bucket=BUCKET, dataset_group="bingewatch", solution=SOLUTION, waiting=QUICK
    )
    [output] = batch_segment(parameters)

    [mail] = listeners.mail()
    assert mail["Message"]["summary"] == (
        "The personalization workflow for bingewatch completed successfully"
    )
    assert f"Batch output: {output}" in mail["Message"]["description"]


@pytest.mark.parametrize("name", ["Duplicate", "Skipped", "Missed", "NotYet"])
def test_of_a_run_that_did_nothing_nobody_is_told(listeners, prefect_server, name):
    from prefect import flow
    from prefect.states import Completed

    from tasks.telling import TOLD

    @flow(**TOLD)
    def idle() -> Any:
        return Completed(name=name)

    idle(return_state=True)

    assert listeners.mail() == []
    assert listeners.counts("idle") == {}


def test_what_a_bug_says_stays_in_the_log(listeners, prefect_server):
    from prefect import flow

    from tasks.telling import TOLD

    @flow(name="train", **TOLD)
    def broken(parameters: TrainParameters) -> None:
        raise ValueError("https://key:secret@far.end refused")

    with pytest.raises(ValueError, match="secret"):
        broken(TrainParameters(file=listeners.place.file))

    [mail] = listeners.mail()
    said = "ended by an unexpected ValueError; the run's log says more"
    assert mail["Message"]["reason"] == said
    assert mail["Message"]["datasetGroup"] == "UNKNOWN"
    assert "secret" not in json.dumps(mail)


def test_a_crash_is_told_too(listeners, prefect_server):
    from prefect import flow

    from tasks.telling import TOLD

    @flow(name="train", **TOLD)
    def interrupted(parameters: TrainParameters) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(TrainParameters(file=listeners.place.file))

    [mail] = listeners.mail()
    assert mail["Message"]["status"] == "UPDATE FAILED"
    assert mail["Message"]["reason"].startswith("the run crashed: ")
    assert listeners.counts("Workflow")["JobFailure"] == 1


def test_schedules_are_counted(listeners):
    from tasks.telling import tell_schedules

    tell_schedules(created=2, deleted=0, credentials=None)

    assert listeners.counts("Scheduler") == {"JobsCreated": 2}


def test_what_is_not_set_is_not_told(bingewatch, prefect_server):
    train(bingewatch)

    metrics = bingewatch.client("cloudwatch").list_metrics()["Metrics"]
    assert {it["Namespace"] for it in metrics} <= {"AWS/S3"}  # which S3 puts there itself


def artifact(key: str) -> Any:
    from prefect.artifacts import Artifact

    found = Artifact.get(key)
    assert found, key
    return json.loads(found.data)


def there(place: Place, key: str) -> bool:
    listed = place.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=key)
    return key in [it["Key"] for it in listed.get("Contents", ())]
