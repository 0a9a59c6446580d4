from __future__ import annotations

import threading
import time

import pytest
from botocore.exceptions import ClientError

from personalization.local.engine.popularity import PopularityCount
from personalization.local.pace import Pace
from personalization.local.personalize import recipes
from personalization.local.server import LocalAws
from tests.local.personalize.conftest import MOUNTS
from tests.local.personalize.films import POPULAR, Films, interactions_csv


def states(films: Films, kind: str, arn: str, looks: int) -> list[str]:
    describe = getattr(films.personalize, f"describe_{kind}")
    key = "".join(word.title() for word in kind.split("_"))
    key = key[0].lower() + key[1:]
    return [describe(**{f"{key}Arn": arn})[key]["status"] for _ in range(looks)]


CREATED = ["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE", "ACTIVE"]


def test_a_resource_passes_through_its_states_look_by_look(slow_films: Films):
    arn = slow_films.personalize.create_dataset_group(name="films")["datasetGroupArn"]

    assert states(slow_films, "dataset_group", arn, 4) == CREATED


def test_a_job_does_so_too_and_its_last_state_waits_for_the_work(slow_films: Films):
    dataset = slow_films.dataset(slow_films.group())
    location = slow_films.put("views.csv", interactions_csv())
    job = slow_films.personalize.create_dataset_import_job(
        jobName="views", datasetArn=dataset, dataSource={"dataLocation": location}
    )["datasetImportJobArn"]

    assert states(slow_films, "dataset_import_job", job, 4) == CREATED


def test_a_list_shows_the_state_and_does_not_count_as_a_look(slow_films: Films):
    slow_films.personalize.create_dataset_group(name="films")

    seen = [slow_films.personalize.list_dataset_groups()["datasetGroups"][0] for _ in range(3)]

    assert [group["status"] for group in seen] == ["CREATE PENDING"] * 3


def test_a_deletion_is_over_when_the_resource_is_not_found(slow_films: Films):
    arn = slow_films.group()
    slow_films.personalize.delete_dataset_group(datasetGroupArn=arn)

    assert states(slow_films, "dataset_group", arn, 2) == ["DELETE PENDING", "DELETE IN_PROGRESS"]
    with pytest.raises(slow_films.personalize.exceptions.ResourceNotFoundException):
        slow_films.personalize.describe_dataset_group(datasetGroupArn=arn)


def test_by_the_clock_each_state_lasts_as_long_as_the_pace_says():
    with LocalAws(pace=Pace(0.15), mount=MOUNTS) as aws:
        films = Films(aws)
        began = time.monotonic()
        arn = films.personalize.create_dataset_group(name="films")["datasetGroupArn"]
        first = states(films, "dataset_group", arn, 1)
        group = films.settled("datasetGroup", arn)
        took = time.monotonic() - began

    assert first == ["CREATE PENDING"]
    assert 0.3 <= took < 5
    between = group["lastUpdatedDateTime"] - group["creationDateTime"]
    assert between.total_seconds() == pytest.approx(0.3, abs=0.002)


def test_failed_work_is_a_failed_resource_with_its_reason(films: Films):
    group = films.group()
    films.imported(films.dataset(group), interactions_csv(users=10, views=3))

    version = films.version(films.solution(group, POPULAR))

    assert version["status"] == "CREATE FAILED"
    assert version["failureReason"] == "Dataset has fewer than 1000 interactions"
    assert "trainingHours" not in version


def test_fewer_than_25_users_with_two_views_are_too_few(films: Films):
    group = films.group()
    films.imported(films.dataset(group), interactions_csv(users=20, views=60))

    version = films.version(films.solution(group, POPULAR))

    assert version["failureReason"].startswith(
        "Dataset has fewer than 25 users with at least 2 interactions each"
    )


def test_a_group_without_data_cannot_train(films: Films):
    version = films.version(films.solution(films.group(), POPULAR))

    assert version["failureReason"] == "Dataset has fewer than 1000 interactions"


