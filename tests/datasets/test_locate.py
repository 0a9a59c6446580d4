"""Data are found beside the parameter file, on disk and in S3, by one rule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from personalization.aws import S3Path
from personalization.datasets import DataFiles, locate
from personalization.errors import ConfigError, FatalError

BUCKET = "films"


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    """Starting it takes half a second, so it is started once."""
    with mock_aws():
        yield boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )


@pytest.fixture
def s3(moto: Any) -> Iterator[Any]:
    moto.create_bucket(Bucket=BUCKET)
    yield moto
    for entry in moto.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        moto.delete_object(Bucket=BUCKET, Key=entry["Key"])
    moto.delete_bucket(Bucket=BUCKET)


class OnDisk:
    """The same place, as a folder."""

    def __init__(self, folder: Path) -> None:
        self.config: Path | S3Path = folder / "train" / "bingewatch" / "config.json"
        self.s3 = None

    def put(self, name: str, content: bytes = b"x") -> None:
        path = Path(str(self.config)).parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class InS3:
    """The same place, as a prefix."""

    def __init__(self, s3: Any) -> None:
        self.config: Path | S3Path = S3Path(BUCKET, "train/bingewatch/config.json")
        self.s3 = s3

    def put(self, name: str, content: bytes = b"x") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"train/bingewatch/{name}", Body=content)


@pytest.fixture(params=["disk", "S3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> OnDisk | InS3:
    if request.param == "S3":
        return InS3(request.getfixturevalue("s3"))
    return OnDisk(tmp_path)


def located(place: OnDisk | InS3) -> dict[str, DataFiles]:
    place.put("config.json")
    return locate(place.config, place.s3)


def names(found: DataFiles) -> list[str]:
    return [file.path.name for file in found.files]


def test_a_file_is_found_by_its_name(place: OnDisk | InS3) -> None:
    place.put("interactions.csv", b"12345")

    found = located(place)

    assert list(found) == ["interactions"]
    assert found["interactions"].location == str(place.config.parent / "interactions.csv")
    assert found["interactions"].size == 5


def test_a_folder_of_parts_wins_over_a_file(place: OnDisk | InS3) -> None:
    place.put("items.csv")
    place.put("items/b.csv", b"12")
    place.put("items/a.csv", b"1")

    found = located(place)["items"]

    assert found.location == f"{str(place.config.parent).rstrip('/')}/items/"
    assert names(found) == ["a.csv", "b.csv"]
    assert found.size == 3


def test_what_lies_deeper_is_not_looked_at(place: OnDisk | InS3) -> None:
    place.put("users.csv")
    place.put("users/2024/a.csv")

    assert names(located(place)["users"]) == ["users.csv"]


def test_a_folder_without_csvs_does_not_count(place: OnDisk | InS3) -> None:
    place.put("users.csv")
    place.put("users/readme.txt")

    assert names(located(place)["users"]) == ["users.csv"]


def test_other_files_in_the_folder_are_named(place: OnDisk | InS3) -> None:
    place.put("users/a.csv")
    place.put("users/_SUCCESS")
    place.put("users/b.CSV")

    assert located(place)["users"].others == ("_SUCCESS", "b.CSV")


def test_what_is_not_there_is_left_out(place: OnDisk | InS3) -> None:
    place.put("interactions.csv.bak")
    place.put("other/interactions.csv")

    assert located(place) == {}


def test_all_three_are_told_in_the_order_of_importance(place: OnDisk | InS3) -> None:
    for name in ("users", "items", "interactions"):
        place.put(f"{name}.csv")

    assert list(located(place)) == ["interactions", "items", "users"]


def test_etag_and_time_tell_whether_a_file_changed(place: OnDisk | InS3) -> None:
    place.put("items.csv", b"1")
    (before,) = located(place)["items"].files
    (same,) = located(place)["items"].files
    place.put("items.csv", b"22")
    (after,) = located(place)["items"].files

    assert before.etag == same.etag != after.etag
    assert '"' not in before.etag
    assert before.last_modified.tzinfo is not None
    assert abs(before.last_modified - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


def test_the_consoles_folder_marker_is_no_part(s3: Any) -> None:
    place = InS3(s3)
    place.put("items/", b"")
    place.put("items/a.csv")

    found = located(place)["items"]

    assert names(found) == ["a.csv"]
    assert found.others == ()


def test_more_parts_than_one_page_are_all_found(s3: Any) -> None:
    place = InS3(s3)
    for number in range(5):
        place.put(f"interactions/{number}.csv")
    pages_of_two = "provide-client-params.s3.ListObjectsV2"

    def shorter(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return params | {"MaxKeys": 2}

    s3.meta.events.register(pages_of_two, shorter)
    found = located(place)["interactions"]
    s3.meta.events.unregister(pages_of_two, shorter)

    assert len(found.files) == 5


def test_a_config_at_the_top_of_the_bucket_has_its_data_there(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="items/a.csv", Body=b"x")

    assert locate(S3Path(BUCKET, "config.json"), s3)["items"].location == f"s3://{BUCKET}/items/"


def test_a_bucket_that_is_not_there_is_named(s3: Any) -> None:
    with pytest.raises(FatalError, match=r"^listing s3://nowhere/ failed with NoSuchBucket: "):
        locate(S3Path("nowhere", "config.json"), s3)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        locate(tmp_path / "nowhere" / "config.json")
    assert str(refused.value) == (
        f"{tmp_path / 'nowhere'} cannot be listed: No such file or directory"
    )


def test_s3_without_a_client_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        locate(S3Path(BUCKET, "train/config.json"))
    assert str(refused.value) == (
        "s3://films/train/ lies in S3, and no S3 client was given to look there"
    )
