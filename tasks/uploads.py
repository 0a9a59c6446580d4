"""What is wrong with an upload, told to the person who uploaded it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from prefect import get_run_logger
from prefect.events import emit_event
from prefect.runtime import flow_run as running

from blocks.aws import clients
from personalization.aws import S3Path, aws_errors
from personalization.errors import ConfigError
from personalization.parameters import Upload
from personalization.telling import Refusal, clear_report, write_report
from tasks.artifacts import finding_rows, show_table
from tasks.telling import harmless

# What an upload is, as its event is called: `personalize.parameter-file.rejected`.
PARAMETER_FILE: Final = "parameter-file"
JOB_INPUT: Final = "job-input"
CONNECTOR_JOB: Final = "connector-job"
# Whatever else was uploaded, or what is wrong is not in the file but in what it asks for.
UPLOAD: Final = "upload"


@contextmanager
def checked(
    what: str, path: S3Path, credentials: str | None, head: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Tell a ConfigError that is raised here, and pass it on; remove the report of an earlier one.

    Told as a table, as an event and as a file `<key>.errors.json` beside the upload.
    head  S3's answer to reading the upload; else S3 is asked which version it is
    """
    try:
        yield
    except ConfigError as error:
        error.upload = str(path)
        with harmless(f"what is wrong with {path}"):
            _tell(what, path, error, credentials, head)
        raise
    with harmless(f"that {path} is sound"):
        if clear_report(clients(credentials)("s3"), path):
            show_table(_key(path), (), f"Nothing is wrong with {path} any more.")


@contextmanager
def work_on(upload: Upload, credentials: str | None) -> Iterator[None]:
    """Tell a ConfigError of a run that the upload has started, unless `checked` has told it.

    It is the last to be asked: whatever a person has to mend reaches the person who uploaded.
    """
    path, began = upload.path, dt.datetime.now(dt.UTC)
    try:
        yield
    except ConfigError as error:
        if not error.upload:
            error.upload = str(path)
            with harmless(f"what is wrong with {path}"):
                _tell(UPLOAD, path, error, credentials, None)
        raise
    with harmless(f"that {path} is sound"):
        # What the run has started may have found something meanwhile.
        if clear_report(clients(credentials)("s3"), path, before=began):
            show_table(_key(path), (), f"Nothing is wrong with {path} any more.")


def _tell(
    what: str,
    path: S3Path,
    error: ConfigError,
    credentials: str | None,
    head: Mapping[str, Any] | None,
) -> None:
    s3 = clients(credentials)("s3")
    if head is None:
        with aws_errors(f"looking for {path}"):
            head = s3.head_object(Bucket=path.bucket, Key=path.key)
    refusal = Refusal.of(path, error, dt.datetime.now(dt.UTC), head, running.name or "")
    rows = finding_rows(error.findings) or [{"severity": "error", "problem": refusal.message}]
    show_table(_key(path), rows, f"What is wrong with {path}.")
    emit_event(**refusal.event(what))
    place = write_report(s3, refusal)
    get_run_logger().info("what is wrong with %s is written to %s", path, place)


def _key(path: S3Path) -> tuple[str, str]:
    return "findings", path.parent.name
