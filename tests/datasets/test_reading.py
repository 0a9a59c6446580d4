"""Bytes come in pieces, from disk and from S3, and a broken connection may be tried again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from personalization.aws import S3Path
from personalization.datasets import check, locate
from personalization.datasets.reading import pieces
from personalization.errors import ConfigError, FatalError, RetryableError
from tests.datasets import csvs


def client(**options: Any) -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client("s3", region_name="us-east-1", **keys, **options)


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with mock_aws():
        moto = client()
        moto.create_bucket(Bucket="films")
        yield moto


@contextmanager
def far_end_that_hangs_up() -> Iterator[str]:
    """Promises 1,000 bytes for whatever is asked, and sends 10."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personalization.datasets.reading.PIECE_BYTES", 4)
    path = tmp_path / "a.csv"
    path.write_bytes(b"0123456789")

    assert list(pieces(path)) == [b"0123", b"4567", b"89"]


def test_an_object_is_read_in_pieces(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personalization.datasets.reading.PIECE_BYTES", 4)
    s3.put_object(Bucket="films", Key="ten.csv", Body=b"0123456789")

    assert list(pieces(S3Path("films", "ten.csv"), s3)) == [b"0123", b"4567", b"89"]


def test_data_in_s3_are_checked_as_on_disk(s3: Any) -> None:
    rows = [csvs.INTERACTIONS_HEADER, *csvs.interactions(), "u1,i1,Watch,soon"]
    s3.put_object(Bucket="films", Key="t/interactions.csv", Body="\n".join(rows).encode())

    files = locate(S3Path("films", "t/config.json"), s3)
    report = check(files, {"interactions": csvs.INTERACTIONS}, s3=s3)

    assert [str(finding) for finding in report.findings] == [
        "s3://films/t/interactions.csv:1002: interactions.TIMESTAMP: is 'soon'; "
        "the schema says long: a whole number, nothing else"
    ]


def test_an_object_that_is_not_there_is_named(s3: Any) -> None:
    with pytest.raises(FatalError, match=r"^reading s3://films/a\.csv failed with NoSuchKey: "):
        list(pieces(S3Path("films", "a.csv"), s3))


def test_a_connection_that_breaks_off_may_be_tried_again() -> None:
    with far_end_that_hangs_up() as url:
        s3 = client(
            endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

        with pytest.raises(RetryableError, match=r"^reading s3://films/a\.csv "):
            list(pieces(S3Path("films", "a.csv"), s3))


def test_s3_without_a_client_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        list(pieces(S3Path("films", "a.csv")))
    assert (
        str(refused.value) == "s3://films/a.csv lies in S3, and no S3 client was given to read it"
    )
