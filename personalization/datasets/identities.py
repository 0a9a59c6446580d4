"""The ids that items.csv and users.csv know, as hashes: millions fit into memory.

Hashes are polars' own, which hold within one process; two of ten million ids fall together with a
probability of about 3 in a million, and nothing but counts in warnings depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from personalization.columns import AWS_CREATION_TIMESTAMP
from personalization.datasets.faults import EXAMPLES
from personalization.datasets.values import LINE, number
from personalization.errors import Finding

HASH = "hash"
CREATED = "created"


@dataclass
class Known:
    """Ids of one dataset, with the second of creation where there is one.

    column  the name of the id column
    """

    dataset: str
    column: str
    _parts: list[pl.DataFrame] = field(default_factory=list)
    _sources: list[str] = field(default_factory=list)

    def add(self, rows: pl.DataFrame, source: str) -> None:
        """Take in records of a file."""
        if not self._sources or self._sources[-1] != source:
            self._sources.append(source)
        seconds = number(AWS_CREATION_TIMESTAMP)
        created = pl.col(seconds) if seconds in rows.columns else pl.lit(None, pl.Int64)
        self._parts.append(
            rows.select(
                pl.col(self.column).hash().alias(HASH),
                created.cast(pl.Int64).alias(CREATED),
                pl.col(LINE),
                pl.lit(len(self._sources) - 1, pl.UInt32).alias("source"),
            )
        )

    def ids(self) -> pl.DataFrame:
        """Return hash u64 and created i64 (Unix seconds, or null) of each id, ascending by hash."""
        if not self._parts:
            return pl.DataFrame(schema={HASH: pl.UInt64, CREATED: pl.Int64})
        all_ids = pl.concat([part.select(HASH, CREATED) for part in self._parts])
        return all_ids.unique(HASH, keep="first").sort(HASH)

    def repeated(self) -> Iterator[Finding]:
        """Say which records have the id of an earlier one, if any."""
        if not self._parts:
            return
        every = pl.concat(self._parts)
        again = every.filter(~pl.col(HASH).is_first_distinct())
        if again.is_empty():
            return
        first = self._sources[again["source"][0]]
        shown = [
            str(line) if self._sources[source] == first else f"{self._sources[source]}:{line}"
            for line, source in again.select(LINE, "source").head(EXAMPLES).iter_rows()
        ]
        more = ", …" if again.height > EXAMPLES else ""
        yield Finding(
            f"{self.dataset}.{self.column}",
            f"{again.height:,} of {every.height:,} rows have the id of an earlier one "
            f"(lines {', '.join(shown)}{more})",
            "one record an id is kept; leave out the others, so that it is the right one",
            "warning",
            first,
            again[LINE][0],
        )
