from __future__ import annotations

import hashlib
import io
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from personalization.local import s3_reads
from personalization.local.s3_reads import LARGE
from personalization.local.server import LocalAws

MB = 1 << 20
PATTERN = bytes(range(256)) * 4096 * 3  # 3 MB in which every offset is recognisable
SMALL = b"small"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A bucket with a large object, a small one, and a large one in two versions."""
    with LocalAws() as aws:
        client = aws.clients("s3")
        for bucket in ("films", "versions"):
            client.create_bucket(Bucket=bucket)
        status = {"Status": "Enabled"}
        client.put_bucket_versioning(Bucket="versions", VersioningConfiguration=status)
        client.put_object(Bucket="films", Key="small", Body=SMALL)
        client.put_object(
            Bucket="films",
            Key="a folder/gro\u00df.csv",
            Body=PATTERN,
            ContentType="text/csv",
            Metadata={"made_by": "us"},
        )
        yield client


LARGE_KEY = {"Bucket": "films", "Key": "a folder/gro\u00df.csv"}


def test_a_large_object_comes_back_whole_with_what_it_was_stored_with(s3):
    answer = s3.get_object(**LARGE_KEY)

    assert answer["Body"].read() == PATTERN
    assert answer["ContentLength"] == len(PATTERN)
    assert answer["ContentType"] == "text/csv"
    assert answer["Metadata"] == {"made_by": "us"}
    assert answer["ETag"] == f'"{hashlib.md5(PATTERN).hexdigest()}"'


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        pytest.param("bytes=0-0", 0, 1, id="the-first-byte"),
        pytest.param("bytes=1000-1000999", 1000, 1_001_000, id="in-between"),
        pytest.param("bytes=3000000-", 3_000_000, len(PATTERN), id="to-the-end"),
        pytest.param("bytes=-7", len(PATTERN) - 7, len(PATTERN), id="the-last-seven"),
        pytest.param("bytes=3145720-99999999", 3_145_720, len(PATTERN), id="beyond-the-end"),
        pytest.param("bytes=-99999999", 0, len(PATTERN), id="more-than-all"),
    ],
)
def test_a_range_has_exactly_its_bytes(s3, asked, start, stop):
    answer = s3.get_object(**LARGE_KEY, Range=asked)

    assert answer["Body"].read() == PATTERN[start:stop]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"] == f"bytes {start}-{stop - 1}/{len(PATTERN)}"


@given(size=st.integers(1, 100), first=st.integers(0, 120), last=st.integers(0, 120))
def test_every_range_is_pythons_slice_or_left_to_moto(size, first, last):
    body = range(size)
    expected = body[first : last + 1]

    found = s3_reads._extent(f"bytes={first}-{last}", size)

    assert (body[slice(*found)] if found else range(0)) == expected
    assert (found is None) is (len(expected) == 0)


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes=-0"]
)
def test_what_is_no_plain_range_is_left_to_moto(asked):
    assert s3_reads._extent(asked, 10) is None


def test_a_range_beyond_the_object_is_refused(s3):
    with pytest.raises(ClientError) as refusal:
        s3.get_object(**LARGE_KEY, Range=f"bytes={len(PATTERN)}-")

    assert refusal.value.response["Error"]["Code"] == "InvalidRange"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        pytest.param({"IfMatch": '"0"'}, "PreconditionFailed", id="if-match"),
        pytest.param(
            {"IfNoneMatch": f'"{hashlib.md5(PATTERN).hexdigest()}"'}, "304", id="if-none-match"
        ),
    ],
)
def test_a_condition_that_does_not_hold_is_answered_as_s3_does(s3, condition, code):
    with pytest.raises(ClientError) as refusal:
        s3.get_object(**LARGE_KEY, **condition)

    assert refusal.value.response["Error"]["Code"] == code


def test_a_condition_that_holds_lets_the_object_through(s3):
    etag = s3.head_object(**LARGE_KEY)["ETag"]

    answer = s3.get_object(**LARGE_KEY, IfMatch=etag, Range="bytes=5-9")

    assert answer["Body"].read() == PATTERN[5:10]


def test_each_version_has_its_own_bytes(s3):
    versions = [
        s3.put_object(Bucket="versions", Key="k", Body=letter * LARGE)["VersionId"]
        for letter in (b"a", b"b")
    ]

    read = [
        s3.get_object(Bucket="versions", Key="k", VersionId=version, Range="bytes=0-2")
        for version in versions
    ]

    assert [answer["Body"].read() for answer in read] == [b"aaa", b"bbb"]
    assert [answer["VersionId"] for answer in read] == versions


def test_an_object_that_is_cut_short_while_it_is_read_is_an_error_and_not_a_short_answer():
    key = SimpleNamespace(name="k", lock=threading.Lock(), _value_buffer=io.BytesIO(b"short"))

    with pytest.raises(EOFError, match="k lost its bytes from 5 on while it was being read"):
        list(s3_reads._pieces(key, 0, 10))


def test_presigned_addresses_work(s3):
    url = s3.generate_presigned_url("get_object", LARGE_KEY)

    request = urllib.request.Request(url, headers={"Range": "bytes=10-19"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.read() == PATTERN[10:20]


def test_a_presigned_address_may_still_override_headers(s3):
    parameters = {**LARGE_KEY, "ResponseContentType": "application/x-films"}
    url = s3.generate_presigned_url("get_object", parameters)

    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "application/x-films"
        assert answer.read() == PATTERN


def test_other_questions_about_a_large_object_go_to_moto(s3):
    s3.put_object_tagging(**LARGE_KEY, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})

    assert s3.get_object_tagging(**LARGE_KEY)["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert s3.get_object_attributes(**LARGE_KEY, ObjectAttributes=["ObjectSize"])[
        "ObjectSize"
    ] == len(PATTERN)


CHECKED = {"x-amz-checksum-mode": "ENABLED"}


@pytest.mark.parametrize(
    "asked",
    [{}, CHECKED, {"Range": "bytes=0-99"}, {"Range": "bytes=0-99", **CHECKED}],
    ids=["whole", "whole-with-checksum", "range", "range-with-checksum"],
)
@pytest.mark.parametrize("key", ["a folder/gro\u00df.csv", "in-parts"])
def test_our_answer_is_motos_answer(s3, monkeypatch, tmp_path: Path, key, asked):
    """An answer differs from moto's own in nothing but who reads the bytes."""
    if key == "in-parts":
        (tmp_path / "up").write_bytes(PATTERN * 4)  # 12 MB: boto3 makes two parts of it
        s3.upload_file(str(tmp_path / "up"), "films", key)

    def answer() -> tuple[int, bytes, dict[str, str]]:
        url = s3.generate_presigned_url("get_object", {"Bucket": "films", "Key": key})
        request = urllib.request.Request(url, headers=asked)
        with urllib.request.urlopen(request, timeout=10) as got:
            varying = {"date", "x-amzn-requestid"}
            headers = {k.lower(): v for k, v in got.headers.items() if k.lower() not in varying}
            return got.status, got.read(), headers

    ours = answer()
    monkeypatch.setattr(s3_reads, "LARGE", 1 << 40)

    assert ours == answer()


def test_64_megabytes_go_up_in_parts_and_come_down_in_ranges(s3, tmp_path: Path):
    source, target = tmp_path / "up", tmp_path / "down"
    with source.open("wb") as file:
        for number in range(64):
            file.write(bytes([number]) * MB)

    s3.upload_file(str(source), "films", "big")
    s3.download_file("films", "big", str(target))
    body = s3.get_object(Bucket="films", Key="big")["Body"].read()  # checks the checksum

    assert len(body) == 64 * MB
    with source.open("rb") as up, target.open("rb") as down:
        assert hashlib.file_digest(up, "md5").digest() == hashlib.file_digest(down, "md5").digest()
    s3.delete_object(Bucket="films", Key="big")
