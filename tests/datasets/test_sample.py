"""The sample in data/ is what its README says."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

DATA = Path(__file__).parents[2] / "data"
SAMPLE = DATA / "bingewatch"
GENERATED = {
    "interactions.csv": "train/bingewatch/interactions.csv",
    "items.csv": "train/bingewatch/items.csv",
    "users.csv": "train/bingewatch/users.csv",
    "endpoints.csv": "pinpoint/endpoints.csv",
}


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the lines in the README write, when they are run."""
    code = (DATA / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    folder = tmp_path_factory.mktemp("again")
    here = 'Path("data/bingewatch")'
    assert here in code
    exec(code.replace(here, f"Path({str(folder)!r})"), {})  # our own README
    return folder


@pytest.mark.parametrize("name", GENERATED)
def test_the_readmes_lines_write_the_sample_byte_by_byte(made_again: Path, name: str) -> None:
    assert (made_again / name).read_bytes() == (SAMPLE / GENERATED[name]).read_bytes()


def test_the_readmes_lines_write_the_samples_truth(made_again: Path) -> None:
    """By value: the container names the version of polars that wrote it."""
    assert_frame_equal(
        pl.read_parquet(made_again / "truth.parquet"), pl.read_parquet(SAMPLE / "truth.parquet")
    )


def test_the_sample_is_small_enough_for_git() -> None:
    sizes = [path.stat().st_size for path in DATA.rglob("*") if path.is_file()]

    assert sum(sizes) < 2_000_000


def test_the_readme_names_every_column() -> None:
    text = (DATA / "README.md").read_text(encoding="utf-8")
    columns = {
        column
        for name in GENERATED.values()
        for column in pl.read_csv(SAMPLE / name, n_rows=1, infer_schema=False).columns
    }

    assert [column for column in sorted(columns) if column not in text] == []


def test_the_configuration_is_the_originals_without_addresses() -> None:
    config = json.loads((SAMPLE / "train/bingewatch/config.json").read_text())
    query = json.loads(
        (SAMPLE / "batch/bingewatch/bw_aws-item-attribute-affinity/job_config.json").read_text()
    )

    assert config["datasetGroup"]["serviceConfig"] == {
        "name": "bingewatch",
        "domain": "VIDEO_ON_DEMAND",
    }
    names = {
        kind: (
            entry["dataset"]["serviceConfig"]["name"],
            entry["schema"]["serviceConfig"]["name"],
            {field["name"] for field in entry["schema"]["serviceConfig"]["schema"]["fields"]},
        )
        for kind, entry in config["datasets"].items()
    }
    assert names == {
        "interactions": (
            "watched-videos",
            "bingewatch-watched-videos-schema",
            {"USER_ID", "ITEM_ID", "EVENT_TYPE", "EVENT_VALUE", "TIMESTAMP"},
        ),
        "items": (
            "movies",
            "bingewatch-movies-schema",
            {"ITEM_ID", "TITLE", "RELEASE_YEAR", "GENRES", "CREATION_TIMESTAMP"},
        ),
        "users": ("users", "bingewatch-user-schema", {"USER_ID", "AGE", "GENDER"}),
    }
    assert query == {"itemAttributes": 'ITEMS.genres = "Action"'}
