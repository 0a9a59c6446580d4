"""The rows of an uploaded file, taken into the profiles.

Matching is by the field that the column `UniqueKey` is mapped to: a profile that has the row's
value there is updated, otherwise one is created.  Columns without a mapping are passed over.
Source: Connect administrator guide, "Create segments from imported files" (header, UTF-8, no BOM).
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from personalization.local.profiles_store import Profiles, as_fields, path_of
from personalization.local.wire import ServiceError

_BATCH = 1000  # rows under one hold of the lock

Values = dict[str, str]  # by path in the profile


class InvalidFile(ValueError):
    """The file as a whole is not what the job was told it is."""


@dataclass(frozen=True)
class Counts:
    """What became of rows."""

    updated: int = 0
    created: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.updated + other.updated,
            self.created + other.created,
            self.failed + other.failed,
        )

    def summary(self) -> dict[str, int]:
        """Return them as a `ResultsSummary`."""
        return {
            "UpdatedRecords": self.updated,
            "CreatedRecords": self.created,
            "FailedRecords": self.failed,
        }


UPDATED, CREATED, FAILED = Counts(updated=1), Counts(created=1), Counts(failed=1)


class Rows:
    """How one job's columns become one domain's profiles."""

    def __init__(
        self,
        fields: Mapping[str, Mapping[str, Any]],
        unique: str,
        profiles: Profiles,
        lock: threading.RLock,
    ) -> None:
        self._paths = {name: path_of(mapping["Target"]) for name, mapping in fields.items()}
        self._unique = self._paths[unique]
        self._profiles = profiles
        self._lock = lock

    def take_in(self, lines: Iterable[str]) -> Iterator[Counts]:
        """Take in the rows of a CSV, yielding counts after each batch.  Raises InvalidFile."""
        with self._lock:
            known = self._profiles.by_field(self._unique)
        for batch in self._batches(lines):
            counts = Counts()
            with self._lock:
                for values in batch:
                    counts += self._row(values, known)
            yield counts

    def _row(self, values: Values | None, known: dict[str, str]) -> Counts:
        if values is None or not values[self._unique]:
            return FAILED
        try:
            fields = as_fields(values)
        except ServiceError:
            return FAILED
        profile_id = known.get(values[self._unique])
        if profile_id is not None and self._profiles.find(profile_id):
            self._profiles.update(profile_id, fields)
            return UPDATED
        known[values[self._unique]] = self._profiles.create(fields)
        return CREATED

    def _batches(self, lines: Iterable[str]) -> Iterator[list[Values | None]]:
        """Yield rows as values; None for a row that does not fit the header."""
        rows = csv.reader(lines, strict=True)
        try:
            header = next(rows, [])
            if missing := [name for name in self._paths if name not in header]:
                raise InvalidFile(f"the header misses {', '.join(missing)}")
            places = {path: header.index(name) for name, path in self._paths.items()}
            batch: list[Values | None] = []
            for row in rows:
                if not row:
                    continue
                fits = len(row) == len(header)
                batch.append({path: row[at] for path, at in places.items()} if fits else None)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
            yield batch
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidFile(str(error)) from error
