from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from personalization.aws import S3Path
from personalization.claims import claim, identify, read
from personalization.local.server import LocalAws
from personalization.parameters import FlowParameters, FolderParameters, Upload

pytestmark = pytest.mark.server

UPLOAD = Upload(bucket="films", key="train/films/config.json")


class Folder(FolderParameters):
    @property
    def places(self) -> tuple[S3Path, ...]:
        return (S3Path("films", "train/films/"),)


@pytest.fixture
def s3(aws: LocalAws, prefect_server: str) -> Any:
    """A bucket with an upload in it."""
    client = aws.clients("s3")
    client.create_bucket(Bucket="films")
    client.put_object(Bucket="films", Key=UPLOAD.key, Body=b"{}")
    return client


def flow_of(body: Callable[..., Any], **settings: Any) -> Any:
    """A flow that does `body` once for an upload."""
    from prefect import flow

    from tasks.once import once

    return flow(name="once", **settings)(once(body))


def finish(parameters: FlowParameters) -> str:
    return "done"


def claim_of(s3: Any) -> Any:
    identity = identify(s3, UPLOAD)
    assert identity
    return read(s3, identity.claim_path("once"))


def test_an_upload_is_worked_on_once(s3):
    done: list[Any] = []

    def body(parameters: FlowParameters) -> str:
        done.append(parameters.upload)
        return "done"

    work = flow_of(body)
    first = work(FlowParameters(upload=UPLOAD), return_state=True)
    second = work(FlowParameters(upload=UPLOAD), return_state=True)

    assert first.result() == "done"
    assert (second.type.value, second.name) == ("COMPLETED", "Duplicate")
    assert f"{first.state_details.flow_run_id} has done this version" in second.message
    assert "to do it again, upload it again, or start a run without `upload`" in second.message
    assert done == [UPLOAD]
    assert claim_of(s3).completed


def test_the_same_file_uploaded_again_is_worked_on_again(s3):
    done: list[Any] = []
    work = flow_of(lambda parameters: done.append(parameters.upload))
    s3.put_bucket_versioning(Bucket="films", VersioningConfiguration={"Status": "Enabled"})

    for _ in range(2):
        s3.put_object(Bucket="films", Key=UPLOAD.key, Body=b"{}")
        for _ in range(3):
            work(FlowParameters(upload=UPLOAD))

    assert len(done) == 2


def test_runs_at_the_same_moment_work_on_it_once(s3):
    done: list[None] = []

    def body(parameters: FlowParameters) -> None:
        time.sleep(0.5)
        done.append(None)

    work, start = flow_of(body), threading.Barrier(4)

    def one(context: Any) -> str:
        start.wait()
        state = context.run(work, FlowParameters(upload=UPLOAD), return_state=True)
        return str(state.name)

    with ThreadPoolExecutor(4) as pool:
        names = sorted(pool.map(one, [copy_context() for _ in range(4)]))

    assert names == ["Completed", "Duplicate", "Duplicate", "Duplicate"]
    assert len(done) == 1


def test_what_another_run_failed_to_do_is_done(s3):
    tries: list[None] = []

    def body(parameters: FlowParameters) -> str:
        tries.append(None)
        if len(tries) == 1:
            raise ValueError("no")
        return "done"

    work = flow_of(body)
    assert work(FlowParameters(upload=UPLOAD), return_state=True).is_failed()
    assert not claim_of(s3).completed

    assert work(FlowParameters(upload=UPLOAD)) == "done"
    assert claim_of(s3).attempt == 2


def test_what_a_person_cancelled_is_not_begun_again_by_a_copy_of_its_event(s3):
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelled

    work = flow_of(finish)
    run = work(FlowParameters(upload=UPLOAD), return_state=True).state_details.flow_run_id
    s3.delete_object(Bucket="films", Key=claim_of(s3).path.key)
    identity = identify(s3, UPLOAD)
    assert identity
    claim(s3, identity.claim_path("once"), str(run), lambda _: "going")
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelled(), force=True)
        copy = work(FlowParameters(upload=UPLOAD), return_state=True)
        client.delete_flow_run(run)
        another = work(FlowParameters(upload=UPLOAD), return_state=True)

    assert (copy.name, another.name) == ("Duplicate", "Duplicate")
    assert f"flow run {run}, which had this version of {UPLOAD.path}, was cancelled" in copy.message
    assert "retry that run, upload it again, or start a run without `upload`" in copy.message
    assert finish(FlowParameters()) == work(FlowParameters()) == "done"


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param("5f9c5a7e-0f0e-4c53-8a3c-2f1d9d1c7f10", id="an id"),
        pytest.param("nobody", id="no id"),
    ],
)
def test_what_a_run_had_that_the_server_does_not_know_is_done(s3, holder):
    identity = identify(s3, UPLOAD)
    assert identity
    claim(s3, identity.claim_path("once"), holder, lambda _: "going")

    assert flow_of(finish)(FlowParameters(upload=UPLOAD)) == "done"


