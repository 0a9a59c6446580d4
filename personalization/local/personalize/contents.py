"""What is in the datasets: frames, filled by import jobs and read by trainings."""

from __future__ import annotations

import threading
from typing import Final
from weakref import WeakKeyDictionary

import polars as pl

from personalization import columns
from personalization.local.personalize.records import Record

# Rows with the same id replace each other; interactions have none and are all kept.
KEYS: Final = {
    "ITEMS": columns.AWS_ITEM_ID,
    "USERS": columns.AWS_USER_ID,
    "ACTIONS": "ACTION_ID",
}


class Contents:
    """The rows of one dataset, under the schema's names.  Safe to use from several threads.

    What came by FULL imports is kept apart: user segments learn from that alone.
    Source: Personalize developer guide, "Importing bulk data" (import modes) and the pages of the
    USER_SEGMENTATION recipes.
    """

    def __init__(self, dataset_type: str) -> None:
        self._key = KEYS.get(dataset_type)
        self._lock = threading.Lock()
        self._full: pl.DataFrame | None = None
        self._added: pl.DataFrame | None = None

    def replace(self, frame: pl.DataFrame) -> None:
        """Take `frame` instead of all that bulk imports have brought."""
        frame = self._unique(frame)
        with self._lock:
            self._full, self._added = frame, None

    def add(self, frame: pl.DataFrame) -> None:
        """Add the rows of `frame`; those with a known id replace it."""
        with self._lock:
            both = frame if self._added is None else _joined(self._added, frame)
            self._added = self._unique(both)

    def rows(self, *, only_full: bool = False) -> pl.DataFrame | None:
        """Return all rows, or those of the last FULL import; None before the first import."""
        with self._lock:
            full, added = self._full, self._added
        if full is None or added is None or only_full:
            return full
        return self._unique(_joined(full, added))

    def _unique(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self._key is None:
            return frame
        return frame.unique(self._key, keep="last", maintain_order=True)


def _joined(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Return both, one after the other; a schema may have been replaced in between."""
    return pl.concat([first, second], how="diagonal_relaxed")


class Warehouse:
    """The contents of all datasets.  A dataset that is deleted takes its own with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contents: WeakKeyDictionary[Record, Contents] = WeakKeyDictionary()

    def of(self, dataset: Record) -> Contents:
        """Return the contents of a dataset, empty ones for a new dataset."""
        with self._lock:
            return self._contents.setdefault(dataset, Contents(dataset.attributes["datasetType"]))
