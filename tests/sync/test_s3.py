"""Runs, inputs and state in S3, on the local AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from personalization.aws import S3Path
from personalization.connectors.base import Rendering
from personalization.errors import ConfigError, RetryableError
from personalization.local.server import LocalAws
from personalization.sync.inputs import fetch_inputs
from personalization.sync.job import load
from personalization.sync.layout import JobPath
from personalization.sync.prepare import Shard, prepare_recommendations
from personalization.sync.runs import complete_run
from personalization.sync.state_store import fetch_state, store_state
from personalization.transforms.recommendation_state import promote, read_state

SOLUTION = "batch/shop/rel/"


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    client = aws.clients("s3")
    client.create_bucket(Bucket="bbb")
    return client


def put(s3: Any, *keys: str, body: str = "") -> None:
    for key in keys:
        s3.put_object(Bucket="bbb", Key=key, Body=body.encode())


def found(s3: Any, key: str = SOLUTION) -> str:
    return complete_run(s3, S3Path("bbb", key)).folder.key


def a_run(s3: Any, name: str, *, complete: bool = True, body: str = "{}") -> None:
    put(s3, f"{SOLUTION}{name}/job_config.json.out", body=body)
    if complete:
        put(s3, f"{SOLUTION}{name}/_CHECK")


def test_a_run_that_is_named_is_taken(s3):
    a_run(s3, "rel_2022_05_12_16_10_47")
    a_run(s3, "rel_2023_05_12_16_10_47")

    run = complete_run(s3, S3Path("bbb", f"{SOLUTION}rel_2022_05_12_16_10_47/"))

    assert run.folder.key == f"{SOLUTION}rel_2022_05_12_16_10_47/"
    assert [it.path.name for it in run.outputs] == ["job_config.json.out"]
    assert f"{run.stamp:%Y-%m-%d %H:%M:%S}" == "2022-05-12 16:10:47"


def test_of_a_solution_the_newest_complete_run_is_taken_in_either_spelling(s3):
    put(s3, f"{SOLUTION}job_config.json", f"{SOLUTION}rel_2025_01_01_00_00_00/")
    a_run(s3, "rel_2022-05-12-16-10-47")
    a_run(s3, "rel-2023-01-01-00-00-00")
    a_run(s3, "rel_2022_12_31_23_59_59")
    a_run(s3, "rel_2024_01_01_00_00_00", complete=False)

    assert found(s3) == f"{SOLUTION}rel-2023-01-01-00-00-00/"


def test_a_run_that_is_not_complete_may_be_so_later(s3):
    a_run(s3, "rel_2022_05_12_16_10_47", complete=False)

    with pytest.raises(RetryableError, match="_CHECK is missing in rel_2022_05_12_16_10_47"):
        found(s3)


def test_a_folder_without_output_is_refused(s3):
    put(s3, f"{SOLUTION}job_config.json", f"{SOLUTION}x/_CHECK")

    with pytest.raises(
        ConfigError, match=r"holds no output of a batch job \(\*.out\); there is: x"
    ):
        found(s3)


def answers(lists: dict[str, list[str]], key: str = "itemId") -> str:
    return "\n".join(
        json.dumps({"input": {key: owner}, "output": {"recommendedItems": ids}})
        for owner, ids in lists.items()
    )


def the_golden_job(s3: Any, **config: Any):
    path = JobPath.parse("s3://bbb/etl_jobs/related_items/shop/")
    a_run(
        s3,
        "rel_2022_05_12_16_10_47",
        body=answers({"105": ["106", "107", "49"], "106": ["105", "107", "49"], "441": []}),
    )
    put(
        s3, f"{path.mapping.key}m.csv", body="USER_ID,ITEM_ID\n123,105\n124,105\n234,106\n235,441\n"
    )
    put(s3, f"{path.metadata.key}i.json", body='{"sku":"106","n":"x"}\n{"sku":"107","n":"y"}\n')
    document = {
        "batchInferencePath": f"s3://bbb/{SOLUTION}",
        "itemIdColumn": "sku",
        "performDeltaCheck": True,
        "connectors": {"braze": {"itemMetadataFields": ["n"], "attributePrefix": "r_"}},
        **config,
    }
    return path, load(json.dumps(document), "config.json", job_type=path.type)


def prepared(s3: Any, folder: Path, path: JobPath, job: Any, **how: Any):
    return prepare_recommendations(
        path,
        job,
        "braze",
        Rendering("external_id", prefix="r_"),
        fetch_inputs(s3, path, job, folder / "inputs"),
        state=fetch_state(s3, path.state("braze"), folder / "state"),
        target=folder / "outbox",
        **how,
    )


def everything(outbox: Any) -> dict[str, pl.Series]:
    return {file: pl.read_parquet(outbox.users(file))["hash"] >= 0 for file in outbox.files}


def test_the_golden_job_from_s3_and_its_state_back(s3, tmp_path):
    path, job = the_golden_job(s3)

    report = prepared(s3, tmp_path, path, job)
    first = report.outbox.lines("00000").read_text().splitlines()
    promote(tmp_path / "state", [(report.outbox, everything(report.outbox))])
    store_state(s3, tmp_path / "state", path.state("braze"), "run")
    second = prepared(s3, tmp_path / "elsewhere", path, job)

    assert [json.loads(line) for line in first if '"123"' in line] == [
        {"external_id": "123", "r_n": ["x", "y", None], "r_itemId": ["106", "107", "49"]}
    ]
    assert len(first) == 3
    assert second.outbox.files == ()
    assert second.counts["unchanged"] == 3


def test_only_the_last_two_generations_of_a_state_are_kept(s3, tmp_path):
    path, job = the_golden_job(s3)
    for _ in range(4):
        outbox = prepared(s3, tmp_path, path, job).outbox
        promote(tmp_path / "state", [(outbox, everything(outbox))])
        store_state(s3, tmp_path / "state", path.state("braze"), "run")

    kept = s3.list_objects_v2(Bucket="bbb", Prefix=path.state("braze").key)["Contents"]
    names = sorted(it["Key"].removeprefix(path.state("braze").key) for it in kept)
    assert names == [
        "00000003/items.parquet",
        "00000003/users.parquet",
        "00000004/items.parquet",
        "00000004/users.parquet",
        "state.json",
    ]
    assert len(read_state(fetch_state(s3, path.state("braze"), tmp_path / "copy")).users) == 3


def test_the_first_run_has_an_empty_state(s3, tmp_path):
    state = read_state(fetch_state(s3, S3Path("bbb", "nothing/"), tmp_path / "state"))

    assert len(state.users) == 0
    assert state.fingerprint is None
    store_state(s3, tmp_path / "state", S3Path("bbb", "nothing/"), "run")
    assert s3.list_objects_v2(Bucket="bbb", Prefix="nothing/")["KeyCount"] == 0


def test_a_related_items_job_needs_a_mapping(s3, tmp_path):
    path, job = the_golden_job(s3)
    s3.delete_object(Bucket="bbb", Key=f"{path.mapping.key}m.csv")

    with pytest.raises(ConfigError, match=r"input/user_item_mapping/ holds no \.csv"):
        fetch_inputs(s3, path, job, tmp_path)


def test_fields_without_metadata_are_refused(s3, tmp_path):
    path, job = the_golden_job(s3)
    s3.delete_object(Bucket="bbb", Key=f"{path.metadata.key}i.json")

    with pytest.raises(
        ConfigError, match=r"itemMetadataFields names fields, and .* holds no \.json"
    ):
        prepared(s3, tmp_path, path, job)


def test_user_personalization_reads_its_own_folder_and_works_without_metadata(s3, tmp_path):
    path = JobPath.parse("s3://bbb/etl_jobs/user_personalization/shop/")
    a_run(s3, "rel_2022_05_12_16_10_47", body=answers({"ana": ["1", "2"]}, "userId"))
    document = {"batchInferencePath": f"s3://bbb/{SOLUTION}", "connectors": {"braze": {}}}
    job = load(json.dumps(document), "config.json")

    report = prepared(s3, tmp_path, path, job)

    assert report.outbox.lines("00000").read_text() == (
        '{"external_id":"ana","r_itemId":["1","2"]}\n'
    )


def test_errors_are_saved_only_when_asked_and_by_the_first_shard(s3, tmp_path):
    path, job = the_golden_job(s3)
    saving = job.model_copy(update={"save_batch_inference_errors": True})
    bad = '{"input":{"itemId":"1"},"output":null,"error":"no"}'
    a_run(s3, "rel_2023_05_12_16_10_47", body=bad)
    faults = tmp_path / "errors.jsonl"
    written = []
    for it, shard in ((job, Shard()), (saving, Shard(1, 2)), (saving, Shard(0, 2))):
        report = prepared(s3, tmp_path, path, it, faults=faults, shard=shard)
        written.append(faults.exists())
        assert report.counts["errors"] == 1

    assert written == [False, False, True]
    assert faults.read_text() == f"{bad}\n"
