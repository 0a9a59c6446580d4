"""Data against their schemas and the service's limits, before anything is paid for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from personalization.columns import AWS_ITEM_ID, AWS_USER_ID
from personalization.datasets.cleaning import REJECTS, CleanCopy
from personalization.datasets.faults import Faults
from personalization.datasets.identities import Known
from personalization.datasets.interactions import InteractionCounts, Interactions
from personalization.datasets.locate import DATASETS, DataFiles
from personalization.datasets.repeats import counting_repeats
from personalization.datasets.requirements import Wanted, enough, in_place
from personalization.datasets.scan import Scan
from personalization.errors import ConfigError, Finding
from personalization.schemas import Schema, parse
from personalization.schemas import findings as schema_findings

_IDS: Final = {"items": AWS_ITEM_ID, "users": AWS_USER_ID}


@dataclass(frozen=True)
class DatasetReport:
    """One dataset as it was found.

    rows      usable ones; faulty ones are `rejected` (they are in the import all the same, unless
              the cleaned copy is imported)
    columns   of the files, in their order; empty if no header could be read
    """

    dataset: str
    location: str
    files: int
    bytes: int
    rows: int
    rejected: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class DataReport:
    """What the check found.

    interactions  None where no interaction could be read
    cleaned       the cleaned copy of each dataset, if one was asked for
    rejects       the list of rows left out of it
    """

    findings: tuple[Finding, ...]
    datasets: Mapping[str, DatasetReport]
    interactions: InteractionCounts | None = None
    cleaned: Mapping[str, Path] = field(default_factory=dict)
    rejects: Path | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What has to be repaired before an import."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What may be meant so."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def raise_for_errors(self) -> None:
        """Raise ConfigError with all errors, if there are any."""
        if self.errors:
            count = len(self.errors)
            raise ConfigError(
                f"the data cannot be imported as they are: {count} error{'s' * (count > 1)}",
                self.errors,
            )


def check(
    files: Mapping[str, DataFiles],
    schemas: Mapping[str, Mapping[str, Any]],
    *,
    s3: Any = None,
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
    cleaned: Path | None = None,
    now: dt.datetime | None = None,
) -> DataReport:
    """Read all files once and return everything that is wrong or doubtful about them.

    files    as `locate` returns them
    schemas  Avro schema of each dataset that there should be; data of a faulty one are not read
    wanted   what the data have to be good for
    cleaned  a folder for a copy without the faulty rows, `<dataset>.csv`, and for rejects.csv,
             which lists these with their reasons.  Faults of rows are then warnings.
    now      for tests; must know its time zone

    Nothing is changed except in `cleaned`.  Memory: some 250 MB, and some 100 bytes for each user
    and item; disk, while it runs: 8 bytes for each interaction.

    Raises ConfigError for a local file that vanished; what S3 says is raised as FatalError or
    RetryableError.
    """
    now_s = int((now or dt.datetime.now(dt.UTC)).timestamp())
    faults = Faults(forgiving=cleaned is not None)
    parsed = _sound(schemas, wanted, faults)
    for finding in in_place(files, schemas, wanted):
        faults.add(finding)
    scans: dict[str, Scan] = {}
    known = {dataset: Known(dataset, column) for dataset, column in _IDS.items()}
    counts: InteractionCounts | None = None
    with ExitStack() as stack:
        copy = stack.enter_context(CleanCopy(cleaned)) if cleaned else None
        for dataset in reversed(DATASETS):  # interactions last: they are compared with the others
            if dataset not in files or dataset not in parsed:
                continue
            scan = Scan(files[dataset], parsed[dataset], faults, now_s, copy, s3)
            if dataset in known:
                _take_in(scan, known[dataset])
            else:
                # An incremental import brings neither all items nor all users to compare with.
                whole = wanted.import_mode == "FULL"
                ids = {name: known[name].ids() for name in scans if whole and scans[name].rows}
                counts = _counted(scan, ids)
            scans[dataset] = scan
    usable = {dataset: scan.rows for dataset, scan in scans.items()}
    for finding in enough(usable, counts, parsed, wanted):
        faults.add(finding)
    order = {"error": 0, "warning": 1}
    return DataReport(
        findings=tuple(sorted(faults.findings(), key=lambda found: order[found.severity])),
        datasets={name: _report(scans[name]) for name in DATASETS if name in scans},
        interactions=counts,
        cleaned=dict(copy.paths) if copy else {},
        rejects=cleaned / REJECTS if cleaned else None,
    )


def _sound(
    schemas: Mapping[str, Mapping[str, Any]], wanted: Wanted, faults: Faults
) -> dict[str, Schema]:
    """Return the schemas that Personalize would accept; by the others no data can be judged."""
    sound = {}
    for dataset, schema in schemas.items():
        found = schema_findings(schema, dataset, wanted.domain, f"schema of {dataset}")
        errors = [finding for finding in found if finding.severity == "error"]
        for error in errors:
            faults.add(error)
        if not errors:
            sound[dataset] = parse(schema)
    return sound


def _take_in(scan: Scan, known: Known) -> None:
    for source, rows in scan.good_rows():
        known.add(rows, source)
    for finding in known.repeated():
        scan.faults.add(finding)


def _counted(scan: Scan, ids: Mapping[str, pl.DataFrame]) -> InteractionCounts | None:
    with counting_repeats() as repeats:
        whole = Interactions(ids.get("items"), ids.get("users"), scan.faults, repeats)
        for source, rows in scan.good_rows():
            whole.add(rows, source)
        return whole.counts() if scan.names else None


def _report(scan: Scan) -> DatasetReport:
    return DatasetReport(
        dataset=scan.files.dataset,
        location=scan.files.location,
        files=len(scan.files.files),
        bytes=scan.files.size,
        rows=scan.rows,
        rejected=scan.rejected,
        columns=scan.names,
    )
