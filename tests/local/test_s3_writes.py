from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import S3Backend

from personalization.local.server import LocalAws

HANDS = 8


@pytest.fixture
def s3(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket whose writes take so long that a look before the write is out of date."""
    client = aws.clients("s3")
    client.create_bucket(Bucket="films")
    client.put_object(Bucket="films", Key="there", Body=b"0")
    write = S3Backend.put_object

    def slowly(*arguments: Any, **settings: Any) -> Any:
        time.sleep(0.05)
        return write(*arguments, **settings)

    monkeypatch.setattr(S3Backend, "put_object", slowly)
    return client


def at_once(write: Callable[[int], Any]) -> Counter[str]:
    """Write from many threads at the same moment; count the answers."""
    start = threading.Barrier(HANDS)

    def one(number: int) -> str:
        start.wait()
        try:
            write(number)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "written"

    with ThreadPoolExecutor(HANDS) as pool:
        return Counter(pool.map(one, range(HANDS)))


def test_an_object_is_made_once(s3):
    answers = at_once(
        lambda n: s3.put_object(Bucket="films", Key="new", Body=b"%d" % n, IfNoneMatch="*")
    )

    assert answers == {"written": 1, "PreconditionFailed": HANDS - 1}


def test_an_object_is_replaced_by_one_of_those_who_saw_it(s3):
    etag = s3.head_object(Bucket="films", Key="there")["ETag"]

    answers = at_once(
        lambda n: s3.put_object(Bucket="films", Key="there", Body=b"new %d" % n, IfMatch=etag)
    )

    assert answers == {"written": 1, "PreconditionFailed": HANDS - 1}