def test_a_run_that_is_retried_goes_on_with_its_claim(s3):
    tries: list[None] = []

    def body(parameters: FlowParameters) -> str:
        tries.append(None)
        if len(tries) == 1:
            raise ValueError("no")
        return "done"

    assert flow_of(body, retries=1)(FlowParameters(upload=UPLOAD)) == "done"
    assert (claim_of(s3).attempt, bool(claim_of(s3).completed)) == (1, True)


def test_a_run_that_leaves_its_process_has_not_succeeded_yet(s3):
    from prefect.exceptions import Pause
    from prefect.states import Suspended

    def body(parameters: FlowParameters) -> None:
        raise Pause(state=Suspended(timeout_seconds=60))

    with pytest.raises(Pause):
        flow_of(body)(FlowParameters(upload=UPLOAD))
    assert not claim_of(s3).completed


def test_a_run_that_returns_its_failure_has_not_succeeded(s3):
    from prefect.states import Failed

    def body(parameters: FlowParameters) -> Any:
        return Failed(message="no")

    state = flow_of(body)(FlowParameters(upload=UPLOAD), return_state=True)

    assert state.is_failed()
    assert not claim_of(s3).completed


def test_an_upload_that_was_deleted_needs_no_work(s3):
    s3.delete_object(Bucket="films", Key=UPLOAD.key)

    state = flow_of(finish)(FlowParameters(upload=UPLOAD), return_state=True)

    assert (state.type.value, state.name) == ("COMPLETED", "Gone")
    assert state.message == (
        f"{UPLOAD.path} was deleted before the run began; there is nothing to do"
    )


def test_without_an_upload_aws_is_not_asked(prefect_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    assert flow_of(finish)(FlowParameters()) == "done"


def test_a_folder_is_waited_for_until_its_last_part_is_there(s3):
    where = {"Bucket": "films", "Key": "train/films/interactions.csv"}
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    seen: list[int] = []

    def send() -> None:
        time.sleep(1)
        part = s3.upload_part(**upload, PartNumber=1, Body=b"USER_ID\n")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(**upload, MultipartUpload=parts)

    def body(parameters: Folder) -> None:
        seen.append(s3.list_objects_v2(Bucket="films", Prefix="train/films/")["KeyCount"])

    sending = threading.Thread(target=send)
    sending.start()
    flow_of(body)(Folder(upload=UPLOAD, settle_s=0.5))
    sending.join()

    assert seen == [2]


def test_a_folder_that_is_never_quiet_is_worked_on_in_the_end(s3, monkeypatch, caplog):
    import tasks.once

    monkeypatch.setattr(tasks.once, "_LONGEST_ARRIVAL_S", 0.0)
    s3.create_multipart_upload(Bucket="films", Key="train/films/interactions.csv")

    assert flow_of(finish)(Folder(upload=UPLOAD)) == "done"
    assert "is being uploaded in parts, after 0 minutes: going on" in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "train",
        "batch_segment",
        "batch_inference",
        "postprocess",
        "import_audience",
        "connector_sync",
    ],
)
def test_a_flow_that_works_once_shows_its_parameters_to_prefect(name):
    from importlib import import_module

    from prefect.utilities.callables import parameter_schema

    it = getattr(import_module(f"flows.{name}"), name)

    schema = parameter_schema(it).model_dump()
    [model] = [it for it in schema["definitions"] if it.endswith("Parameters")]
    assert "upload" in schema["definitions"][model]["properties"]
    assert it.fn.__wrapped__.__name__ == it.fn.__name__ == name


def test_a_flow_takes_its_parameters_as_json_as_deployed_runs_do(prefect_server):
    from flows.train import train
    from personalization.parameters import TrainParameters

    given = {"file": "s3://films/train/films/config.json", "upload": UPLOAD.model_dump()}

    cast = train.validate_parameters({"parameters": given})
    assert cast["parameters"] == TrainParameters(file=given["file"], upload=UPLOAD)
