"""What the rest of the library reads: defaults, inherited tags, and the names of things."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from pydantic import ValidationError

from personalization import config
from tests.config.files import FULL, NOW, changed, check, small, solution

PROJECT = [{"tagKey": "project", "tagValue": "bingewatch"}]


@pytest.fixture(scope="module")
def full() -> config.ParameterFile:
    return config.load(FULL.read_bytes(), "full.json", now=NOW)


def test_everything_is_found_under_its_name(full):
    for_you, alike, same_story, by_genre = full.solutions

    assert full.dataset_group.service_config["domain"] == "VIDEO_ON_DEMAND"
    assert full.dataset_group.workflow_config.schedules.import_ == "cron(0 */6 * * ? *)"
    assert full.dataset_group.workflow_config.max_age == dt.timedelta(days=30)
    assert full.datasets.service_config["publishAttributionMetricsToS3"] is True
    assert full.datasets.interactions.dataset.service_config["name"] == "watched"
    assert full.datasets.items.schema_.service_config["schema"]["name"] == "Items"
    assert full.event_tracker.service_config["name"] == "clicks"
    assert full.filters[0].service_config["name"] == "unseen"
    assert full.recommenders[0].service_config["name"] == "top-picks"
    assert for_you.solution_version == {"trainingMode": "UPDATE", "tags": []}
    assert "solutionVersion" not in for_you.service_config
    assert for_you.workflow_config.schedules.full == "cron(0 0 ? * SUN *)"
    assert for_you.workflow_config.schedules.update == "cron(0 2 ? * MON-SAT *)"
    assert for_you.campaigns[0].service_config["minProvisionedTPS"] == 1
    assert for_you.batch_inference_jobs[0].workflow_config.schedule == "cron(30 3 * * ? *)"
    assert for_you.batch_inference_jobs[0].workflow_config.max_age == dt.timedelta(minutes=90)
    assert alike.solution_version["trainingMode"] == "FULL"
    assert same_story.service_config["performAutoTraining"] is True
    assert by_genre.workflow_config.schedules.full == config.DELETE
    assert by_genre.batch_segment_jobs[0].service_config["numResults"] == 50


def test_what_is_left_out_has_its_default():
    file = check(small(solutions=[solution(batchInferenceJobs=[{}])])).file

    assert file.dataset_group.workflow_config.max_age == dt.timedelta(days=365)
    assert file.dataset_group.workflow_config.schedules.import_ is None
    assert file.datasets.service_config == {
        "importMode": "FULL",
        "publishAttributionMetricsToS3": False,
        "tags": [],
    }
    assert file.datasets.items is None
    assert file.event_tracker is None
    assert (file.filters, file.recommenders, file.tags) == ((), (), ())
    assert file.solutions[0].service_config["performAutoTraining"] is False
    assert file.solutions[0].solution_version == {"trainingMode": "FULL", "tags": []}
    assert file.solutions[0].batch_inference_jobs[0].service_config == {"tags": []}
    assert file.solutions[0].batch_inference_jobs[0].workflow_config.max_age is None


def test_an_import_mode_is_kept():
    file = check(changed("datasets.serviceConfig.importMode", "INCREMENTAL")).file

    assert file.datasets.service_config["importMode"] == "INCREMENTAL"


def test_an_empty_section_is_as_good_as_none():
    file = check(changed("eventTracker.serviceConfig", {})).file

    assert file.event_tracker is None


def test_tags_of_the_root_go_to_all_that_have_none_of_their_own(full):
    everything = [
        full.dataset_group.service_config,
        full.datasets.interactions.dataset.service_config,
        full.event_tracker.service_config,
        full.filters[0].service_config,
        full.recommenders[0].service_config,
        full.solutions[0].service_config,
        full.solutions[1].solution_version,
        full.solutions[0].campaigns[0].service_config,
        full.solutions[0].batch_inference_jobs[0].service_config,
        full.solutions[3].batch_segment_jobs[0].service_config,
    ]

    assert [parameters["tags"] for parameters in everything] == [PROJECT] * 10


def test_own_tags_replace_those_of_the_root_and_an_empty_list_opts_out(full):
    assert full.datasets.users.dataset.service_config["tags"] == [
        {"tagKey": "data", "tagValue": "personal"}
    ]
    assert full.datasets.service_config["tags"] == []
    assert full.solutions[0].solution_version["tags"] == []


def test_schemas_cannot_be_tagged(full):
    assert "tags" not in full.datasets.items.schema_.service_config


def test_what_the_workflow_supplies_is_taken_out():
    document = changed("solutions[0].batchInferenceJobs[0].serviceConfig.jobName", "mine")
    document = changed("solutions[0].serviceConfig.solutionVersion.name", "v1", document)

    file = check(document).file

    assert "jobName" not in file.solutions[0].batch_inference_jobs[0].service_config
    assert "name" not in file.solutions[0].solution_version


def test_nothing_can_be_set_afterwards(full):
    with pytest.raises(ValidationError, match="frozen"):
        full.tags = ()


def test_checking_leaves_the_document_as_it_was():
    document = json.loads(FULL.read_text())
    before = json.dumps(document)

    check(document)

    assert json.dumps(document) == before
