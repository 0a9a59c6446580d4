"""One look at an import, whatever became of it."""

from __future__ import annotations

import pytest

from personalization.aws import S3Path
from personalization.connectors import Audience, ImportProgress, ImportTicket
from personalization.errors import FatalError, RetryableError
from tasks.imports import is_endpoint_table, look_at

AUDIENCE = Audience("Drama", S3Path("films", "drama.csv"), 3)
TICKET = ImportTicket("crm", "job-1", "Drama", "v1", AUDIENCE)
DONE = ImportProgress("succeeded", 3, 0, (), "Drama", "COMPLETED")


class Scripted:
    """A connector with one answer."""

    def __init__(self, answer: ImportProgress | Exception) -> None:
        self.answer = answer

    def look(self, _ticket: ImportTicket) -> ImportProgress:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_look_is_what_the_connector_says():
    assert look_at(Scripted(DONE), TICKET) == DONE


@pytest.mark.parametrize(
    ("answer", "started", "segment"),
    [
        pytest.param(FatalError("denied"), TICKET, "Drama", id="refused-at-a-look"),
        pytest.param(DONE, FatalError("denied"), "", id="refused-at-the-start"),
        pytest.param(DONE, RetryableError("denied"), "", id="busy-for-too-long-at-the-start"),
    ],
)
def test_what_was_refused_has_failed_and_says_why(answer, started, segment):
    progress = look_at(Scripted(answer), started)

    assert progress == ImportProgress("failed", 0, 0, ("denied",), segment, "REFUSED")


def test_a_destination_that_is_busy_is_asked_again():
    with pytest.raises(RetryableError):
        look_at(Scripted(RetryableError("busy")), TICKET)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"Id\nana\n", False, id="audience"),
        pytest.param(b'\xef\xbb\xbf"Id"\r\nana,ben\r\n', False, id="audience-of-a-spreadsheet"),
        pytest.param(b"Id", False, id="nobody"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"x" * 200_000, False, id="no-table"),
        pytest.param(b"Id,ChannelType,Address\n1,EMAIL,a@b.test\n", True, id="endpoints"),
        pytest.param(b'"Id","User.UserId"\r\n', True, id="quoted"),
        pytest.param(b"ChannelType,Address", True, id="endpoints-without-ids"),
    ],
)
def test_a_table_with_more_columns_than_ids_is_one_of_endpoints(aws, content, expected):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="films")
    s3.put_object(Bucket="films", Key="import/crm/a.csv", Body=content)

    assert is_endpoint_table.fn("s3://films/import/crm/a.csv", None) is expected
