"""Pinpoint's segments and their versions.

Dimensional segments are kept as they were written and not evaluated: nothing here sends to them.
Source: botocore, pinpoint 2016-12-01, shapes `SegmentResponse`, `SegmentImportResource`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from personalization.local.wire import ServiceError


@dataclass
class Members:
    """Who an import put into a segment: endpoints, and users with all the endpoints they have.

    Rows that name the same endpoint or user count once.
    """

    endpoints: dict[str, str] = field(default_factory=dict)  # lower-case id to channel type
    users: dict[str, tuple[str, ...]] = field(default_factory=dict)  # user id to channel types

    def __len__(self) -> int:
        return len(self.endpoints) + len(self.users)

    def channels(self) -> dict[str, int]:
        """Return how many endpoints of each channel type are reached."""
        counts = Counter(self.endpoints.values())
        for channels in self.users.values():
            counts.update(channels)
        return dict(counts)


class Segments:
    """The segments of one application: every version of each, the newest last."""

    def __init__(self, application: str, arn: str) -> None:
        self._application = application
        self._arn = arn
        self._versions: dict[str, list[dict[str, Any]]] = {}

    def create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a new dimensional segment."""
        _check(request)
        return self._first({**request, "SegmentType": "DIMENSIONAL"})

    def get(self, segment_id: str, version: str | None = None) -> dict[str, Any]:
        """Return a segment, as it is or as it was at a version.  Raises NotFoundException."""
        versions = self._of(segment_id)
        if version is None:
            return versions[-1]
        for each in versions:
            if str(each["Version"]) == version:
                return each
        raise ServiceError("NotFoundException", f"Segment {segment_id} has no version {version}")

    def versions(self, segment_id: str) -> list[dict[str, Any]]:
        """Return every version, the newest first."""
        return self._of(segment_id)[::-1]

    def every(self) -> list[dict[str, Any]]:
        """Return every segment as it is, the oldest first."""
        return [versions[-1] for versions in self._versions.values()]

    def update(self, segment_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the segment's next version.  An imported segment can only be renamed."""
        _check(request)
        old = self.get(segment_id)
        if old["SegmentType"] == "IMPORT" and not request.keys() <= {"Name", "tags"}:
            said = "The dimensions of an imported segment cannot be changed"
            raise ServiceError("BadRequestException", said)
        return self._next(old, {key: value for key, value in request.items() if key != "tags"})

    def delete(self, segment_id: str) -> dict[str, Any]:
        """Return the segment that no longer is.  Raises NotFoundException."""
        newest = self.get(segment_id)
        del self._versions[segment_id]
        return newest

    def imported(
        self, definition: Mapping[str, Any], members: Members, segment_id: str | None
    ) -> dict[str, Any]:
        """Return the segment that an import made, or the next version of the one it updated."""
        about = {
            "ExternalId": definition.get("ExternalId", ""),
            "Format": definition["Format"],
            "RoleArn": definition["RoleArn"],
            "S3Url": definition["S3Url"],
            "Size": len(members),
            "ChannelCounts": members.channels(),
        }
        name = {"Name": definition["SegmentName"]} if definition.get("SegmentName") else {}
        content = {**name, "SegmentType": "IMPORT", "ImportDefinition": about}
        if segment_id is None:
            return self._first(content)
        return self._next(self.get(segment_id), content)

    def _of(self, segment_id: str) -> list[dict[str, Any]]:
        if segment_id not in self._versions:
            raise ServiceError("NotFoundException", f"Segment {segment_id} was not found")
        return self._versions[segment_id]

    def _first(self, content: Mapping[str, Any]) -> dict[str, Any]:
        segment_id = uuid.uuid4().hex
        now = iso_now()
        segment = {
            "ApplicationId": self._application,
            "Arn": f"{self._arn}/segments/{segment_id}",
            "CreationDate": now,
            "LastModifiedDate": now,
            "Id": segment_id,
            "Version": 1,
            **content,
        }
        self._versions[segment_id] = [segment]
        return segment

    def _next(self, old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        new = {
            **old,
            **changes,
            "LastModifiedDate": iso_now(),
            "Version": old["Version"] + 1,
        }
        self._versions[old["Id"]].append(new)
        return new


def iso_now() -> str:
    """Return this moment as Pinpoint writes it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _check(request: Mapping[str, Any]) -> None:
    if "Dimensions" in request and "SegmentGroups" in request:
        said = "A segment has Dimensions or SegmentGroups, but not both"
        raise ServiceError("BadRequestException", said)
