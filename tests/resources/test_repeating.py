"""What a parameter file repeats, and what a run by the calendar does and leaves alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from personalization.config import load
from personalization.datasets.locate import locate
from personalization.errors import ConfigError
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.parameters import Scheduled, TrainParameters
from personalization.resources import Ledger, Resource, declared
from personalization.resources.repeating import (
    belongs,
    is_slug,
    is_there,
    part_of,
    policy_of,
    schedules_of,
    slug_of,
    wanted_part,
)
from tests.config.files import FULL
from tests.resources.conftest import BUCKET, FILE, ROLE, SOLUTION, Films

DAILY = "cron(0 2 * * ? *)"
UPDATABLE = "arn:aws:personalize:::recipe/aws-user-personalization"


class Calendar(Films):
    """The film service, whose runs may be told to repeat one thing only."""

    scheduled: Scheduled | None = None

    @property
    def resources(self) -> tuple[Resource, ...]:
        self.now += dt.timedelta(seconds=1)
        file = load(json.dumps(self.config), "config.json")
        part = part_of(file, self.scheduled, BUCKET) if self.scheduled else file
        assert part
        return declared(
            part,
            locate(FILE, self.s3),
            bucket=BUCKET,
            role_arn=ROLE,
            now=self.now,
            inputs_changed={SOLUTION: self.now},
        )

    def schedule(self, kind: str, when: str = DAILY) -> Scheduled:
        """Write a schedule into the parameter file, and return it."""
        solution = self.config["solutions"][0]
        if kind == "import":
            self.config["datasetGroup"]["workflowConfig"] = {"schedules": {kind: when}}
        elif kind in ("full", "update"):
            solution["workflowConfig"] = {"schedules": {kind: when}}
        else:
            solution["batchSegmentJobs"][0]["workflowConfig"] = {"schedule": when}
        name = None if kind == "import" else SOLUTION
        slug = slug_of(BUCKET, "films", kind, name)
        return Scheduled.model_validate(
            {"slug": slug, "kind": kind, "cron": when, "solution": name}
        )

    def repeat(self, scheduled: Scheduled) -> Ledger:
        """Do one thing again, as a scheduled run of the train flow does."""
        self.scheduled = scheduled
        parameters = TrainParameters(file=str(FILE), scheduled=scheduled)
        try:
            return self.run(policy_of(parameters, dt.datetime.now(dt.UTC), None))
        finally:
            self.scheduled = None

    def counts(self) -> tuple[int, int, int]:
        """How many imports, solution versions and segment jobs there are."""
        api = self.personalize
        return (
            len(api.list_dataset_import_jobs()["datasetImportJobs"]),
            len(api.list_solution_versions()["solutionVersions"]),
            len(api.list_batch_segment_jobs()["batchSegmentJobs"]),
        )


@pytest.fixture
def films() -> Iterator[Calendar]:
    with LocalAws(pace=Pace(0.0)) as aws:
        yield Calendar(aws)


def test_every_schedule_has_a_name_that_no_other_has():
    file = load(FULL.read_text(), "full.json")

    assert [it.slug for it in schedules_of(file, "shop-data")] == [
        "bingewatch.import@shop-data",
        "bingewatch.full.for-you@shop-data",
        "bingewatch.update.for-you@shop-data",
        "bingewatch.batch-inference.for-you@shop-data",
        "bingewatch.batch-segment.by-genre@shop-data",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("a", "full", "b"), ("a", "full", "b.2"), id="never-a-dot-in-a-name"),
        pytest.param(("a--full", "import"), ("a", "full", "import"), id="dashes"),
        pytest.param(("a", "batch-segment", "b"), ("a", "batch-segment", "b", 1), id="second-job"),
    ],
)
def test_names_do_not_collide(one, other):
    assert slug_of("bucket", *one) != slug_of("bucket", *other)
    assert slug_of("bucket", *one) != slug_of("bucket-2", *one)


def test_what_is_deleted_or_taken_out_is_no_part_of_the_file(films):
    scheduled = films.schedule("full")
    file = load(json.dumps(films.config), "config.json")
    assert part_of(file, scheduled, BUCKET)

    films.schedule("full", "delete")
    deleted = load(json.dumps(films.config), "config.json")
    films.config["solutions"] = []
    taken_out = load(json.dumps(films.config), "config.json")

    assert part_of(deleted, scheduled, BUCKET) is None
    assert part_of(taken_out, scheduled, BUCKET) is None


def test_a_run_is_not_widened_when_its_schedule_is_gone(films):
    scheduled = films.schedule("full")
    films.schedule("full", "delete")
    file = load(json.dumps(films.config), "config.json")

    assert wanted_part(file, TrainParameters(file=str(FILE))) is file
    with pytest.raises(
        ConfigError, match=f"{FILE} has no schedule films.full.{SOLUTION}@films any"
    ):
        wanted_part(file, TrainParameters(file=str(FILE), scheduled=scheduled))


@pytest.mark.parametrize(
    ("slug", "ours", "of_this_group"),
    [
        pytest.param("films.import@data", True, True, id="import"),
        pytest.param("films.full.for-you@data", True, True, id="full"),
        pytest.param("films.batch-segment.by-genre.2@data", True, True, id="second-job"),
        pytest.param("films.import@other", True, False, id="other-bucket"),
        pytest.param("films2.import@data", True, False, id="other-group"),
        pytest.param("nightly", False, False, id="a-persons"),
        pytest.param("films.import", False, False, id="no-bucket"),
        pytest.param("films.export@data", False, False, id="unknown-kind"),
    ],
)
def test_our_schedules_are_known_by_their_names(slug, ours, of_this_group):
    assert is_slug(slug) == ours
    assert belongs(slug, "s3://data/train/films/config.json", "films") == of_this_group


@pytest.mark.parametrize(
    ("kind", "solution", "said"),
    [
        pytest.param("import", "x", "import has solution=x; name the solution", id="import"),
        pytest.param("full", None, "full has solution=None; name the solution", id="full"),
    ],
)
def test_a_schedule_names_its_solution_and_an_import_none(kind, solution, said):
    with pytest.raises(ValidationError, match=said):
        Scheduled(slug="a.b@c", kind=kind, cron=DAILY, solution=solution)


def test_what_is_not_active_is_not_used_by_a_scheduled_run():
    with LocalAws(pace=Pace(looks=1_000)) as slow:
        films = Calendar(slow)
        films.personalize.create_dataset_group(name="films")

        ledger = films.repeat(films.schedule("full"))

    assert ledger.failures["datasetGroup/films"] == (
        "is CREATE PENDING; run `train` with the parameter file first"
    )


def test_a_full_training_is_made_without_new_data_and_nothing_else_is(films):
    scheduled = films.schedule("full")
    films.run()
    films.put_views(1300)

    ledger = films.repeat(scheduled)

    assert ledger.failures == {}
    assert films.counts() == (2, 2, 1)
    arn = ledger.new_versions[SOLUTION]
    version = films.personalize.describe_solution_version(solutionVersionArn=arn)
    assert version["solutionVersion"]["trainingMode"] == "FULL"


def test_an_update_is_a_training_of_mode_update_whatever_the_file_says(films):
    solution = films.config["solutions"][0]
    solution["serviceConfig"]["recipeArn"] = UPDATABLE
    solution["serviceConfig"]["solutionVersion"] = {"trainingMode": "FULL"}
    del solution["batchSegmentJobs"]
    scheduled = films.schedule("update")
    films.run()

    ledger = films.repeat(scheduled)

    arn = ledger.new_versions[SOLUTION]
    version = films.personalize.describe_solution_version(solutionVersionArn=arn)
    assert version["solutionVersion"]["trainingMode"] == "UPDATE"
    assert films.counts() == (2, 2, 0)


def test_only_data_that_has_changed_is_imported(films):
    scheduled = films.schedule("import")
    films.run()

    films.repeat(scheduled)
    assert films.counts() == (2, 1, 1)
    films.put_views(1300)
    films.repeat(scheduled)

    assert films.counts() == (3, 1, 1)


def test_a_batch_job_is_run_anew_with_the_newest_version(films):
    scheduled = films.schedule("batch-segment")
    films.run()
    films.put_views(1300)

    ledger = films.repeat(scheduled)

    assert ledger.failures == {}
    assert films.counts() == (2, 1, 2)


@pytest.mark.parametrize("kind", ["import", "full", "batch-segment"])
def test_what_a_scheduled_run_needs_must_be_there(films, kind):
    ledger = films.repeat(films.schedule(kind))

    [first, *_] = ledger.failures.values()
    assert first == "is not there; run `train` with the parameter file first"
    assert films.counts() == (0, 0, 0)
    assert films.personalize.list_dataset_groups()["datasetGroups"] == []


def test_what_has_changed_in_the_file_is_left_to_the_run_of_the_upload(films):
    scheduled = films.schedule("batch-segment")
    films.run()
    films.config["tags"] = [{"tagKey": "team", "tagValue": "films"}]

    ledger = films.repeat(scheduled)

    group = ledger.arns["datasetGroup/films"]
    assert films.personalize.list_tags_for_resource(resourceArn=group)["tags"] == []


@pytest.mark.parametrize("kind", ["import", "full", "batch-segment"])
def test_a_schedule_is_for_what_is_there(films, kind):
    scheduled = films.schedule(kind)
    resources = films.resources
    arns: dict[str, Any] = {it.key: "arn" for it in resources}

    assert is_there(scheduled, resources, arns)
    assert not is_there(scheduled, resources, {})
    second = scheduled.model_copy(update={"job": 1})
    assert is_there(second, resources, arns) == (kind != "batch-segment")
