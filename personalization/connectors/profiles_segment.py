"""The one segment definition of a logical audience, pointed at its newest import."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from personalization.aws import aws_errors, error_code
from personalization.connectors.importing import Audience
from personalization.errors import FatalError, RetryableError

logger = logging.getLogger(__name__)

# Tag keys have no digits to spare for meaning; values may hold anything.
# Source: botocore, customer-profiles 2020-08-15, shapes `TagKey`, `TagValue`.
MADE_BY, MADE_BY_US = "made-by", "personalize-flows"
JOB, JOB_CREATED = "upload-job", "upload-job-created"
_MAX_DESCRIPTION = 4000  # shape `sensitiveString1To4000`
_MAX_DISPLAY_NAME = 255  # shape `string1To255`


@dataclass(frozen=True)
class Mark:
    """What an import wrote into its people's profiles, and which import it was.

    created      when its upload job was made, in Unix seconds by the service's clock
    precision_s  it may have been so much later: S3 tells whole seconds
    """

    value: str
    job: str
    created: float
    precision_s: float = 0.0


class SegmentPointer:
    """Segment definitions of one domain that select the people of one import each."""

    def __init__(self, profiles: Any, domain: str) -> None:
        self._profiles = profiles
        self._domain = domain

    def point(self, segment: str, audience: Audience, mark: Mark) -> None:
        """Make the segment select the people with this mark.  Safe to repeat.

        A segment that a newer import filled stays as it is.  Raises FatalError if a definition of
        that name was made by someone else, RetryableError if the old one is gone and the new one
        was not accepted yet.
        """
        with aws_errors(f"pointing segment {segment!r} of domain {self._domain!r} at its import"):
            existing = self._existing(segment)
            if existing is None:
                self._create(segment, audience, mark)
                return
            tags = existing.get("Tags", {})
            if tags.get(MADE_BY) != MADE_BY_US:
                raise FatalError(
                    f"segment definition {segment!r} of domain {self._domain!r} was not made by "
                    "personalize-flows and stays as it is; rename it, or the audience"
                )
            if tags.get(JOB) == mark.job:
                return
            if float(tags.get(JOB_CREATED, 0)) > mark.created + mark.precision_s:
                logger.info("segment %s holds a newer import than %s", segment, mark.job)
                return
            self._replace(segment, audience, mark)

    def _existing(self, segment: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._profiles.get_segment_definition(
                DomainName=self._domain, SegmentDefinitionName=segment
            )
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return found

    def _replace(self, segment: str, audience: Audience, mark: Mark) -> None:
        self._profiles.delete_segment_definition(
            DomainName=self._domain, SegmentDefinitionName=segment
        )
        try:
            self._create(segment, audience, mark)
        except ClientError as error:
            # A name may stay taken for a moment after its deletion; the next look creates it.
            raise RetryableError(
                f"segment {segment!r} of domain {self._domain!r} was deleted to be made anew, and "
                f"its making failed with {error_code(error)}; look again"
            ) from error

    def _create(self, segment: str, audience: Audience, mark: Mark) -> None:
        has_mark = {segment: {"DimensionType": "INCLUSIVE", "Values": [mark.value]}}
        dimension = {"ProfileAttributes": {"Attributes": has_mark}}
        group = {"Dimensions": [dimension], "SourceType": "ALL", "Type": "ALL"}
        self._profiles.create_segment_definition(
            DomainName=self._domain,
            SegmentDefinitionName=segment,
            DisplayName=audience.name[:_MAX_DISPLAY_NAME],
            Description=_lineage(audience),
            SegmentGroups={"Groups": [group], "Include": "ALL"},
            Tags={MADE_BY: MADE_BY_US, JOB: mark.job, JOB_CREATED: repr(mark.created)},
        )
        logger.info("segment %s now holds the import %s", segment, mark.job)


def _lineage(audience: Audience) -> str:
    """Return where the audience came from, one `key: value` a line, as long as there is room."""
    facts = {"audience": audience.name, "file": str(audience.location), "rows": audience.count}
    lines = [f"{key}: {value}" for key, value in {**facts, **audience.lineage}.items()]
    return "\n".join(lines)[:_MAX_DESCRIPTION]
