"""Klaviyo: a job is followed to its end, and its errors are brought home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from personalization.connectors import BatchRefused, Klaviyo, build
from personalization.errors import RetryableError
from personalization.local.far_ends import end
from personalization.local.far_ends import klaviyo as far
from personalization.local.far_ends.server import FarEnds
from tests.connectors.attribute_worlds import deliver_once
from tests.delivery.conftest import no_clients


@pytest.fixture
def ends() -> Iterator[FarEnds]:
    with FarEnds() as it:
        yield it


def klaviyo(ends: FarEnds, **settings: Any) -> Klaviyo:
    given = {"kind": "klaviyo", "endpoint": f"{ends.url}/klaviyo", "api_key": "local"}
    found = build({**given, "look_every_s": 0.01, **settings}, no_clients)
    assert isinstance(found, Klaviyo)
    return found


def profile(user: str, **properties: Any) -> bytes:
    inner = {"external_id": user, "properties": properties}
    return json.dumps({"type": "profile", "attributes": inner}).encode()


def test_a_batch_is_one_job_that_is_looked_at_until_it_is_complete(ends: FarEnds):
    answer = deliver_once(klaviyo(ends), [profile("ana", recs=["tea"]), profile("bob", recs=[])])

    assert (answer.accepted, answer.rejected) == (2, ())
    assert dict(ends["klaviyo"].requests) == {
        "/klaviyo/api/profile-bulk-import-jobs": 1,
        "/klaviyo/api/profile-bulk-import-jobs/job-1": 2,
    }


def test_errors_are_read_page_by_page(ends: FarEnds):
    lines = [profile(f"u{number}", __invalid=1) for number in range(250)]
    answer = deliver_once(klaviyo(ends), [profile("ana", a=1), *lines])

    assert answer.accepted == 1
    assert [each.index for each in answer.rejected] == list(range(1, 251))
    assert answer.rejected[0].reason == "The property __invalid is not allowed"


def test_an_error_that_names_nobody_refuses_the_batch(ends: FarEnds):
    nameless = json.dumps({"type": "profile", "attributes": {"properties": {}}}).encode()

    with pytest.raises(BatchRefused, match="failed 1 profiles of job job-1 and named 0"):
        deliver_once(klaviyo(ends), [nameless])


def test_a_job_that_does_not_end_is_left_to_a_later_run(
    ends: FarEnds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(far, "_STATES", ("processing",))

    with pytest.raises(RetryableError, match=r"had not finished job job-1 after 0\.\d+ s; it may"):
        deliver_once(klaviyo(ends, give_up_after_s=0.05), [profile("ana", a=1)])


def test_an_answer_that_says_nothing_is_trouble_that_may_pass(
    ends: FarEnds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(far.Klaviyo, "_shown", lambda *_: {})

    with pytest.raises(RetryableError, match=r"answered 202, without data\.id"):
        deliver_once(klaviyo(ends), [profile("ana", a=1)])


def test_errors_that_name_nobody_refuse_the_batch(monkeypatch: pytest.MonkeyPatch):
    async def nothing(self: Any, request: Any) -> Any:
        return end.answer({"data": None, "links": None})

    monkeypatch.setattr(far.Klaviyo, "_errors", nothing)
    with (
        FarEnds() as there,
        pytest.raises(BatchRefused, match="failed 1 profiles of job job-1 and named 0"),
    ):
        deliver_once(klaviyo(there), [profile("ana", __invalid=1)])


def test_a_look_that_fails_does_not_begin_the_job_again(
    ends: FarEnds, monkeypatch: pytest.MonkeyPatch
):
    look, failures = far.Klaviyo._look, iter([True, True])

    async def shaky(self: Any, request: Any) -> Any:
        return self.failed(503) if next(failures, False) else await look(self, request)

    monkeypatch.setattr(far.Klaviyo, "_look", shaky)
    with FarEnds() as there:
        answer = deliver_once(klaviyo(there), [profile("ana", a=1)])

        assert answer.accepted == 1
        assert there["klaviyo"].requests["/klaviyo/api/profile-bulk-import-jobs"] == 1


def test_a_cancelled_job_may_be_begun_again(ends: FarEnds, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(far, "_STATES", ("cancelled",))

    with pytest.raises(RetryableError, match="cancelled job job-1"):
        deliver_once(klaviyo(ends), [profile("ana", a=1)])


def test_null_clears_nothing_there_so_an_empty_array_does(ends: FarEnds):
    it = klaviyo(ends)
    deliver_once(it, [profile("ana", recs=["tea"])])
    deliver_once(it, [profile("ana", recs=None)])
    after_null = dict(ends["klaviyo"].holds("ana"))
    deliver_once(it, [profile("ana", recs=json.loads(it.rendering().cleared))])

    assert after_null == {"recs": ["tea"]}
    assert ends["klaviyo"].holds("ana") == {"recs": []}
