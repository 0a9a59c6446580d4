"""The report beside an upload."""

from __future__ import annotations

import datetime as dt
import json
import pickle

import pytest

from personalization.aws import S3Path
from personalization.errors import ConfigError, Finding
from personalization.telling import Refusal, clear_report, group_named_in, report_path, write_report

UPLOAD = S3Path("films", "train/films/config.json")
AT = dt.datetime(2026, 11, 22, 14, 0, tzinfo=dt.UTC)
WARNING = Finding("datasets", "is odd", severity="warning")
ERROR = Finding("solutions[0].name", "is 'a b'", "no spaces", source=str(UPLOAD), line=3)


def refusal(*findings: Finding) -> Refusal:
    error = ConfigError("config.json cannot be used: 1 error", findings)
    head = {"ETag": '"abc"', "VersionId": "v1"}
    return Refusal.of(UPLOAD, error, AT, head, "train-films")


def test_a_report_says_which_version_is_wrong_where_and_what_is_allowed():
    assert refusal(WARNING, ERROR).document() == {
        "file": "s3://films/train/films/config.json",
        "version_id": "v1",
        "etag": "abc",
        "refused_at": "2026-11-22T14:00:00+00:00",
        "flow_run": "train-films",
        "message": "config.json cannot be used: 1 error",
        "findings": [
            {
                "severity": "error",
                "path": "solutions[0].name",
                "said": "is 'a b'",
                "allowed": "no spaces",
                "source": str(UPLOAD),
                "line": 3,
            },
            {
                "severity": "warning",
                "path": "datasets",
                "said": "is odd",
                "allowed": None,
                "source": None,
                "line": None,
            },
        ],
    }


def test_the_event_is_about_the_object_and_stays_small():
    event = refusal(*[ERROR] * 300).event("parameter-file")

    assert event["event"] == "personalize.parameter-file.rejected"
    assert event["resource"]["prefect.resource.id"] == "aws.s3.object.films/train/films/config.json"
    assert (event["payload"]["errors"], len(event["payload"]["findings"])) == (300, 100)


def test_a_report_lies_beside_the_upload_until_it_is_cleared(aws):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="films")

    path = write_report(s3, refusal(ERROR))
    body = s3.get_object(Bucket=path.bucket, Key=path.key)["Body"].read()

    assert path == report_path(UPLOAD) == S3Path("films", "train/films/config.json.errors.json")
    assert json.loads(body) == refusal(ERROR).document()
    assert clear_report(s3, UPLOAD)
    assert not clear_report(s3, UPLOAD)


def test_a_report_that_another_run_has_written_meanwhile_stays(aws):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="films")
    began = dt.datetime.now(dt.UTC)
    write_report(s3, refusal(ERROR))

    assert not clear_report(s3, UPLOAD, before=began)
    assert clear_report(s3, UPLOAD, before=began + dt.timedelta(seconds=2))


def test_clearing_nothing_leaves_nothing_behind_in_a_versioned_bucket(aws):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="films")
    s3.put_bucket_versioning(Bucket="films", VersioningConfiguration={"Status": "Enabled"})

    clear_report(s3, UPLOAD)

    assert "DeleteMarkers" not in s3.list_object_versions(Bucket="films")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param(b'{"datasetGroup": {"serviceConfig": {"name": "g"}}}', "g", id="named"),
        pytest.param(b'{"datasetGroup": {"serviceConfig": {"name": 1}}}', "", id="no-text"),
        pytest.param(b'{"datasetGroup": []}', "", id="no-object"),
        pytest.param(
            b'{"datasetGroup": {"serviceConfig": {"name": "%s"}}}' % (b"x" * 999),
            f"{'x' * 125}…",
            id="endless",
        ),
        pytest.param(b"{", "", id="no-json"),
        pytest.param(b"\xff", "", id="no-text-at-all"),
    ],
)
def test_the_group_is_read_as_far_as_a_faulty_file_lets(text, name):
    assert group_named_in(text) == name


def test_an_error_keeps_its_upload_on_its_way_between_processes():
    error = ConfigError("wrong", [ERROR])
    error.upload = str(UPLOAD)

    copy = pickle.loads(pickle.dumps(error))

    assert (copy.upload, copy.findings, str(copy)) == (str(UPLOAD), (ERROR,), str(error))
