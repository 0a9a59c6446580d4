"""The data that a solution version learns from: what is in its dataset group, as configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from personalization import columns
from personalization.local.engine import TrainingData
from personalization.local.personalize.contents import Warehouse
from personalization.local.personalize.kinds import KINDS
from personalization.local.personalize.records import Record, Records

_OURS: Final = {
    columns.AWS_USER_ID: columns.USER_ID,
    columns.AWS_ITEM_ID: columns.ITEM_ID,
    columns.AWS_TIMESTAMP: columns.TIMESTAMP,
    columns.AWS_EVENT_TYPE: columns.EVENT_TYPE,
    columns.AWS_EVENT_VALUE: columns.EVENT_VALUE,
}
_NO_INTERACTIONS: Final = pl.DataFrame(
    schema={columns.USER_ID: pl.String, columns.ITEM_ID: pl.String, columns.TIMESTAMP: pl.Int64}
)


class TrainingInput:
    """Puts together what a version learns from."""

    def __init__(self, records: Records, warehouse: Warehouse) -> None:
        self._records = records
        self._warehouse = warehouse

    def data(self, version: Record, recipe_type: str) -> TrainingData:
        """Return the data as it is now, in the engine's columns.

        Without an interactions dataset there are no interactions; the engine says what that means.
        """
        config = version.attributes.get("solutionConfig", {})
        frames = {}
        group = version.attributes["datasetGroupArn"]
        for dataset in self._records.all(KINDS["Dataset"], datasetGroupArn=group):
            contents = self._warehouse.of(dataset)
            # Source: Personalize developer guide, "USER_SEGMENTATION recipes": incremental bulk
            # data does not count there.
            rows = contents.rows(only_full=recipe_type == "USER_SEGMENTATION")
            if rows is not None:
                kind = dataset.attributes["datasetType"]
                frames[kind] = _selected(rows, kind, config)
        interactions = frames.get("INTERACTIONS")
        event_type = version.attributes.get("eventType")
        if interactions is None:
            interactions = _NO_INTERACTIONS
        else:
            interactions = _filtered(interactions.rename(_OURS, strict=False), event_type, config)
        return TrainingData(
            interactions=interactions,
            items=_renamed(frames.get("ITEMS"), columns.AWS_ITEM_ID, columns.ITEM_ID),
            users=_renamed(frames.get("USERS"), columns.AWS_USER_ID, columns.USER_ID),
            event_type=event_type,
        )


def _renamed(frame: pl.DataFrame | None, old: str, new: str) -> pl.DataFrame | None:
    return None if frame is None else frame.rename({old: new})


def _selected(rows: pl.DataFrame, dataset_type: str, config: Mapping[str, Any]) -> pl.DataFrame:
    """Return the columns that `trainingDataConfig` leaves, and always those training needs."""
    chosen = config.get("trainingDataConfig", {})
    included = _listed(chosen.get("includedDatasetColumns"), dataset_type)
    excluded = _listed(chosen.get("excludedDatasetColumns"), dataset_type) or set()
    return rows.select(
        name
        for name in rows.columns
        if name in _OURS or ((included is None or name in included) and name not in excluded)
    )


def _listed(by_type: Mapping[str, list[str]] | None, dataset_type: str) -> set[str] | None:
    for kind, names in (by_type or {}).items():
        if kind.upper() == dataset_type:
            return set(names)
    return None


def _filtered(
    interactions: pl.DataFrame, event_type: str | None, config: Mapping[str, Any]
) -> pl.DataFrame:
    """Return the interactions of the wanted event types, from their threshold on.

    Source: botocore, personalize 2018-05-22, `CreateSolutionRequest.eventType`, shapes
    `SolutionConfig` (eventValueThreshold) and `EventParameters`.
    """
    wanted = {
        each.get("eventType"): each.get("eventValueThreshold")
        for each in config.get("eventsConfig", {}).get("eventParametersList", [])
    }
    threshold = config.get("eventValueThreshold")
    if event_type is not None:
        wanted = {event_type: threshold}
    keep = pl.lit(value=not wanted)
    for name, least in wanted.items():
        keep |= _event(interactions, name, least)
    if not wanted and threshold is not None:
        keep = _event(interactions, None, threshold)
    return interactions.filter(keep)


def _event(interactions: pl.DataFrame, name: str | None, least: Any) -> pl.Expr:
    keep = pl.lit(value=True)
    if name is not None:
        has_types = columns.EVENT_TYPE in interactions.columns
        keep &= pl.col(columns.EVENT_TYPE) == name if has_types else pl.lit(value=False)
    if least is not None:
        has_values = columns.EVENT_VALUE in interactions.columns
        keep &= pl.col(columns.EVENT_VALUE) >= float(least) if has_values else pl.lit(value=False)
    return keep
