from __future__ import annotations

from collections.abc import Iterator

import pytest

from personalization.local.pace import Pace
from personalization.local.personalize import service
from personalization.local.server import LocalAws
from tests.local.personalize.films import Films

MOUNTS = (service.control_plane, service.runtime, service.events)


@pytest.fixture
def films() -> Iterator[Films]:
    """An empty Personalize whose resources change state at once."""
    with LocalAws(pace=Pace(0), mount=MOUNTS) as aws:
        yield Films(aws)


@pytest.fixture
def slow_films() -> Iterator[Films]:
    """An empty Personalize whose states each last one look."""
    with LocalAws(pace=Pace(looks=1), mount=MOUNTS) as aws:
        yield Films(aws)


@pytest.fixture(scope="module")
def trained() -> Iterator[tuple[Films, str]]:
    """A Personalize with one version of aws-item-attribute-affinity; the module's, to be read."""
    with LocalAws(pace=Pace(0), mount=MOUNTS) as aws:
        films = Films(aws)
        yield films, films.trained(films.solution(films.filled()))
