"""What the input and the output of a batch job start."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from personalization.errors import ConfigError
from personalization.parameters import DispatchParameters, SweepParameters, TrainParameters, Upload
from tests.e2e.bare_deployments import Bare, bare_deployments
from tests.e2e.conftest import BUCKET, QUICK, SOLUTION, Place

pytestmark = [pytest.mark.server, pytest.mark.e2e]

FOLDER = f"batch/bingewatch/{SOLUTION}"


@pytest.fixture
def bare(prefect_server: str) -> Iterator[Bare]:
    with bare_deployments(
        "batch-segment", "batch-inference", "postprocess", "connector-sync"
    ) as it:
        yield it


def train(place: Place) -> str:
    """Train the sample; return the key of what its segment job wrote."""
    from flows.train import train as flow

    [output] = flow(TrainParameters(file=place.file, waiting=QUICK)).outputs
    return str(output.removeprefix(f"s3://{BUCKET}/"))


def dispatch(key: str, *, uploaded: bool = True) -> Any:
    """Dispatch an upload, or by hand; return the run's state."""
    from flows.dispatch import dispatch as flow

    upload = Upload(bucket=BUCKET, key=key) if uploaded else None
    parameters = DispatchParameters(file=f"s3://{BUCKET}/{key}", upload=upload, waiting=QUICK)
    return flow(parameters, return_state=True)


def started_by(key: str) -> Any:
    from prefect.artifacts import Artifact

    from tasks.artifacts import artifact_key

    found = Artifact.get(artifact_key("dispatched", key.split("/")[-2]))
    assert found
    return json.loads(found.data)


def connector_job(place: Place, name: str, reads: str, kind: str = "user_segmentation") -> str:
    config = {"batchInferencePath": reads, "connectors": {"files": {}}}
    place.put(f"etl_jobs/{kind}/{name}/config.json", json.dumps(config))
    return f"s3://{BUCKET}/etl_jobs/{kind}/{name}/"


def test_the_output_of_a_segment_job_becomes_audiences_once(bingewatch, bare):
    output = train(bingewatch)
    folder = output.rpartition("/")[0]
    first = dispatch(output)
    bingewatch.put(f"{folder}/part-2.out", bingewatch.read(output))
    second = dispatch(f"{folder}/part-2.out")

    [run] = bare.runs("postprocess")
    assert first.result() == second.result() == (str(run.id),)
    said = json.loads(bingewatch.read(f"{FOLDER}/postprocess.json"))
    assert run.parameters == {"parameters": {**said, "output": f"s3://{BUCKET}/{folder}/"}}
    assert dispatch(output).name == "Duplicate"
    assert run.parent_task_run_id is None

    # By hand it is asked for again.
    assert dispatch(output, uploaded=False).result() != first.result()
    assert len(bare.runs("postprocess")) == 2


@pytest.mark.parametrize("ended", ["Failed", "Crashed", "Cancelled"])
def test_what_came_to_nothing_is_done_when_its_output_is_put_again(bingewatch, bare, ended, caplog):
    from prefect import states

    output = train(bingewatch)
    folder = output.rpartition("/")[0]
    body = bingewatch.read(output)
    bingewatch.put(f"{folder}/part-2.out", body)
    [first] = dispatch(output).result()
    time.sleep(1.1)  # S3 tells whole seconds
    bare.end(first, getattr(states, ended)())

    # The other part was there before: nobody has asked for it again.
    assert dispatch(f"{folder}/part-2.out").result() == (first,)
    name = bare.client.read_flow_run(first).name
    assert f"run {name} has ended as {ended}: retry it, or put {output}" not in caplog.text
    assert f"run {name} has ended as {ended}: retry it, or put s3://" in caplog.text

    time.sleep(1.1)
    bingewatch.put(output, body)
    bingewatch.put(f"{folder}/part-2.out", body)
    [second] = dispatch(output).result()

    assert second != first
    assert dispatch(f"{folder}/part-2.out").result() == (second,)
    assert len(bare.runs("postprocess")) == 2


def test_what_was_done_is_not_done_again_and_that_is_said(bingewatch, bare, caplog):
    from prefect.states import Completed

    output = train(bingewatch)
    [first] = dispatch(output).result()
    bare.end(first, Completed())
    time.sleep(1.1)
    bingewatch.put(output, bingewatch.read(output))

    assert dispatch(output).result() == (first,)
    assert f"run {bare.client.read_flow_run(first).name} has done it" in caplog.text
    [row] = started_by(output)
    assert row["ended"] == "Completed"


def test_audiences_are_made_as_the_nearest_file_says(bingewatch, bare):
    output = train(bingewatch)
    near, far = f"{FOLDER}/postprocess.json", "batch/bingewatch/postprocess.json"
    bingewatch.client("s3").delete_object(Bucket=BUCKET, Key=near)
    bingewatch.put(far, '{"destination": "far"}')
    dispatch(output, uploaded=False)
    bingewatch.put(near, '{"options": {"top": 10}, "max_rejected": 0.1}')
    dispatch(output, uploaded=False)
    folder = f"s3://{BUCKET}/{output.rpartition('/')[0]}/"

    assert bare.given("postprocess") == [
        {"destination": "far", "output": folder},
        {"max_rejected": 0.1, "options": {"top": 10}, "output": folder},
    ]

    bingewatch.put(near, '{\n "destinaton": "crm",\n "max_rejected": 2\n}')
    with pytest.raises(ConfigError) as wrong:
        dispatch(output, uploaded=False).result()
    said = str(wrong.value)
    assert f"{near} cannot be used" in said
    assert f"{near}:2: destinaton: is not a known key; did you mean destination?" in said
    assert f"{near}:3: max_rejected: is 2" in said
    assert "then put the .out file again" in said
    assert json.loads(bingewatch.read(f"{near}.errors.json"))


