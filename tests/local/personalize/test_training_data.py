"""What a solution's configuration leaves of the data."""

from __future__ import annotations

import pytest

from tests.local.personalize.films import FIELDS, POPULAR, Films, items_csv

FIELDS_OF_EVENTS = [
    *FIELDS["Interactions"],
    {"name": "EVENT_TYPE", "type": "string"},
    {"name": "EVENT_VALUE", "type": ["null", "float"]},
]


def events_csv() -> str:
    """1100 views of `seen`, 1200 clicks on `clicked` worth 0 to 9, from 100 and more users each."""
    rows = [f"u{n % 110},seen,{n},watch," for n in range(1100)]
    rows += [f"u{n % 120},clicked,{n},click,{n % 10}" for n in range(1200)]
    return "\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE", *rows, ""])


@pytest.fixture(scope="module")
def watched(request: pytest.FixtureRequest):
    films, _ = request.getfixturevalue("trained")
    group = films.group("events")
    films.imported(films.dataset(group, fields=FIELDS_OF_EVENTS), events_csv())
    return films, group


def popular(films: Films, version: str) -> list[str]:
    (answer,) = films.answers("batchInferenceJob", version, [{"userId": "new"}])
    return answer["output"]["recommendedItems"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({}, ["clicked", "seen"], id="all-events"),
        pytest.param({"eventType": "watch"}, ["seen"], id="one-type"),
        pytest.param(
            {"solutionConfig": {"eventsConfig": {"eventParametersList": [{"eventType": "watch"}]}}},
            ["seen"],
            id="events-config",
        ),
        pytest.param(
            {"eventType": "click", "solutionConfig": {"eventValueThreshold": "1"}},
            ["clicked"],
            id="1080-clicks-are-enough",
        ),
    ],
)
def test_events_are_those_that_the_solution_asks_for(watched, more, expected):
    films, group = watched

    assert popular(films, films.trained(films.solution(group, POPULAR, **more))) == expected


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param(
            {"eventType": "like"},
            "Dataset has fewer than 1000 interactions after filtering by event type: like",
            id="no-such-event",
        ),
        pytest.param(
            {"eventType": "click", "solutionConfig": {"eventValueThreshold": "2"}},
            "Dataset has fewer than 1000 interactions after filtering by event type: click",
            id="960-clicks-are-too-few",
        ),
        pytest.param(
            {"solutionConfig": {"eventValueThreshold": "9"}},
            "Dataset has fewer than 1000 interactions",
            id="threshold-alone",
        ),
    ],
)
def test_too_few_events_that_match_fail_the_training(watched, more, reason):
    films, group = watched

    assert films.version(films.solution(group, POPULAR, **more))["failureReason"] == reason


def test_a_threshold_without_values_leaves_nothing(trained):
    films, version = trained
    group = films.personalize.describe_solution_version(solutionVersionArn=version)[
        "solutionVersion"
    ]["datasetGroupArn"]

    failed = films.version(films.solution(group, POPULAR, eventType="watch"))

    assert failed["failureReason"].endswith("after filtering by event type: watch")


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"excludedDatasetColumns": {"Items": ["GENRES"]}}, id="excluded"),
        pytest.param({"includedDatasetColumns": {"ITEMS": ["YEAR"]}}, id="not-included"),
    ],
)
def test_columns_that_are_left_out_are_not_learned_from(films: Films, columns):
    fields = [*FIELDS["Items"], {"name": "YEAR", "type": "int"}]
    group = films.filled()
    arn = next(
        d["datasetArn"]
        for d in films.personalize.list_datasets()["datasets"]
        if d["datasetType"] == "ITEMS"
    )
    films.personalize.delete_dataset(datasetArn=arn)
    years = [f"{line},{1990 + n % 9}" for n, line in enumerate(items_csv().split()[1:])]
    films.imported(
        films.dataset(group, "Items", fields), "\n".join(["ITEM_ID,GENRES,YEAR", *years])
    )
    config = {"trainingDataConfig": columns}
    version = films.trained(films.solution(group, solutionConfig=config))

    genre, year = films.answers(
        "batchSegmentJob",
        version,
        [{"itemAttributes": 'ITEMS.GENRES = "Action"'}, {"itemAttributes": "ITEMS.YEAR = 1990"}],
    )

    assert "GENRES" in genre["error"]
    assert year["error"] is None
