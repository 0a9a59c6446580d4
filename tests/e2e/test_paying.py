"""What costs money is asked for by one run at a time; the next finds it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from personalization.local.server import LocalAws
from personalization.parameters import BatchParameters, TrainParameters
from personalization.resources import Policy, Resource, look
from personalization.resources.kinds import (
    BATCH_SEGMENT_JOB,
    DATASET_IMPORT_JOB,
    SOLUTION_VERSION,
    Kind,
)
from tests.e2e.conftest import BUCKET, QUICK, SOLUTION, Place
from tests.resources.conftest import Films

pytestmark = [pytest.mark.server, pytest.mark.e2e]

RUNS = 8


@pytest.fixture
def films(
    aws: LocalAws, prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Films:
    """A service in which everything has been done once."""
    from blocks.settings import settings

    monkeypatch.setenv("PERSONALIZE_WORK_DIR", str(tmp_path / "work"))
    settings.cache_clear()
    return Films(aws)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the calls return, all begun at the same moment."""
    start = threading.Barrier(len(calls))

    def one(call: Callable[[], Any], context: Any) -> Any:
        start.wait()
        return context.run(call)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls, [copy_context() for _ in calls]))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(DATASET_IMPORT_JOB, id="import"),
        pytest.param(SOLUTION_VERSION, id="training"),
        pytest.param(BATCH_SEGMENT_JOB, id="batch-job"),
    ],
)
def test_runs_at_the_same_moment_pay_once(films: Films, kind: Kind) -> None:
    from tasks.reconcile import ensure_resource

    arns = films.run().arns
    films.put_views(1300)
    now = dt.datetime.now(dt.UTC)
    policy, before = Policy(retrain="always", began=now), count(films, kind)
    # Each run gives names of a second of its own; S3 tells of changes in whole seconds.
    wanted = [replace(the(kind, films.resources), changed_at=now) for _ in range(RUNS)]

    found = set(at_once([partial(ensure_resource, it, arns, policy, None) for it in wanted]))

    assert len(found) == 1
    assert count(films, kind) == before + 1
    assert look(films.personalize, kind, found.pop())


def test_an_input_uploaded_with_its_parameter_file_is_paid_for_once(
    bingewatch: Place, prefect_server: str
) -> None:
    """`dispatch` starts a batch flow that knows nothing of the file's `numResults`."""
    from flows.batch_segment import batch_segment
    from flows.train import train

    parameters = TrainParameters(file=bingewatch.file, waiting=QUICK)
    train(parameters)
    key = f"batch/bingewatch/{SOLUTION}/job_config.json"
    time.sleep(1.1)  # S3 tells of changes in whole seconds
    bingewatch.put(key, bingewatch.read(key))
    by_input = BatchParameters(
        bucket=BUCKET, dataset_group="bingewatch", solution=SOLUTION, waiting=QUICK
    )

    report, outputs = at_once([partial(train, parameters), partial(batch_segment, by_input)])

    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == 2
    assert report.outputs == outputs


def the(kind: Kind, resources: Sequence[Resource]) -> Resource:
    return next(it for it in resources if it.kind == kind)


def count(films: Films, kind: Kind) -> int:
    pages = films.personalize.get_paginator(kind.paginator).paginate()
    return sum(len(page[kind.listed_under]) for page in pages)
