"""Happenings onto a bus that answers 200 and takes nothing, as EventBridge does."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from personalization.errors import FatalError
from personalization.resources.kinds import SOLUTION
from personalization.telling import Happening, Place, made, put_events

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


def solution(number: int) -> Happening:
    arn = f"arn:aws:personalize:us-east-1:123456789012:solution/s{number}"
    return made(SOLUTION, arn, "CREATING", Place(), NOW)


class Bus:
    """The far end of a real client.  It refuses entries as told, round by round, then no more."""

    def __init__(self, client: Any, *refusals: dict[int, str]) -> None:
        self.client = client
        self.refusals = list(refusals)
        self.rounds: list[list[str]] = []
        client.meta.events.register("before-send.events.PutEvents", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        entries = json.loads(request.body)["Entries"]
        self.rounds.append([it["Resources"][0].rpartition("/")[2] for it in entries])
        refused = self.refusals.pop(0) if self.refusals else {}
        answers = [
            {"ErrorCode": refused[it], "ErrorMessage": "no"} if it in refused else {"EventId": "1"}
            for it in range(len(entries))
        ]
        body = {"FailedEntryCount": len(refused), "Entries": answers}
        return _Answer(json.dumps(body).encode())


class _Answer(AWSResponse):
    def __init__(self, body: bytes) -> None:
        super().__init__("http://bus.test", 200, {}, None)
        self._content = body


def put(bus: Bus, count: int) -> list[float]:
    pauses: list[float] = []
    put_events(bus.client, "films", [solution(it) for it in range(count)], sleep=pauses.append)
    return pauses


def test_ten_entries_go_into_a_call(aws):
    bus = Bus(aws.clients("events"))

    assert put(bus, 21) == []
    assert [len(it) for it in bus.rounds] == [10, 10, 1]


def test_what_was_not_taken_this_time_is_put_again_and_nothing_else(aws):
    bus = Bus(aws.clients("events"), {1: "ThrottlingException"}, {0: "InternalFailure"})

    assert put(bus, 3) == [0.5, 2.0]
    assert bus.rounds == [["s0", "s1", "s2"], ["s1"], ["s1"]]


@pytest.mark.parametrize(
    ("refusals", "rounds", "message"),
    [
        pytest.param(
            [{0: "NotAuthorizedForSourceException"}],
            1,
            "films did not take 1 event(s): NotAuthorizedForSourceException: no",
            id="never-taken",
        ),
        pytest.param(
            [{0: "InternalFailure"}] * 3,
            3,
            "films did not take 1 event(s): InternalFailure: no",
            id="not-in-time",
        ),
    ],
)
def test_what_the_bus_does_not_take_at_all_is_told(aws, refusals, rounds, message):
    bus = Bus(aws.clients("events"), *refusals)

    with pytest.raises(FatalError) as error:
        put(bus, 1)
    assert str(error.value) == message
    assert len(bus.rounds) == rounds
