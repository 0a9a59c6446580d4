"""A job's folder tells its type, its name and where everything lies."""

from __future__ import annotations

import datetime as dt

import pytest

from personalization.errors import ConfigError
from personalization.sync.layout import JobPath

STAMP = dt.datetime(2022, 5, 2, 16, 1, 7, tzinfo=dt.UTC)


@pytest.mark.parametrize("end", ["", "/", "/config.json"])
def test_a_job_is_named_by_its_folder_or_its_configuration(end):
    job = JobPath.parse(f"s3://b/etl_jobs/related_items/shop{end}")

    assert (job.type, job.name) == ("related_items", "shop")
    assert str(job.folder) == "s3://b/etl_jobs/related_items/shop/"
    assert str(job.config) == "s3://b/etl_jobs/related_items/shop/config.json"


def test_everything_lies_where_the_aws_solution_has_it_under_the_jobs_own_type():
    job = JobPath.parse("s3://b/etl_jobs/user_personalization/shop")
    folder = "s3://b/etl_jobs/user_personalization/shop/"

    assert str(job.mapping) == f"{folder}input/user_item_mapping/"
    assert str(job.metadata) == f"{folder}input/item_metadata/"
    assert str(job.state("braze")) == f"{folder}output/braze/state/"
    assert (
        str(job.output("braze", STAMP))
        == f"{folder}output/braze/year=2022/month=05/day=02/time=160107/"
    )
    assert str(job.errors(STAMP)) == f"{folder}errors/year=2022/month=05/day=02/time=160107/"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "s3://b/jobs/related_items/shop/",
            "is not the folder of a job; write s3://bucket/etl_jobs",
        ),
        ("s3://b/etl_jobs/related_items/", "is not the folder of a job"),
        ("s3://b/etl_jobs/related_items/config.json", "is not the folder of a job"),
        ("s3://b/etl_jobs/related_items/config.json/", "is not the folder of a job"),
        (
            "s3://b/etl_jobs/related/shop/",
            "job type 'related' is unknown; there are: related_items",
        ),
        ("etl_jobs/related_items/shop/", "is not an S3 URI"),
    ],
)
def test_other_paths_are_refused(uri, said):
    with pytest.raises(ConfigError, match=said):
        JobPath.parse(uri)


def test_a_stamp_needs_a_time_zone():
    job = JobPath.parse("s3://b/etl_jobs/user_personalization/shop")

    with pytest.raises(ConfigError, match="has no time zone"):
        job.errors(STAMP.replace(tzinfo=None))
