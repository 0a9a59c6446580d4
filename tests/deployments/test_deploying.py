"""What `prefect deploy` puts into the deployments about where runs will be."""

from __future__ import annotations

import sys

import pytest

from deployments.deploying import surroundings
from deployments.processes import ROOT
from personalization.errors import ConfigError


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PERSONALIZE_BUCKET", "films")
    for name in ("PERSONALIZE_HOME", "PERSONALIZE_PYTHON"):
        monkeypatch.delenv(name, raising=False)


def test_runs_are_where_one_deploys_from():
    assert surroundings() == {
        "directory": str(ROOT),
        "command": f"{sys.executable} -m prefect.engine",
    }


def test_runs_in_an_image_are_where_it_is_said(monkeypatch):
    monkeypatch.setenv("PERSONALIZE_HOME", "/opt/personalize-flows")
    monkeypatch.setenv("PERSONALIZE_PYTHON", "/opt/my python")

    assert surroundings() == {
        "directory": "/opt/personalize-flows",
        "command": "'/opt/my python' -m prefect.engine",
    }


@pytest.mark.parametrize("name", ["", "s3://films/", "Films", "ab", "films/"])
def test_what_is_no_buckets_name_is_refused(monkeypatch, name):
    monkeypatch.setenv("PERSONALIZE_BUCKET", name)

    with pytest.raises(ConfigError, match=f"^PERSONALIZE_BUCKET is '{name}'; set it to the name"):
        surroundings()
