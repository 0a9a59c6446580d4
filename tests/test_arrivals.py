from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from personalization.arrivals import still_arriving
from personalization.aws import S3Path
from personalization.local.server import LocalAws
from personalization.parameters import TrainParameters

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
    begun = AnHourAgo(s3)
    assert still_arriving(begun, [FOLDER], 5, later(6)) is None

    where = {"Bucket": "films", "Key": "train/films/interactions.csv"}
    where["UploadId"] = upload["UploadId"]
    s3.upload_part(**where, PartNumber=1, Body=b"USER_ID")
    found = still_arriving(begun, [FOLDER], 5, later(6))
    assert found
    assert found.what == "s3://films/train/films/interactions.csv is being uploaded in parts"

    s3.abort_multipart_upload(**where)
    assert still_arriving(begun, [FOLDER], 5, later(6)) is None


def test_a_file_of_which_no_part_has_come_yet_is_waited_for(s3):
    s3.create_multipart_upload(Bucket="films", Key="train/films/interactions.csv")

    assert still_arriving(s3, [FOLDER], 5, later(6))


def test_a_file_whose_upload_was_given_up_is_not_waited_for(s3):
    where = {"Bucket": "films", "Key": "train/films/interactions.csv"}
    upload = s3.create_multipart_upload(**where)
    s3.upload_part(**where, UploadId=upload["UploadId"], PartNumber=1, Body=b"USER_ID")

    assert still_arriving(s3, [FOLDER], 5, later(9 * 60))
    assert still_arriving(s3, [FOLDER], 5, later(11 * 60)) is None


def test_of_a_folder_only_what_is_read_counts(s3):
    [file, *data] = TrainParameters(file="s3://films/train/films/config.json").places
    s3.create_multipart_upload(Bucket="films", Key="train/films/old/interactions.csv")
    s3.put_object(Bucket="films", Key="train/films/config.json.errors.json", Body=b"{}")

    assert still_arriving(s3, data, 60, later()) is None
    s3.delete_object(Bucket="films", Key=file.key)
    assert still_arriving(s3, [file], 60, later()) is None
    s3.put_object(Bucket="films", Key="train/films/items/1.csv", Body=b"")
    assert still_arriving(s3, data, 60, later())


class AnHourAgo:
    """S3, on which every upload in parts was begun an hour ago."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3

    def get_paginator(self, operation: str) -> Any:
        self.pages = self.s3.get_paginator(operation)
        return self if operation == "list_multipart_uploads" else self.pages

    def paginate(self, **request: str) -> Iterator[Any]:
        for page in self.pages.paginate(**request):
            begun = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
            yield {"Uploads": [{**it, "Initiated": begun} for it in page.get("Uploads", ())]}


class NotAllowed:
    """Who may list objects, but not do one thing."""

    def __init__(self, s3: Any, operation: str) -> None:
        self.s3, self.operation = s3, operation

    def get_paginator(self, operation: str) -> Any:
        return self if operation == self.operation else self.s3.get_paginator(operation)

    def paginate(self, **_: str) -> Iterator[Any]:
        denied = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        raise ClientError(denied, self.operation)
        yield


def test_who_may_not_list_uploads_in_parts_is_told_so_and_goes_on(s3, caplog):
    with caplog.at_level(logging.WARNING):
        found = still_arriving(NotAllowed(s3, "list_multipart_uploads"), [FOLDER], 5, later(6))

    assert found is None
    assert "is not allowed (s3:ListBucketMultipartUploads)" in caplog.text


def test_who_may_not_look_at_parts_waits_for_what_was_begun_within_a_day(s3, caplog):
    s3.create_multipart_upload(Bucket="films", Key="train/films/interactions.csv")
    blind = NotAllowed(s3, "list_parts")

    with caplog.at_level(logging.WARNING):
        assert still_arriving(blind, [FOLDER], 5, later(23 * 3600))
    assert "is not allowed (s3:ListMultipartUploadParts)" in caplog.text
    assert still_arriving(blind, [FOLDER], 5, later(25 * 3600)) is None
