from __future__ import annotations

from typing import Any

import pytest

from personalization.aws import S3Path
from personalization.dispatching import job_of
from personalization.local.server import LocalAws
from personalization.resources import Account


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        pytest.param("batch/a.out", [], id="no-group"),
        pytest.param("batch/films/a.out", [], id="no-solution"),
        pytest.param("batch/films/genres/a.out", [], id="no-job"),
        pytest.param("batch/films/not a name/job/a.out", [], id="no-name"),
        pytest.param("batch/films/genres/job/a.out", ["DescribeSolution"], id="not-known"),
    ],
)
def test_a_file_that_no_job_can_have_written_costs_next_to_nothing(aws: LocalAws, key, asked):
    personalize, account = aws.clients("personalize"), Account.of(aws.clients)
    seen: list[str] = []

    def note(model: Any, **_more: Any) -> None:
        seen.append(model.name)

    personalize.meta.events.register("before-call.personalize", note)

    assert job_of(personalize, account, S3Path("films", key)) is None
    assert seen == asked
