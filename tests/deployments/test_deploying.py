"""What `prefect deploy` puts into the deployments about where runs will be."""

from __future__ import annotations

import sys

import pytest

from blocks.settings import settings
from deployments.deploying import surroundings
from personalization.errors import ConfigError


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """A folder, and settings that are read again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSONALIZE_BUCKET", "films")
    for name in ("PERSONALIZE_HOME", "PERSONALIZE_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_runs_are_where_one_deploys_from(here):
    assert surroundings() == {
        "bucket": "films",
        "directory": str(here),
        "command": f"{sys.executable} -m prefect.engine",
    }


def test_a_file_says_as_much_as_the_environment(here, monkeypatch):
    monkeypatch.delenv("PERSONALIZE_BUCKET")
    (here / ".env").write_text(
        "PERSONALIZE_BUCKET=books\nPERSONALIZE_HOME=/opt\nPERSONALIZE_PYTHON=python\n"
    )

    assert surroundings() == {
        "bucket": "books",
        "directory": "/opt",
        "command": "python -m prefect.engine",
    }


def test_runs_in_an_image_are_where_it_is_said(monkeypatch):
    monkeypatch.setenv("PERSONALIZE_HOME", "/opt/personalize-flows")
    monkeypatch.setenv("PERSONALIZE_PYTHON", "/opt/my python")

    assert surroundings() == {
        "bucket": "films",
        "directory": "/opt/personalize-flows",
        "command": "'/opt/my python' -m prefect.engine",
    }


@pytest.mark.parametrize("name", ["", "s3://films/", "Films", "ab", "films/"])
def test_what_is_no_buckets_name_is_refused(monkeypatch, name):
    monkeypatch.setenv("PERSONALIZE_BUCKET", name)

    with pytest.raises(ConfigError, match=f"^PERSONALIZE_BUCKET is '{name}'; set it to the name"):
        surroundings()
