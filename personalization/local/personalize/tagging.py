"""Tags of resources: TagResource, UntagResource, ListTagsForResource, and tags of a Create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from personalization.local.personalize.records import Record, Records, invalid
from personalization.local.wire import Context, Handler, ServiceError

MOST: Final = 50  # source: Personalize developer guide, "Tagging Amazon Personalize resources"


def as_tags(listed: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return tags as a mapping; raises for too many, for doubles and for AWS's own prefix."""
    tags = {tag["tagKey"]: tag["tagValue"] for tag in listed}
    if len(tags) != len(listed):
        raise invalid("A tag key is given more than once.")
    _check(tags)
    return tags


def handlers(records: Records, taggable: frozenset[str]) -> Iterator[tuple[str, Handler]]:
    """Yield the three operations; only kinds in `taggable` can have tags."""

    def find(context: Context) -> Record:
        arn = context.params["resourceArn"]
        record = records.peek(arn)
        if record is None or arn.split(":")[3] != context.region:
            raise ServiceError("ResourceNotFoundException", f"Resource Arn {arn} does not exist.")
        if record.kind.name not in taggable:
            raise invalid(f"Resource Arn {arn} cannot have tags.")
        return record

    def tag(context: Context) -> Mapping[str, Any]:
        with records.lock:
            record = find(context)
            tags = record.tags | as_tags(context.params["tags"])
            _check(tags)
            record.tags = tags
        return {}

    def untag(context: Context) -> Mapping[str, Any]:
        with records.lock:
            record = find(context)
            keys = context.params["tagKeys"]
            if len(keys) > MOST:
                said = f"At most {MOST} tag keys can be removed at once, not {len(keys)}."
                raise ServiceError("TooManyTagKeysException", said)
            record.tags = {key: v for key, v in record.tags.items() if key not in keys}
        return {}

    def listed(context: Context) -> Mapping[str, Any]:
        tags = find(context).tags
        return {"tags": [{"tagKey": key, "tagValue": value} for key, value in tags.items()]}

    yield "TagResource", tag
    yield "UntagResource", untag
    yield "ListTagsForResource", listed


def _check(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST:
        said = f"A resource can have at most {MOST} tags, not {len(tags)}."
        raise ServiceError("TooManyTagsException", said)
    if own := [key for key in tags if key.lower().startswith("aws:")]:
        raise invalid(f"The tag key {own[0]} begins with aws:, which is reserved.")
