"""Where the data lie: beside the parameter file, as one CSV or as a folder of parts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from personalization.aws import S3Path
from personalization.errors import ConfigError, shortened
from personalization.objects import listing

DATASETS: Final = ("interactions", "items", "users")


@dataclass(frozen=True)
class DataFile:
    """One CSV.  `etag` is S3's, or size and time of change of a local file: equal means unchanged.

    path           S3Path or local Path
    size           bytes
    last_modified  UTC
    """

    path: S3Path | Path
    size: int
    etag: str
    last_modified: dt.datetime


@dataclass(frozen=True)
class DataFiles:
    """All files of one dataset.

    location  what CreateDatasetImportJob.dataSource.dataLocation gets: one file, or a folder with
              a closing "/"
    others    names in that folder that do not end in .csv; Personalize reads them all the same
    """

    dataset: str
    location: str
    files: tuple[DataFile, ...]
    others: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def locate(config: S3Path | Path, s3: Any = None) -> dict[str, DataFiles]:
    """Return what lies beside the parameter file, by dataset; what is missing is left out.

    For each dataset the folder `<dataset>/` with at least one *.csv directly in it wins over the
    file `<dataset>.csv`; what lies deeper is not looked at.  Files are in the order of their names.

    Source: AWS solution "Maintaining Personalized Experiences", where training data are found.
    Raises ConfigError if a local folder cannot be listed; what S3 says is raised as FatalError (no
    such bucket, no permission) or RetryableError.
    """
    found = {}
    beside = _listed(config.parent, s3)
    for dataset in DATASETS:
        if parts := _folder(config, dataset, s3):
            found[dataset] = parts
        elif whole := beside.get(f"{dataset}.csv"):
            found[dataset] = DataFiles(dataset, str(whole.path), (whole,))
    return found


def _folder(config: S3Path | Path, dataset: str, s3: Any) -> DataFiles | None:
    folder = config.parent / dataset
    if isinstance(folder, S3Path):
        folder = S3Path(folder.bucket, f"{folder.key}/")
    elif not folder.is_dir():
        return None
    inside = _listed(folder, s3)
    files = tuple(file for name, file in sorted(inside.items()) if name.endswith(".csv"))
    others = tuple(name for name in sorted(inside) if not name.endswith(".csv"))
    location = f"{str(folder).rstrip('/')}/"
    return DataFiles(dataset, location, files, others) if files else None


def _listed(folder: S3Path | Path, s3: Any) -> dict[str, DataFile]:
    """Files directly in the folder, by name."""
    if isinstance(folder, Path):
        return dict(_local(folder))
    if s3 is None:
        raise ConfigError(f"{folder} lies in S3, and no S3 client was given to look there")
    return dict(_in_s3(folder, s3))


def _local(folder: Path) -> Iterator[tuple[str, DataFile]]:
    try:
        entries = [entry for entry in folder.iterdir() if entry.is_file()]
        for entry in entries:
            stat = entry.stat()
            changed = dt.datetime.fromtimestamp(stat.st_mtime, dt.UTC)
            etag = f"{stat.st_size:x}-{stat.st_mtime_ns:x}"
            yield entry.name, DataFile(entry, stat.st_size, etag, changed)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be listed: {shortened(error.strerror)}") from error


def _in_s3(folder: S3Path, s3: Any) -> Iterator[tuple[str, DataFile]]:
    for it in listing(s3, folder, deep=False):
        name = it.path.key.removeprefix(folder.key)
        if name:  # the folder's own marker, as the S3 console makes it, has none
            # Digests of data that were imported are over ETags without their quotes.
            yield name, DataFile(it.path, it.size, it.etag.strip('"'), it.modified)
