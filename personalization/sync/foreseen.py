"""What is wrong with a job and can be known before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from personalization.aws import S3Path
from personalization.connectors.base import Rendering
from personalization.errors import ConfigError, Finding, RetryableError
from personalization.objects import listing
from personalization.sync.job import CheckedJob, ConnectorSettings
from personalization.sync.layout import JobPath
from personalization.sync.runs import complete_run
from personalization.transforms.item_metadata import no_items
from personalization.transforms.recommendation_rendering import AttributeRenderer


def missing_inputs(s3: Any, path: JobPath, checked: CheckedJob) -> Iterator[Finding]:
    """Yield what the job's listings lack: an output, a mapping, metadata for chosen fields.

    An output that is not complete yet is nothing wrong: whoever fetches it waits.
    """
    source = str(path.config)
    if checked.place:
        try:
            with suppress(RetryableError):
                complete_run(s3, S3Path.parse(checked.place))
        except ConfigError as error:
            yield Finding("batchInferencePath", str(error), source=source)
    if path.type == "related_items" and not _holds(s3, path.mapping, ".csv"):
        yield Finding(
            "",
            "holds no .csv",
            "put USER_ID, ITEM_ID tables there, so that items' recommendations reach users",
            source=str(path.mapping),
        )
    choosing = [name for name, it in checked.connectors.items() if it.item_metadata_fields]
    if (
        choosing
        and path.type != "user_segmentation"
        and not _holds(s3, path.metadata, ".json", ".jsonl")
    ):
        for name in choosing:
            yield Finding(
                f"connectors.{name}.itemMetadataFields",
                f"names fields, and {path.metadata} holds no .json",
                "put the items' metadata there, or take the fields out",
                source=source,
            )


def clashing_names(rendering: Rendering, given: ConnectorSettings) -> tuple[Finding, ...]:
    """Return attributes that would have the same name, as far as the job itself names them.

    Without itemMetadataFields all of the metadata's are sent, and only those can tell.
    """
    items = replace(no_items(), fields=given.item_metadata_fields or ())
    try:
        AttributeRenderer(rendering, items)
    except ConfigError as error:
        return error.findings
    return ()


def _holds(s3: Any, folder: S3Path, *endings: str) -> bool:
    return any(it.size and it.path.key.lower().endswith(endings) for it in listing(s3, folder))
