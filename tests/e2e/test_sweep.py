"""Uploads whose event was lost, or whose run died."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from personalization.claims import claim, complete, identify
from personalization.local.server import LocalAws
from personalization.parameters import SweepParameters, Upload
from tests.e2e.bare_deployments import Bare, bare_deployments
from tests.e2e.swept import BUCKET, sweep, table

pytestmark = [pytest.mark.server, pytest.mark.e2e]

KEY = "train/films/config.json"
UPLOAD = Upload(bucket=BUCKET, key=KEY)


@pytest.fixture
def bare(prefect_server: str) -> Iterator[Bare]:
    with bare_deployments("train", "dispatch", "connector-sync", "import-audience") as it:
        yield it


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    """A bucket that is looked after since a minute ago."""
    client = aws.clients("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    begin(client, dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1))
    return client


def begin(s3: Any, at: dt.datetime) -> None:
    body = {"holder": "sweep", "since": at.isoformat()}
    s3.put_object(Bucket=BUCKET, Key="claims/sweep.json", Body=json.dumps(body).encode())


def put(s3: Any, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")


def held(s3: Any, holder: str) -> Any:
    identity = identify(s3, UPLOAD)
    assert identity
    return claim(s3, identity.claim_path("train"), holder, lambda _: "failed")


def test_every_upload_without_a_run_gets_one_run(s3, bare):
    put(s3, KEY, "batch/films/a/job_config.json", "etl_jobs/related_items/a/config.json")
    put(s3, "import/crm/vip.csv", "train/films/items.csv", "train/films/config.json.errors.json")

    started = sweep()

    assert len(started) == 4
    assert sweep() == ()
    [train] = bare.given("train")
    assert train["file"] == f"s3://{BUCKET}/{KEY}"
    assert train["upload"]["key"] == KEY
    assert [it["destination"] for it in bare.given("import-audience")] == ["crm"]
    assert len(bare.runs("dispatch")) == len(bare.runs("connector-sync")) == 1


def test_what_was_healed_is_shown(s3, bare):
    put(s3, KEY)

    [run] = sweep()

    [row] = table()
    assert (row["what"], row["flow"], row["id"]) == (f"s3://{BUCKET}/{KEY}", "train", run)
    assert row["why"] == "no run has claimed it"
    sweep()
    assert table() == []


def test_the_first_sweep_looks_after_what_was_just_uploaded(s3, bare):
    s3.delete_object(Bucket=BUCKET, Key="claims/sweep.json")
    put(s3, KEY)

    assert len(sweep()) == 1
    said = json.loads(s3.get_object(Bucket=BUCKET, Key="claims/sweep.json")["Body"].read())
    since, first = (
        dt.datetime.fromisoformat(it) for it in (said["since"], said["about"]["uploads since"])
    )
    assert abs(since - first - dt.timedelta(hours=1)) < dt.timedelta(seconds=1)


def test_what_was_uploaded_more_than_an_hour_before_the_first_sweep_is_left(s3, bare):
    put(s3, KEY)
    # S3 tells whole seconds, so that what is written in the same second counts as later.
    begin(s3, dt.datetime.now(dt.UTC) + dt.timedelta(hours=1, seconds=2))
    time.sleep(2.1)
    put(s3, "train/songs/config.json")

    assert len(sweep()) == 1
    assert [it["upload"]["key"] for it in bare.given("train")] == ["train/songs/config.json"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"grace_s": 60}, id="too-new"),
        pytest.param({"look_back_days": 1e-9}, id="too-old"),
    ],
)
def test_what_is_too_new_or_too_old_is_left(s3, bare, more):
    put(s3, KEY)

    time.sleep(1.1)
    assert sweep(**more) == ()


def test_what_is_done_or_under_way_is_left(s3, bare):
    put(s3, KEY)
    [run] = sweep()
    mine = held(s3, run)

    assert sweep() == ()
    complete(s3, mine)
    bare.client.delete_flow_run(run)
    assert sweep() == ()


def test_what_is_queued_is_left(s3, bare):
    put(s3, KEY)
    given = {"parameters": {"file": f"s3://{BUCKET}/{KEY}", "upload": UPLOAD.model_dump()}}
    bare.client.create_flow_run_from_deployment(bare.ids["train"], parameters=given)

    assert sweep() == ()


def test_a_run_that_crashed_is_followed_by_another_until_there_were_three(s3, bare):
    from prefect.states import Crashed

    put(s3, KEY)
    tries = []
    for _ in range(3):
        [run] = sweep()
        tries.append(run)
        held(s3, run)
        bare.end(run, Crashed())

    assert len(set(tries)) == 3
    assert sweep() == ()
    [row] = table()
    assert (row["run"], row["id"]) == ("given up", "")
    assert row["why"] == f"run {tries[-1]} crashed"


@pytest.fixture
def mail(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Returns the reasons that SNS has delivered since the last look."""
    from blocks.settings import settings

    sns, sqs = aws.clients("sns"), aws.clients("sqs")
    topic = sns.create_topic(Name="films")["TopicArn"]
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    names = ["QueueArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("PERSONALIZE_SNS_TOPIC", topic)
    settings.cache_clear()

    def read() -> list[str]:
        told: list[str] = []
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for it in found:
                body = json.loads(it["Body"])
                told.append(json.loads(body["Message"])["reason"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=it["ReceiptHandle"])
        return told

    yield read
    settings.cache_clear()


def test_runs_that_died_and_uploads_that_are_given_up_are_told_once(s3, bare, mail):
    from prefect.states import Crashed

    put(s3, KEY)
    tries = []
    for _ in range(3):
        [run] = sweep()
        tries.append(run)
        held(s3, run)
        bare.end(run, Crashed())
    sweep()
    sweep()

    names = [bare.client.read_flow_run(it).name for it in tries]
    assert mail() == [
        f"run {tries[0]} crashed; run {names[1]} goes on with it",
        f"run {tries[1]} crashed; run {names[2]} goes on with it",
        f"run {tries[2]} crashed; it is given up: look at its runs, then begin it again",
    ]


def test_a_run_that_died_without_an_upload_is_told_once(s3, bare, mail):
    from prefect.states import Crashed

    run = bare.client.create_flow_run_from_deployment(
        bare.ids["train"], parameters={"parameters": {"file": str(UPLOAD.path)}}
    )
    bare.end(run.id, Crashed())
    [again] = sweep()
    sweep()

    name = bare.client.read_flow_run(again).name
    assert mail() == [f"run {run.id} crashed; run {name} goes on with it"]


def test_a_run_that_crashed_before_it_could_claim_is_followed_by_another(s3, bare):
    from prefect.states import Crashed

    put(s3, KEY)
    [first] = sweep()
    bare.end(first, Crashed())

    [second] = sweep()

    assert second != first


def test_a_claim_that_cannot_be_read_is_shown_and_holds_nothing_up(s3, bare):
    put(s3, KEY, "train/songs/config.json")
    path = held(s3, str(uuid4())).path
    s3.put_object(Bucket=BUCKET, Key=path.key, Body=b"")

    [run] = sweep()

    assert [it["upload"]["key"] for it in bare.given("train")] == ["train/songs/config.json"]
    spoilt, other = table()
    assert (spoilt["what"], spoilt["run"], spoilt["id"]) == (str(UPLOAD.path), "given up", "")
    assert f"{path} is no claim" in spoilt["why"]
    assert spoilt["why"].endswith("remove it")
    assert other["id"] == run


def test_one_kind_of_healing_that_fails_holds_no_other_up(s3, bare):
    from prefect.states import Crashed

    from flows.sweep import sweep as flow

    run = bare.client.create_flow_run_from_deployment(
        bare.ids["train"], parameters={"parameters": {"file": str(UPLOAD.path)}}
    )
    bare.end(run.id, Crashed())
    s3.put_object(Bucket=BUCKET, Key="claims/sweep.json", Body=b"")

    state = flow(SweepParameters(bucket=BUCKET, grace_s=0), return_state=True)

    assert "claims/sweep.json is no claim" in str(state.result(raise_on_failure=False))
    assert state.is_failed()
    [row] = table()
    assert row["what"] == run.name
    assert len(bare.runs("train")) == 2


def test_what_was_cancelled_is_left_when_its_run_is_removed_too(s3, bare):
    from prefect.states import Cancelled

    put(s3, KEY)
    [run] = sweep()
    held(s3, run)
    bare.end(run, Cancelled())
    assert sweep() == ()
    bare.client.delete_flow_run(run)

    assert sweep() == ()


@pytest.mark.parametrize("ended", ["Failed", "Completed"])
def test_a_run_that_ended_before_it_could_claim_has_used_up_its_try(s3, bare, ended):
    from prefect import states

    put(s3, KEY)
    tries = []
    for _ in range(3):
        [run] = sweep()
        tries.append(run)
        bare.end(run, getattr(states, ended)())

    assert len(set(tries)) == 3
    assert sweep() == ()
    assert table()[0]["run"] == "given up"


def test_a_run_that_was_cancelled_before_it_could_claim_is_the_last(s3, bare):
    from prefect.states import Cancelled

    put(s3, KEY)
    [run] = sweep()
    bare.end(run, Cancelled())

    assert sweep() == ()
    [row] = table()
    name = bare.client.read_flow_run(run).name
    assert (row["run"], row["id"]) == (f"{name} was cancelled", "")


@pytest.mark.parametrize("state", ["Pending", "Running"])
def test_a_run_that_does_not_begin_counts_as_crashed(s3, bare, state):
    from prefect import states

    put(s3, KEY)
    given = {"parameters": {"file": str(UPLOAD.path), "upload": UPLOAD.model_dump()}}
    dead = bare.client.create_flow_run_from_deployment(bare.ids["train"], parameters=given)
    bare.end(dead.id, getattr(states, state)())
    assert sweep() == ()

    [run] = sweep(stuck_after_s=0)

    assert run != str(dead.id)
    assert len(bare.runs("train")) == 2


def test_a_run_that_never_began_is_ended(s3, bare):
    from prefect.states import Pending

    given = {"parameters": {"file": str(UPLOAD.path)}}
    dead = bare.client.create_flow_run_from_deployment(bare.ids["train"], parameters=given)
    bare.end(dead.id, Pending())
    assert sweep() == ()

    [run] = sweep(stuck_after_s=0)

    found = bare.client.read_flow_run(dead.id)
    assert (found.state.name, run != str(dead.id)) == ("Crashed", True)
    assert re.match(r"Pending for \d+ s: its process died before it began", found.state.message)
    assert table()[0]["why"] == f"run {dead.id} crashed"


def test_a_run_that_claimed_its_upload_has_begun(s3, bare):
    from prefect.states import Running

    put(s3, KEY)
    [run] = sweep()
    held(s3, run)
    bare.end(run, Running())

    assert sweep(stuck_after_s=0) == ()
    assert bare.client.read_flow_run(run).state.is_running()


def test_a_run_that_nobody_knows_any_more_is_followed_by_another(s3, bare):
    put(s3, KEY)
    held(s3, str(uuid4()))

    assert len(sweep()) == 1
    assert "is not known to Prefect any more" in table()[0]["why"]


@pytest.mark.parametrize("ended", ["Failed", "Cancelled"])
def test_a_run_that_failed_or_was_cancelled_is_left_to_a_person(s3, bare, ended):
    from prefect import states

    put(s3, KEY)
    [run] = sweep()
    held(s3, run)
    bare.end(run, getattr(states, ended)())

    assert sweep() == ()
    assert table() == []


def test_the_same_file_uploaded_again_is_another_upload(s3, bare):
    from prefect.states import Completed

    put(s3, KEY)
    [first] = sweep()
    complete(s3, held(s3, first))
    bare.end(first, Completed())
    put(s3, KEY)

    [second] = sweep()

    assert second != first
