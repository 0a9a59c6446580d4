from __future__ import annotations

import pytest

from personalization.parameters import Upload
from personalization.routes import PREFIXES, route

UPLOADS = [
    ("train/films/config.json", "train"),
    ("train/films/nightly/other name.json", "train"),
    ("train/films/config.json.errors.json", None),
    ("train/films/interactions.csv", None),
    ("training/films/config.json", None),
    ("batch/films/genres/job_config.json", "dispatch"),
    ("batch/films/genres/my_job_config.json", None),
    ("batch/films/genres/postprocess.json", None),
    ("batch/films/genres/run/job_config.json.out", "dispatch"),
    ("batch/films/genres/run/_CHECK", None),
    ("audiences/films/genres/run/rejected/rejected.out", None),
    ("etl_jobs/related_items/mail/config.json", "connector-sync"),
    ("etl_jobs/related_items/mail/input/user_item_mapping/a.csv", None),
    ("import/pinpoint/vip.csv", "import-audience"),
    ("import/vip.csv", None),
    ("claims/train/0.json", None),
    ("config.json", None),
    ("", None),
]


@pytest.mark.parametrize(("key", "flow"), UPLOADS)
def test_an_upload_calls_for_the_flow_of_its_place_and_name(key, flow):
    found = route(key)

    assert (found.flow if found else None) == flow
    assert found is None or key.startswith(PREFIXES)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("train/a/b.json", {"file": "s3://films/train/a/b.json"}),
        ("batch/a/b/job_config.json", {"file": "s3://films/batch/a/b/job_config.json"}),
        ("etl_jobs/a/b/config.json", {"job": "s3://films/etl_jobs/a/b/config.json"}),
        (
            'import/crm/a "b".csv',
            {"file": 's3://films/import/crm/a "b".csv', "destination": "crm"},
        ),
    ],
)
def test_a_run_gets_its_file_and_which_upload_it_is_for(key, expected):
    found = route(key)
    upload = Upload(bucket="films", key=key, version_id="3")

    assert found
    assert found.deployment == f"{found.flow}/{found.flow}"
    assert found.parameters(upload) == {
        "parameters": {
            **expected,
            "upload": {"bucket": "films", "key": key, "version_id": "3", "etag": None},
        }
    }