class Hindered(PopularityCount):
    """Trains only once it is allowed to, or not at all."""

    def __init__(self) -> None:
        self.begun, self.allowed = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def fit(self, *arguments, **more):
        self.begun.set()
        self.allowed.wait(20)
        if self.error:
            raise self.error
        return super().fit(*arguments, **more)


@pytest.fixture
def hindered(monkeypatch):
    recipe = Hindered()
    monkeypatch.setattr(recipes, "RECIPES", {**recipes.RECIPES, "aws-popularity-count": recipe})
    yield recipe
    recipe.allowed.set()


def test_training_does_not_keep_others_waiting_and_can_be_stopped(films: Films, hindered: Hindered):
    group = films.filled()
    solution = films.solution(group, POPULAR)
    version = films.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    assert hindered.begun.wait(10)

    shown = states(films, "solution_version", version, 2)
    metrics = films.personalize.exceptions.ResourceInUseException
    with pytest.raises(metrics, match="is not ACTIVE but CREATE IN_PROGRESS"):
        films.personalize.get_solution_metrics(solutionVersionArn=version)
    with pytest.raises(ClientError, match="is CREATE IN_PROGRESS"):
        films.personalize.delete_solution(solutionArn=solution)
    films.personalize.stop_solution_version_creation(solutionVersionArn=version)

    assert shown == ["CREATE IN_PROGRESS", "CREATE IN_PROGRESS"]
    assert films.settled("solutionVersion", version)["status"] == "CREATE STOPPED"
    with pytest.raises(ClientError, match="is CREATE STOPPED: there is nothing to stop"):
        films.personalize.stop_solution_version_creation(solutionVersionArn=version)


def test_stopping_passes_through_its_own_states(slow_films: Films, hindered: Hindered):
    hindered.allowed.set()
    solution = slow_films.solution(slow_films.filled(), POPULAR)
    create = slow_films.personalize.create_solution_version
    pending, begun = (create(solutionArn=solution)["solutionVersionArn"] for _ in range(2))
    states(slow_films, "solution_version", begun, 2)

    for version in (pending, begun):
        slow_films.personalize.stop_solution_version_creation(solutionVersionArn=version)

    assert states(slow_films, "solution_version", pending, 1) == ["CREATE STOPPED"]
    assert states(slow_films, "solution_version", begun, 2) == ["CREATE STOPPING", "CREATE STOPPED"]


def test_a_bug_in_the_work_is_a_failure_that_points_to_the_log(
    films: Films, hindered: Hindered, caplog
):
    hindered.error = ZeroDivisionError("oops")
    hindered.allowed.set()

    version = films.version(films.solution(films.filled(), POPULAR))

    assert version["failureReason"] == (
        "Internal error of the local AWS: ZeroDivisionError('oops'); see its log"
    )
    assert "failed unexpectedly" in caplog.text


def test_closing_waits_for_the_work_under_way(hindered: Hindered):
    with LocalAws(pace=Pace(0), mount=MOUNTS) as aws:
        films = Films(aws)
        solution = films.solution(films.filled(), POPULAR)
        films.personalize.create_solution_version(solutionArn=solution)
        assert hindered.begun.wait(10)
        threading.Timer(0.3, hindered.allowed.set).start()

    alive = [t.name for t in threading.enumerate() if t.name.startswith("personalize-work")]
    assert alive == []


def test_a_finished_version_says_how_it_was_trained(trained):
    films, arn = trained

    version = films.personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
    solution = films.personalize.describe_solution(solutionArn=version["solutionArn"])["solution"]

    assert version["trainingHours"] > 0
    assert (version["trainingMode"], version["trainingType"]) == ("FULL", "MANUAL")
    assert version["performAutoML"] is False
    assert solution["latestSolutionVersion"]["solutionVersionArn"] == arn
    assert solution["latestSolutionVersion"]["status"] == "ACTIVE"
    assert arn.rpartition("/")[0] == version["solutionArn"]
    assert len(arn.rpartition("/")[2]) == 8
