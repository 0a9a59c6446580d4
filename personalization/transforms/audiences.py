"""From a batch segment job's output and an endpoint table to one CSV file an audience.

    target/ITEMSgenresAction_20220512-161047.csv            the audience: one column, `Id`
    target/unmapped/ITEMSgenresAction_20220512-161047.csv   its users without an eligible endpoint
    target/rejected/rejected.out, rejected.csv              lines that gave no audience, and why

A prefix that holds only the first kind can be given to an import job as it is.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from personalization.columns import PINPOINT_ENDPOINT_ID, USER_ID
from personalization.transforms.audience_members import (
    distinct,
    find_members,
    told_by_an_endpoint,
)
from personalization.transforms.audience_names import logical_name, stamped_name
from personalization.transforms.audience_options import AudienceOptions
from personalization.transforms.audience_report import AudienceFile, AudienceReport, Rejects
from personalization.transforms.batch_output import RejectedLine, SegmentLine, read_lines
from personalization.transforms.endpoint_buckets import split_endpoints
from personalization.transforms.endpoint_index import EndpointIndex
from personalization.transforms.endpoints import open_endpoints
from personalization.transforms.kept_index import kept_index

log = logging.getLogger(__name__)

# Lines are joined together up to here, so that many small ones share one pass over the endpoints
# and memory stays that of one large one.  Personalize's largest segment has 5,000,000 users.
# Source: Personalize developer guide, "Quotas" (batch segment jobs).
_BATCH_USERS: Final = 5_000_000


def write_audiences(
    out_files: Sequence[Path],
    target: Path,
    *,
    endpoints: Path | Sequence[Path] | None,
    options: AudienceOptions,
    stamp: dt.datetime,
    index: Path | None = None,
    origins: Mapping[Path, str] | None = None,
) -> AudienceReport:
    """Write one audience for each line of `out_files` (for each line and channel, if so asked).

    endpoints  a CSV file, several, or a folder of `*.csv` (see `open_endpoints`)
    index      folder where the endpoints are kept in a faster form from run to run; a run without
               it makes and drops its own
    origins    where the `out_files` came from, for rejected.csv; else it names their paths
    target     written as above; files of the same names are replaced, each when complete

    Users and endpoints appear once an audience; an audience nobody is in is a header alone.  Users
    keep their ranking, and so do endpoints if `top` is given (else it costs and no import needs
    it); endpoints of one user follow each other as in the table.  The same input gives the same
    bytes, with an index or without.  Lines that cannot be used are set aside: see
    `AudienceReport.refuse_above`.  A query asked twice gives one audience; its second line is
    set aside.  Raises ConfigError for an endpoint table that cannot answer the options.
    """
    stamped_name("", stamp)  # refuses a stamp it cannot use before there is any work
    target.mkdir(parents=True, exist_ok=True)
    written: list[AudienceFile] = []
    with (
        Rejects(target / "rejected", origins) as rejects,
        _index(endpoints, options, index, target) as found,
    ):
        channels = _channels(options, found)
        lines = _first_of_each_query(out_files, rejects.add)
        count = 0
        for batch in _batches(lines, options.top):
            count += len(batch)
            for draft in _drafts(batch, found, options, channels):
                written.append(_write(draft, target, stamp))
    log.info(
        "wrote %d audiences with %d members to %s; %d lines were rejected",
        len(written), sum(audience.members for audience in written), target, rejects.count,
    )  # fmt: skip
    return AudienceReport(
        audiences=tuple(written),
        lines=count + rejects.count,
        rejected=tuple(rejects.listed),
        rejected_lines=rejects.count,
        rejects=rejects.path if rejects.count else None,
    )


@dataclass(frozen=True)
class _Asked:
    """A line and its users as far as they are asked for: cut to `top`, each once."""

    line: SegmentLine
    users: pl.Series


@dataclass(frozen=True)
class _Draft:
    """An audience before it is written.  `unmapped` is None where every user counts."""

    line: SegmentLine
    channel: str | None
    members: pl.Series
    unmapped: pl.Series | None


@contextmanager
def _index(
    source: Path | Sequence[Path] | None,
    options: AudienceOptions,
    home: Path | None,
    target: Path,
) -> Iterator[EndpointIndex | None]:
    if source is None:
        options.refuse_without_endpoints()
        yield None
        return
    table = open_endpoints(source, options.needed_columns())
    if home is not None:
        folder, buckets = kept_index(table, home)
        yield EndpointIndex(folder, buckets, options.eligible(), is_sorted=True)
        return
    with tempfile.TemporaryDirectory(prefix=".endpoints-", dir=target) as scratch:
        folder, columns = Path(scratch), told_by_an_endpoint(options)
        buckets = split_endpoints(table, folder, eligible=options.eligible(), columns=columns)
        yield EndpointIndex(folder, buckets, pl.lit(True), is_sorted=False)


def _channels(options: AudienceOptions, index: EndpointIndex | None) -> tuple[str | None, ...]:
    """Return the channels that get an audience each; (None,) for one audience over all."""
    if not options.one_per_channel or index is None:
        return (None,)
    return options.channels or index.channels()


def _first_of_each_query(
    files: Iterable[Path], reject: Callable[[RejectedLine, bytes], None]
) -> Iterator[SegmentLine]:
    """Yield the lines whose query is new in this run."""
    seen: dict[str, str] = {}
    for file in files:
        for line in read_lines(file, reject):
            here = f"{line.file.name}:{line.number}"
            first = seen.setdefault(logical_name(line.query), here)
            if first is here:
                yield line
            else:
                rejected = RejectedLine(line.file, line.number, f"asks the same as {first}")
                reject(rejected, line.text())


def _batches(lines: Iterable[SegmentLine], top: int | None) -> Iterator[list[_Asked]]:
    batch: list[_Asked] = []
    users = 0
    for line in lines:
        wanted = distinct(line.users)
        asked = _Asked(line, wanted if top is None else wanted.head(top))
        if batch and users + len(asked.users) > _BATCH_USERS:
            yield batch
            batch, users = [], 0
        batch.append(asked)
        users += len(asked.users)
    if batch:
        yield batch


def _drafts(
    batch: Sequence[_Asked],
    index: EndpointIndex | None,
    options: AudienceOptions,
    channels: Sequence[str | None],
) -> Iterator[_Draft]:
    if index is None:
        for asked in batch:
            yield _Draft(asked.line, None, asked.users, None)
        return
    users = pl.concat([asked.users for asked in batch], rechunk=True)
    members = find_members(users, index, options, channels)
    start = 0
    for asked in batch:
        stop = start + len(asked.users)
        for channel in channels:
            chosen, reached = members(channel, start, stop)
            yield _Draft(asked.line, channel, chosen, asked.users.filter(~reached))
        start = stop


def _write(draft: _Draft, target: Path, stamp: dt.datetime) -> AudienceFile:
    logical = logical_name(draft.line.query, draft.channel)
    name = stamped_name(logical, stamp)
    path, lost = target / f"{name}.csv", target / "unmapped" / f"{name}.csv"
    _write_ids(path, PINPOINT_ENDPOINT_ID, draft.members)
    unmapped = 0 if draft.unmapped is None else len(draft.unmapped)
    if draft.unmapped is not None and unmapped:
        lost.parent.mkdir(exist_ok=True)
        _write_ids(lost, USER_ID, draft.unmapped)
    else:
        lost.unlink(missing_ok=True)  # left by an earlier run of the same name
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return AudienceFile(
        name=name,
        logical_name=logical,
        path=path,
        query=draft.line.query,
        channel=draft.channel,
        users=len(draft.line.users),
        members=len(draft.members),
        unmapped=unmapped,
        unmapped_path=lost if unmapped else None,
        sha256=sha256,
        source=draft.line.file,
        line=draft.line.number,
        no_ids=draft.line.no_ids,
    )


def _write_ids(path: Path, column: str, ids: pl.Series) -> None:
    """Write one column under its name, quoted where CSV needs it; whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    ids.alias(column).to_frame().write_csv(unfinished, line_terminator="\n")
    unfinished.replace(path)