def test_the_connector_jobs_that_read_an_output_are_run(bingewatch, bare, caplog):
    output = train(bingewatch)
    folder = f"s3://{BUCKET}/{output.rpartition('/')[0]}"
    expected = [
        {"job": connector_job(bingewatch, "newest", f"s3://{BUCKET}/{FOLDER}")},
        {"job": connector_job(bingewatch, "this", f"{folder}/")},
    ]
    connector_job(bingewatch, "another", f"s3://{BUCKET}/{FOLDER}-2/")
    bingewatch.put("etl_jobs/user_segmentation/broken/config.json", "{")
    bingewatch.put("etl_jobs/user_segmentation/no-config/input/a.csv", "a")

    started = dispatch(output).result()

    assert bare.given("connector-sync") == expected
    assert len(started) == 3
    assert "a connector job cannot be read" in caplog.text
    assert "user_segmentation/broken/config.json" in caplog.text


def test_an_input_runs_the_batch_job_of_its_recipe_when_there_is_a_version(bingewatch, bare):
    key = f"{FOLDER}/job_config.json"
    early = dispatch(key)
    train(bingewatch)
    bingewatch.put(key, bingewatch.read(key) + b"\n")
    dispatch(key)

    assert (early.name, early.type.value) == ("NotYet", "COMPLETED")
    assert early.message == (
        f"there is no solution {SOLUTION} yet; `sweep` starts its batch job when it is trained"
    )
    assert bare.given("batch-segment") == [
        {"bucket": BUCKET, "dataset_group": "bingewatch", "solution": SOLUTION}
    ]
    assert bare.runs("batch-inference") == []


def test_an_input_that_came_before_the_training_is_dispatched_after_it(bingewatch, prefect_server):
    from flows.sweep import sweep

    key = f"{FOLDER}/job_config.json"
    parameters = SweepParameters(bucket=BUCKET, grace_s=0)
    with bare_deployments("train", "dispatch", "connector-sync", "import-audience") as bare:
        assert dispatch(key).name == "NotYet"
        sweep(parameters)
        assert bare.given("dispatch") == []
        train(bingewatch)
        sweep(parameters)

        given = bare.given("dispatch")
        assert [it["file"] for it in given if it["file"].endswith(".json")] == [
            f"s3://{BUCKET}/{key}"
        ]
    with bare_deployments("batch-segment") as bare:
        assert dispatch(key).name == "Completed"
        assert len(bare.runs("batch-segment")) == 1
        assert dispatch(key).name == "Duplicate"


@pytest.mark.parametrize(
    "key", ["batch/bingewatch/job_config.json", "batch/bingewatch/a/b/job_config.json"]
)
def test_an_input_that_lies_elsewhere_is_told_where_it_belongs(bingewatch, bare, key):
    bingewatch.put(key, "{}")

    with pytest.raises(ConfigError, match=r"nobody's input; .*batch/<dataset group>/<solution>/"):
        dispatch(key).result()


def test_a_file_that_no_job_wrote_starts_nothing(bingewatch, bare):
    bingewatch.put("batch/bingewatch/old/run/copied.out", "{}")

    state = dispatch("batch/bingewatch/old/run/copied.out")

    assert (state.name, state.type.value) == ("Ignored", "COMPLETED")
    assert "no batch job writes to the folder of" in state.message


def test_recommendations_that_nobody_reads_start_nothing_and_say_so(bingewatch, bare):
    from flows.batch_inference import batch_inference
    from personalization.parameters import BatchParameters

    config = json.loads(bingewatch.read("train/bingewatch/config.json"))
    recipe = "arn:aws:personalize:::recipe/aws-user-personalization-v2"
    config["solutions"] = [{"serviceConfig": {"name": "for-nobody", "recipeArn": recipe}}]
    bingewatch.put("train/bingewatch/config.json", json.dumps(config))
    from flows.train import train as flow

    flow(TrainParameters(file=bingewatch.file, waiting=QUICK))
    key = "batch/bingewatch/for-nobody/job_config.json"
    bingewatch.put(key, '{"userId": "1"}')
    dispatch(key)
    parameters = BatchParameters(
        bucket=BUCKET, dataset_group="bingewatch", solution="for-nobody", waiting=QUICK
    )
    [output] = batch_inference(parameters)
    state = dispatch(output.removeprefix(f"s3://{BUCKET}/"))

    assert [it["solution"] for it in bare.given("batch-inference")] == ["for-nobody"]
    assert state.name == "Ignored"
    assert f"no connector job of s3://{BUCKET}/etl_jobs/ names" in state.message


def test_without_deployments_the_way_out_is_told(bingewatch, prefect_server):
    with pytest.raises(ConfigError, match="no deployment postprocess/postprocess; run `prefect"):
        dispatch(train(bingewatch)).result()
