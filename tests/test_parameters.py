from __future__ import annotations

from personalization.aws import S3Path
from personalization.datasets.locate import DATASETS
from personalization.parameters import SyncParameters, TrainParameters


def test_a_training_reads_its_parameter_file_and_the_data_beside_it():
    given = TrainParameters(file="s3://films/train/by-genre/config.json")

    names = ["config.json", *(f"{it}{end}" for it in DATASETS for end in (".csv", "/"))]
    assert given.places == tuple(S3Path("films", f"train/by-genre/{it}") for it in names)


def test_a_sync_reads_its_configuration_and_its_inputs_and_not_what_runs_write():
    given = SyncParameters(job="s3://films/etl_jobs/related_items/like-this/config.json")

    assert [str(it) for it in given.places] == [
        "s3://films/etl_jobs/related_items/like-this/config.json",
        "s3://films/etl_jobs/related_items/like-this/input/",
    ]
