from __future__ import annotations

import re

import pytest
from prefect import flow

from tasks import running

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        pytest.param(
            running.train_run_name,
            {"file": "s3://b/train/films/config.json"},
            r"train-films-\d{8}-\d{6}",
            id="train",
        ),
        pytest.param(
            running.train_run_name,
            {
                "file": "s3://b/train/films/config.json",
                "scheduled": {"kind": "full", "solution": "for-you"},
            },
            r"full-for-you-\d{8}-\d{6}",
            id="scheduled training",
        ),
        pytest.param(
            running.train_run_name,
            {
                "file": "s3://b/train/films/config.json",
                "scheduled": {"kind": "import", "solution": None},
            },
            r"import-films-\d{8}-\d{6}",
            id="scheduled import",
        ),
        pytest.param(
            running.batch_segment_run_name, {"solution": "s"}, r"batch-segment-s-.*", id="segment"
        ),
        pytest.param(
            running.batch_inference_run_name,
            {"solution": "s"},
            r"batch-inference-s-.*",
            id="inference",
        ),
        pytest.param(
            running.dispatch_run_name,
            {"file": "s3://b/batch/g/s/job_config.json"},
            r"dispatch-s-.*",
            id="dispatch",
        ),
        pytest.param(
            running.postprocess_run_name,
            {"output": "s3://b/batch/g/s/batch_s_2026/"},
            r"postprocess-batch_s_2026-.*",
            id="output folder",
        ),
        pytest.param(
            running.postprocess_run_name,
            {"output": "s3://b/batch/g/s/batch_s_2026/job_config.json.out"},
            r"postprocess-batch_s_2026-.*",
            id="output file",
        ),
        pytest.param(
            running.import_run_name, {"destination": "crm"}, r"import-audience-crm-.*", id="import"
        ),
        pytest.param(
            running.sync_run_name,
            {"job": "s3://b/etl_jobs/related_items/like-this/config.json"},
            r"connector-sync-like-this-.*",
            id="sync",
        ),
    ],
)
def test_runs_are_named_for_what_they_do(prefect_server, name, given, said):
    names: list[str] = []

    @flow(flow_run_name=lambda: names.append(name()) or "it")
    def it(parameters: dict[str, object]) -> None:
        pass

    it(given)

    [found] = names
    assert re.fullmatch(said, found)
