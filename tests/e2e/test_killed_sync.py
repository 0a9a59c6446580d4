"""The flow may be killed anywhere: the next run makes it whole, and sends nobody anything twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT
from tests.e2e.killed_at import POINTS
from tests.e2e.test_connector_sync import shop, sync

__all__ = ["shop"]

pytestmark = [pytest.mark.server, pytest.mark.e2e]


@pytest.mark.parametrize("point", sorted(POINTS))
def test_a_run_that_is_killed_between_requests_sends_nothing_twice(shop, prefect_server, point):
    job = shop.for_users(150, connectors={"braze": {}})
    command = [sys.executable, "-m", "tests.e2e.killed_at", point, job]
    killed = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": prefect_server},
        capture_output=True,
        check=False,
    )

    report = sync(job)

    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert len(shop.braze.users()) == 150
    assert set(shop.braze.taken.values()) == {1}
    assert report.total("accepted") + report.total("skipped_unchanged") == 150
    assert sync(job).total("skipped_unchanged") == 150
