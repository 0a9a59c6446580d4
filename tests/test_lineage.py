"""Lineage, written and read; and what is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from personalization.aws import S3Path
from personalization.errors import ConfigError
from personalization.lineage import Lineage, lineage_path, read_lineage, write_lineage
from personalization.local.pace import Pace
from personalization.local.server import LocalAws

AUDIENCE = S3Path("films", "audiences/Drama_20261122-120000.csv")
LINEAGE = Lineage(
    audience="Drama",
    file=str(AUDIENCE),
    query={"itemAttributes": 'ITEMS.genres = "Drama"'},
    output="s3://films/batch/job_config.json.out",
    users=3,
    members=2,
    unmapped=1,
)


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with LocalAws(pace=Pace(0.0)) as aws:
        client = aws.clients("s3")
        client.create_bucket(Bucket="films")
        yield client


def test_what_was_written_is_read_again(s3):
    write_lineage(s3, LINEAGE)

    assert read_lineage(s3, AUDIENCE) == LINEAGE


def test_an_audience_of_somebody_else_has_none(s3):
    assert read_lineage(s3, S3Path("films", "theirs.csv")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(b"", "EOF while parsing", id="empty"),
        pytest.param(b"\xff\xfe", "Invalid JSON", id="not-text"),
        pytest.param(b'{"eventType": "START"}', "audience: Field required", id="foreign"),
        pytest.param(b"[1]", "Input should be an object", id="a-list"),
    ],
)
def test_a_file_that_is_no_lineage_is_named_with_the_way_out(s3, text, said):
    audience = S3Path("films", "broken.csv")
    path = lineage_path(audience)
    s3.put_object(Bucket=path.bucket, Key=path.key, Body=text)

    with pytest.raises(ConfigError, match=rf"^{path} is no lineage .*{said}.*; remove it, or run"):
        read_lineage(s3, audience)


def test_labels_are_text_and_say_nothing_that_is_empty():
    labels = LINEAGE.labels()

    assert labels["query"] == '{"itemAttributes":"ITEMS.genres = \\"Drama\\""}'
    assert (labels["users"], "job" in labels, "channel" in labels) == ("3", False, False)
