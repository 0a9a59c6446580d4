"""A process that is killed loses nobody, and sends again no more than it had in flight."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.connector_chaos import run


@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_killed_delivery_goes_on_where_it_was(tmp_path: Path, in_flight: int):
    result = run(tmp_path, users=4_500, kills=2, in_flight=in_flight)

    assert result.wrong == []
    assert result.resent_batches <= 2 * in_flight
