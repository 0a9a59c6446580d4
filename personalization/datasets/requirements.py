"""What Personalize needs before it takes data or learns from them.

Source: Personalize developer guide, "Service quotas" and "Preparing and importing bulk data".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from personalization.columns import AWS_EVENT_TYPE
from personalization.datasets.interactions import InteractionCounts
from personalization.datasets.locate import DATASETS, DataFiles
from personalization.errors import Finding
from personalization.schemas import Schema, rules

MIN_INTERACTIONS: Final = 1_000
MIN_USERS_WITH_TWO: Final = 25
MIN_SHARE_WITH_TWO: Final = 0.01
_GB: Final = 1024**3
MAX_BYTES: Final = {"FULL": 100 * _GB, "INCREMENTAL": 1 * _GB}
# Beyond these the older recipes leave some out; the -v2 recipes take more.
MAX_ITEMS: Final = 750_000
MAX_INTERACTIONS: Final = 500_000_000
MAX_TYPES_AND_METADATA: Final = 10


@dataclass(frozen=True)
class Wanted:
    """What the data have to be good for.

    domain       ECOMMERCE or VIDEO_ON_DEMAND, of a domain dataset group
    event_types  the `eventType` that a solution trains on, by the solution's name
    import_mode  an INCREMENTAL import may be small and must not be large
    """

    domain: str | None = None
    event_types: Mapping[str, str] = field(default_factory=dict)
    import_mode: Literal["FULL", "INCREMENTAL"] = "FULL"


def in_place(
    files: Mapping[str, DataFiles], declared: Collection[str], wanted: Wanted
) -> Iterator[Finding]:
    """Yield what can be said before any file is opened.

    declared  the datasets that the parameter file has a schema for
    """
    if declared and not any(dataset in files for dataset in declared):
        there = [name for name in DATASETS if name in declared]
        allowed = " or ".join(f"{name}.csv or {name}/*.csv" for name in there)
        yield Finding("data", "there are none", f"put {allowed} beside the parameter file")
    for dataset in DATASETS:
        if dataset in declared and files and dataset not in files:
            allowed = f"nothing is imported for it; {dataset}.csv or {dataset}/*.csv would be"
            yield Finding(dataset, "there are no data", allowed, "warning")
        if dataset in files and dataset not in declared:
            problem, source = "there are data, but no schema", files[dataset].location
            allowed = "nothing is imported of it; add it to `datasets` in the parameter file"
            yield Finding(dataset, problem, allowed, "warning", source)
    for dataset, found in files.items():
        yield from _sizes(dataset, found, wanted)


def _sizes(dataset: str, found: DataFiles, wanted: Wanted) -> Iterator[Finding]:
    limit = MAX_BYTES[wanted.import_mode]
    if found.size > limit:
        yield Finding(
            dataset,
            f"has {found.size / _GB:.1f} GB",
            f"an import job of mode {wanted.import_mode} takes at most {limit // _GB} GB",
            source=found.location,
        )
    if found.others:
        shown = ", ".join(repr(name) for name in found.others[:5])
        more = ", …" if len(found.others) > 5 else ""
        yield Finding(
            dataset,
            f"there are files besides the CSVs: {shown}{more}",
            "an import reads every file of a folder as CSV; move them elsewhere",
            "warning",
            found.location,
        )


def enough(
    rows: Mapping[str, int],
    counts: InteractionCounts | None,
    schemas: Mapping[str, Schema],
    wanted: Wanted,
) -> Iterator[Finding]:
    """Yield what is too few or too many.

    rows  usable rows of each dataset that was read
    """
    if rows.get("items", 0) > MAX_ITEMS:
        problem = f"has {rows['items']:,} rows"
        allowed = f"recipes other than -v2 consider at most {MAX_ITEMS:,} items"
        yield Finding("items", problem, allowed, "warning")
    if counts is None:
        return
    total = rows.get("interactions", 0)
    if total < MIN_INTERACTIONS:
        allowed = f"an import needs at least {MIN_INTERACTIONS:,}"
        yield Finding("interactions", f"has {total:,} usable rows", allowed)
    if total > MAX_INTERACTIONS:
        allowed = f"recipes other than -v2 consider at most {MAX_INTERACTIONS:,}"
        yield Finding("interactions", f"has {total:,} rows", allowed, "warning")
    if counts.repeated:
        yield Finding(
            "interactions",
            f"{counts.repeated:,} of {total:,} rows repeat another: "
            "same user, item, second and type",
            "each counts as an event of its own; leave them out if they are copies",
            "warning",
        )
    if wanted.import_mode == "FULL":
        yield from _users(counts)
    yield from _event_types(counts, schemas, wanted)


def _users(counts: InteractionCounts) -> Iterator[Finding]:
    problem = f"{counts.users_with_two:,} of {counts.users:,} users have two interactions or more"
    if counts.users_with_two < MIN_USERS_WITH_TWO:
        allowed = f"Personalize trains with at least {MIN_USERS_WITH_TWO}"
        yield Finding("interactions", problem, allowed)
    elif counts.users_with_two < MIN_SHARE_WITH_TWO * counts.users:
        allowed = f"Personalize trains with at least {MIN_SHARE_WITH_TWO:.0%} of all users"
        yield Finding("interactions", problem, allowed)


def _event_types(
    counts: InteractionCounts, schemas: Mapping[str, Schema], wanted: Wanted
) -> Iterator[Finding]:
    where = f"interactions.{AWS_EVENT_TYPE}"
    known = counts.event_types
    columns = [column.name for column in schemas["interactions"].fields]
    for solution, kind in wanted.event_types.items():
        found = known.get(kind, 0)
        if AWS_EVENT_TYPE not in columns:
            problem = "is not in the schema"
            yield Finding(where, problem, f"solution {solution} trains on {kind!r}")
        elif known and found < MIN_INTERACTIONS:
            there = ", ".join(f"{name!r} ({count:,})" for name, count in [*known.items()][:10])
            yield Finding(
                where,
                f"is {kind!r} in {found:,} rows",
                f"solution {solution} trains on these and needs at least {MIN_INTERACTIONS:,}; "
                f"there are {there}",
            )
    reserved = rules("interactions", wanted.domain)
    own = [name for name in columns if name not in reserved]
    if known and len(known) + len(own) > MAX_TYPES_AND_METADATA:
        yield Finding(
            where,
            f"has {len(known):,} different values, beside {len(own)} columns of metadata",
            f"Personalize takes {MAX_TYPES_AND_METADATA} of both together",
            "warning",
        )
