"""Objects of the local AWS as files, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import RetriesExceededError
from botocore.exceptions import IncompleteReadError

from personalization.aws import S3Path
from personalization.errors import FatalError, RetryableError
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.objects import (
    as_folder,
    content,
    download,
    head,
    kept_copies,
    listing,
    remove,
    upload,
)

BUCKET = "films"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with LocalAws(pace=Pace(0.0)) as aws:
        client = aws.clients("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, key: str, text: str) -> S3Path:
    s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    return S3Path(BUCKET, key)


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("s3://films", "s3://films/"),
        ("s3://films/", "s3://films/"),
        ("s3://films//", "s3://films/"),
        ("s3://films/a", "s3://films/a/"),
        ("s3://films/a/b/", "s3://films/a/b/"),
    ],
)
def test_a_folder_ends_in_one_slash_and_a_bucket_in_its_own(uri, folder):
    assert str(as_folder(S3Path.parse(uri))) == folder


def test_a_shallow_listing_leaves_out_folders_below(s3):
    for key in ("deep/a.csv", "deep/b/c.csv"):
        put(s3, key, "x")
    folder = S3Path(BUCKET, "deep/")

    assert [it.path.key for it in listing(s3, folder)] == ["deep/a.csv", "deep/b/c.csv"]
    assert [it.path.key for it in listing(s3, folder, deep=False)] == ["deep/a.csv"]


def test_what_is_there_comes_with_what_s3_says_of_it_and_what_is_not_is_nothing(s3):
    there, gone = put(s3, "one/a.csv", "tea"), S3Path(BUCKET, "one/b.csv")
    found, said = content(s3, there), head(s3, there)

    assert found
    assert said
    assert (found.data, said["ContentLength"]) == (b"tea", 3)
    assert found.head["ETag"] == said["ETag"]
    assert content(s3, gone) is None
    assert head(s3, gone) is None


def test_what_s3_says_of_a_transfer_is_told_like_all_else_it_says(s3, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("tea")

    with pytest.raises(FatalError, match="uploading s3://gone/x failed with NoSuchBucket"):
        upload(s3, file, S3Path("gone", "x"))


def test_a_download_that_breaks_off_again_and_again_may_be_tried_later(tmp_path):
    class Far:
        def download_file(self, *_: str) -> None:
            raise RetriesExceededError(IncompleteReadError(actual_bytes=1, expected_bytes=3))

    with pytest.raises(RetryableError, match="downloading s3://films/x failed: 1 read, but total"):
        download(Far(), S3Path(BUCKET, "x"), tmp_path / "x")


def test_only_the_object_may_be_missing(s3):
    with pytest.raises(FatalError, match="reading s3://gone/x failed with NoSuchBucket"):
        content(s3, S3Path("gone", "x"))


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(FatalError, match="listing s3://gone/x failed with NoSuchBucket"):
        listing(s3, S3Path("gone", "x"))


def test_a_repeated_upload_leaves_the_object_as_it_is(s3, tmp_path):
    (tmp_path / "a").write_text("1")
    place = S3Path(BUCKET, "up/a")
    upload(s3, tmp_path / "a", place)
    s3.put_object_tagging(
        Bucket=BUCKET, Key="up/a", Tagging={"TagSet": [{"Key": "kept", "Value": "yes"}]}
    )
    upload(s3, tmp_path / "a", place)

    assert s3.get_object_tagging(Bucket=BUCKET, Key="up/a")["TagSet"]
    assert download(s3, place, tmp_path / "b").read_text() == "1"


def test_an_object_is_removed_and_removed_again(s3):
    place = put(s3, "gone/a", "x")
    remove(s3, place)
    remove(s3, place)

    assert listing(s3, place) == ()


def test_copies_are_kept_until_the_objects_change(s3, tmp_path):
    put(s3, "kept/e.csv", "1")
    first = kept_copies(s3, listing(s3, S3Path(BUCKET, "kept/")), tmp_path)
    (first / "00000-e.csv").write_text("read from here")
    again = kept_copies(s3, listing(s3, S3Path(BUCKET, "kept/")), tmp_path)
    put(s3, "kept/e.csv", "2")
    second = kept_copies(s3, listing(s3, S3Path(BUCKET, "kept/")), tmp_path)

    assert (again / "00000-e.csv").read_text() == "read from here"
    assert (second / "00000-e.csv").read_text() == "2"


def test_the_set_before_stays_and_older_ones_go(s3, tmp_path):
    sets = []
    for number in range(3):
        put(s3, "sets/e.csv", str(number))
        sets.append(kept_copies(s3, listing(s3, S3Path(BUCKET, "sets/")), tmp_path))
        os.utime(sets[-1], (1_000_000_000 + number, 1_000_000_000 + number))

    assert [it.exists() for it in sets] == [False, True, True]


def test_leftovers_of_a_killed_run_go_after_a_day(s3, tmp_path):
    put(s3, "left/e.csv", "1")
    old, fresh = tmp_path / ".building-old", tmp_path / ".building-fresh"
    for leftover in (old, fresh):
        leftover.mkdir()
    os.utime(old, (1_000_000_000, 1_000_000_000))
    kept_copies(s3, listing(s3, S3Path(BUCKET, "left/")), tmp_path)

    assert (old.exists(), fresh.exists()) == (False, True)


def test_runs_at_the_same_time_all_get_whole_copies(s3, tmp_path):
    for number in range(5):
        put(s3, f"race/{number}.csv", "x" * 1000)
    objects = listing(s3, S3Path(BUCKET, "race/"))

    def read(home: Path) -> int:
        return sum(file.stat().st_size for file in kept_copies(s3, objects, home).iterdir())

    for round_number in range(8):
        home = tmp_path / str(round_number)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(read, [home] * 4)) == [5000] * 4
        assert len(list(home.iterdir())) == 1
