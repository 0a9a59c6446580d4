"""What happens to a resource, as Prefect and EventBridge are told of it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from personalization.resources import Found
from personalization.resources.kinds import (
    BATCH_SEGMENT_JOB,
    CAMPAIGN,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    FILTER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
    Kind,
)
from personalization.telling import Place, assessed, ended, made, place_of

ACCOUNT = "arn:aws:personalize:us-east-1:123456789012"
GROUP = f"{ACCOUNT}:dataset-group/films"
SOLUTION_ARN = f"{ACCOUNT}:solution/by-genre"
VERSION = f"{SOLUTION_ARN}/4a7f0c1e"
BEGAN = dt.datetime(2026, 11, 22, 14, 0, 0, tzinfo=dt.UTC)
ENDED = dt.datetime(2026, 11, 22, 14, 1, 40, 900_000, tzinfo=dt.UTC)
PLACE = Place(GROUP, SOLUTION_ARN)


def version(**more: Any) -> Found:
    times = {"creationDateTime": BEGAN, "lastUpdatedDateTime": ENDED}
    return Found(SOLUTION_VERSION, VERSION, {"status": "ACTIVE", **times, **more})


def test_an_active_version_is_told_with_where_it_belongs_and_how_long_it_took():
    happening = ended(SOLUTION_VERSION, VERSION, version(), PLACE, BEGAN)

    assert happening.event() == {
        "id": happening.id,
        "occurred": ENDED,
        "event": "personalize.solution-version.active",
        "resource": {
            "prefect.resource.id": VERSION,
            "prefect.resource.name": "Solution Version by-genre/4a7f0c1e",
            "personalize.status": "ACTIVE",
            "personalize.dataset-group": "films",
            "personalize.solution": "by-genre",
        },
        "related": [
            {
                "prefect.resource.id": GROUP,
                "prefect.resource.role": "dataset-group",
                "prefect.resource.name": "films",
            },
            {
                "prefect.resource.id": SOLUTION_ARN,
                "prefect.resource.role": "solution",
                "prefect.resource.name": "by-genre",
            },
        ],
        "payload": {
            "arn": VERSION,
            "status": "ACTIVE",
            "duration_s": 100,
            "dataset_group": "films",
            "solution": "by-genre",
            "failure_reason": None,
        },
    }


def test_the_bus_gets_the_source_type_and_members_that_existing_rules_match():
    entry = ended(SOLUTION_VERSION, VERSION, version(), PLACE, BEGAN).entry("bus")

    assert entry["Source"] == "solutions.aws.personalize"
    assert entry["DetailType"] == "Personalize Solution Version State Change"
    assert entry["Resources"] == [VERSION]
    assert entry["EventBusName"] == "bus"
    assert json.loads(entry["Detail"]) == {
        "Arn": VERSION,
        "Status": "ACTIVE",
        "Duration": 100,
        "DatasetGroupArn": GROUP,
        "SolutionArn": SOLUTION_ARN,
    }


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        pytest.param(DATASET_GROUP, "Personalize Dataset Group State Change", id="group"),
        pytest.param(
            DATASET_IMPORT_JOB, "Personalize Dataset Import Job State Change", id="import"
        ),
        pytest.param(BATCH_SEGMENT_JOB, "Personalize Batch Segment Job State Change", id="segment"),
        pytest.param(SCHEMA, "Personalize Schema State Change", id="schema"),
    ],
)
def test_every_kind_has_the_detail_type_of_awss_solution(kind: Kind, title: str):
    happening = made(kind, f"{ACCOUNT}:{kind.arn_path}/x", "CREATING", Place(), BEGAN)

    assert happening.entry("bus")["DetailType"] == title
    assert json.loads(happening.entry("bus")["Detail"]) == {
        "Arn": happening.arn,
        "Status": "CREATING",
    }


def test_a_failure_is_told_with_its_reason():
    found = version(status="CREATE FAILED", failureReason="Too few interactions.")
    happening = ended(SOLUTION_VERSION, VERSION, found, PLACE, BEGAN)

    assert happening.event()["event"] == "personalize.solution-version.failed"
    assert happening.event()["payload"]["failure_reason"] == "Too few interactions."
    detail = json.loads(happening.entry("bus")["Detail"])
    assert (detail["Status"], detail["FailureReason"]) == ("CREATE FAILED", "Too few interactions.")


def test_an_update_has_a_time_and_an_end_of_its_own():
    started = dt.datetime(2026, 11, 29, 9, 0, 0, tzinfo=dt.UTC)
    update = {
        "status": "CREATE FAILED",
        "failureReason": "No capacity.",
        "creationDateTime": started,
        "lastUpdatedDateTime": started + dt.timedelta(seconds=30),
    }
    found = Found(
        CAMPAIGN,
        f"{ACCOUNT}:campaign/c",
        {**version().description, "latestCampaignUpdate": update},
    )

    happening = ended(CAMPAIGN, found.arn, found, Place(), BEGAN)

    assert (happening.word, happening.status) == ("failed", "UPDATE FAILED")
    assert (happening.duration_s, happening.failure_reason) == (30, "No capacity.")


@pytest.mark.parametrize(
    ("status", "word"),
    [
        pytest.param("CREATE STOPPED", "stopped", id="stopped"),
        pytest.param("DELETE PENDING", "delete-pending", id="being-deleted"),
    ],
)
def test_other_ends_have_words_of_their_own(status, word):
    found = version(status=status)

    assert ended(SOLUTION_VERSION, VERSION, found, PLACE, BEGAN).word == word


def test_what_vanished_is_gone_since_now():
    happening = ended(SOLUTION_VERSION, VERSION, None, Place(), BEGAN)

    assert happening.event()["event"] == "personalize.solution-version.gone"
    assert (happening.at, happening.failure_reason) == (BEGAN, "it vanished")


def test_the_same_change_is_one_event_whoever_sees_it():
    first = ended(SOLUTION_VERSION, VERSION, version(), PLACE, BEGAN)
    again = ended(SOLUTION_VERSION, VERSION, version(), Place(), ENDED)
    later = ended(SOLUTION_VERSION, VERSION, version(lastUpdatedDateTime=BEGAN), PLACE, BEGAN)

    assert first.id == again.id
    assert (
        len({first.id, later.id, made(SOLUTION_VERSION, VERSION, "CREATING", PLACE, ENDED).id}) == 3
    )


def test_a_version_is_measured_against_the_one_before():
    event = assessed(version(), {"coverage": 0.5}, {"coverage": None}, PLACE).event()

    assert event["event"] == "personalize.solution-version.measured"
    assert event["payload"]["metrics"] == {"coverage": 0.5}
    assert event["payload"]["previous_metrics"] == {"coverage": None}


@pytest.mark.parametrize(
    ("kind", "arn", "members", "place"),
    [
        pytest.param(DATASET_GROUP, GROUP, {}, Place(GROUP), id="group"),
        pytest.param(
            DATASET_IMPORT_JOB,
            f"{ACCOUNT}:dataset-import-job/x",
            {"datasetArn": f"{ACCOUNT}:dataset/films/INTERACTIONS"},
            Place(GROUP),
            id="import",
        ),
        pytest.param(SOLUTION, SOLUTION_ARN, {"datasetGroupArn": GROUP}, PLACE, id="solution"),
        pytest.param(
            SOLUTION_VERSION,
            VERSION,
            {"datasetGroupArn": GROUP, "solutionArn": SOLUTION_ARN},
            PLACE,
            id="version",
        ),
        pytest.param(
            BATCH_SEGMENT_JOB,
            f"{ACCOUNT}:batch-segment-job/x",
            {"solutionVersionArn": VERSION},
            Place("", SOLUTION_ARN),
            id="job",
        ),
        pytest.param(
            FILTER, f"{ACCOUNT}:filter/f", {"datasetGroupArn": GROUP}, Place(GROUP), id="filter"
        ),
        pytest.param(SCHEMA, f"{ACCOUNT}:schema/s", {}, Place(), id="schema"),
    ],
)
def test_where_a_resource_belongs_is_read_off_its_members(kind, arn, members, place):
    assert place_of(kind, arn, members) == place
