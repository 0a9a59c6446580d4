"""Segment estimates: how many profiles fit some conditions.  Here they are counts, exact.

Source: botocore, customer-profiles 2020-08-15, `CreateSegmentEstimate`, `GetSegmentEstimate`.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import Any

from personalization.local.pace import Pace
from personalization.local.profiles_segments import SegmentDefinitions, unanswered
from personalization.local.profiles_store import Profiles
from personalization.local.stages import Stages
from personalization.local.wire import ServiceError


class Estimates:
    """The estimates that were asked of one domain."""

    def __init__(
        self,
        segments: SegmentDefinitions,
        profiles: Profiles,
        lock: threading.RLock,
        pace: Pace,
    ) -> None:
        self._segments = segments
        self._profiles = profiles
        self._lock = lock
        self._pace = pace
        self._counting: dict[str, Stages] = {}
        self._counted: dict[str, int] = {}

    def create(self, request: Mapping[str, Any]) -> str:
        """Return the id of an estimate that begins at once."""
        if "SegmentSqlQuery" in request:
            raise unanswered("SegmentSqlQuery")
        groups = request.get("SegmentQuery", {})
        self._segments.check(groups)
        estimate = uuid.uuid4().hex

        def count() -> tuple[str, ...]:
            with self._lock:
                self._counted[estimate] = sum(
                    self._segments.selects(groups, profile) for profile in self._profiles
                )
            return ("SUCCEEDED",)

        self._counting[estimate] = Stages([], "RUNNING", count, ["FAILED"], self._pace)
        self._counting[estimate].start()
        return estimate

    def get(self, estimate: str) -> dict[str, Any]:
        """Return the state of an estimate, with the count once it is there."""
        if estimate not in self._counting:
            said = f"Segment estimate {estimate} was not found"
            raise ServiceError("ResourceNotFoundException", said)
        status = self._counting[estimate].look()
        found = {"EstimateId": estimate, "Status": status, "StatusCode": 200}
        return found | ({"Estimate": str(self._counted[estimate])} if status == "SUCCEEDED" else {})
