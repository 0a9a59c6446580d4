from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError

from personalization.arrivals import still_arriving
from personalization.aws import S3Path
from personalization.local.server import LocalAws

FOLDER = S3Path("films", "train/films/")


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    """A folder with a parameter file in it."""
    client = aws.clients("s3")
    client.create_bucket(Bucket="films")
    client.put_object(Bucket="films", Key="train/films/config.json", Body=b"{}")
    return client


def later(seconds: float = 0) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


def test_what_has_just_been_written_may_not_be_all(s3):
    found = still_arriving(s3, [FOLDER], 60, later())

    assert found
    assert found.what == "s3://films/train/films/config.json has just been written"
    assert 50 < found.again_in_s <= 60


def test_a_folder_is_complete_when_nothing_has_come_for_a_while(s3):
    assert still_arriving(s3, [FOLDER], 5, later(6)) is None
    assert still_arriving(s3, [FOLDER], 0, later(1)) is None


def test_what_comes_elsewhere_does_not_count(s3):
    s3.create_multipart_upload(Bucket="films", Key="train/songs/interactions.csv")
    s3.put_object(Bucket="films", Key="train/songs/config.json", Body=b"{}")

    assert still_arriving(s3, [S3Path("films", "etl_jobs/")], 60, later()) is None
    assert still_arriving(s3, [FOLDER], 5, later(6)) is None


def test_a_file_that_comes_in_parts_is_waited_for_however_long_it_takes(s3):
    upload = s3.create_multipart_upload(Bucket="films", Key="train/films/interactions.csv")

    found = still_arriving(s3, [FOLDER], 5, later(23 * 3600))
    assert found
    assert found.what == "s3://films/train/films/interactions.csv is being uploaded in parts"

    s3.abort_multipart_upload(
        Bucket="films", Key="train/films/interactions.csv", UploadId=upload["UploadId"]
    )
    assert still_arriving(s3, [FOLDER], 5, later(6)) is None


def test_a_file_that_was_given_up_a_day_ago_is_not(s3):
    s3.create_multipart_upload(Bucket="films", Key="train/films/interactions.csv")

    assert still_arriving(s3, [FOLDER], 5, later(25 * 3600)) is None


class NotAllowed:
    """Who may list objects but not uploads in parts."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_multipart_uploads":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        return self.s3.get_paginator(operation)


def test_who_may_not_list_uploads_in_parts_is_told_so_and_goes_on(s3, caplog):
    with caplog.at_level(logging.WARNING):
        found = still_arriving(NotAllowed(s3), [FOLDER], 5, later(6))

    assert found is None
    assert "is not allowed (s3:ListBucketMultipartUploads)" in caplog.text
