"""A sweep of the tests' bucket, and what it leaves to look at."""

from __future__ import annotations

import json
from typing import Any

from personalization.parameters import SweepParameters

BUCKET = "films"


def sweep(**more: Any) -> tuple[str, ...]:
    from flows.sweep import sweep as flow

    found: tuple[str, ...] = flow(SweepParameters(**{"bucket": BUCKET, "grace_s": 0, **more}))
    return found


def table() -> list[dict[str, Any]]:
    from prefect.artifacts import Artifact

    found = Artifact.get(f"swept-{BUCKET}")
    assert found
    rows: list[dict[str, Any]] = json.loads(found.data)
    return rows
