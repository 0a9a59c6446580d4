"""What is wrong with an upload, told where its owner looks first: in a file beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from personalization.aws import S3Path, aws_errors
from personalization.config.document import read
from personalization.errors import ConfigError, Finding, shortened
from personalization.objects import head, remove
from personalization.s3_events import REPORT

# What a Prefect event or an e-mail holds; the report beside the upload holds them all.
MOST_FINDINGS: Final = 100
# Twice what a name may have, so that one that is too long is seen to be.
_MOST_NAME: Final = 126


@dataclass(frozen=True)
class Refusal:
    """An upload that cannot be used as it is.

    etag, version_id  of what was read; empty where S3 does not say
    run               name of the flow run that refused it
    """

    upload: S3Path
    message: str
    findings: tuple[Finding, ...]
    at: dt.datetime
    etag: str = ""
    version_id: str = ""
    run: str = ""

    @classmethod
    def of(
        cls, upload: S3Path, error: ConfigError, at: dt.datetime, head: Mapping[str, Any], run: str
    ) -> Refusal:
        """Return why the upload was refused.

        head  S3's answer to reading the object, or to asking about it
        """
        return cls(
            upload,
            error.headline,
            error.findings,
            at,
            str(head.get("ETag", "")).strip('"'),
            str(head.get("VersionId", "")),
            run,
        )

    def document(self) -> dict[str, Any]:
        """Return it as the report beside the upload holds it; errors first."""
        ordered = sorted(self.findings, key=lambda it: it.severity != "error")
        return {
            "file": str(self.upload),
            "version_id": self.version_id or None,
            "etag": self.etag or None,
            "refused_at": self.at.isoformat(),
            "flow_run": self.run or None,
            "message": self.message,
            "findings": [
                {
                    "severity": it.severity,
                    "path": it.where,
                    "said": it.problem,
                    "allowed": it.allowed or None,
                    "source": it.source or None,
                    "line": it.line,
                }
                for it in ordered
            ],
        }

    def event(self, what: str) -> dict[str, Any]:
        """Return what Prefect's `emit_event` takes: `personalize.<what>.rejected`.

        Its resource is the object, by the name under which its upload was told of.
        """
        document = self.document()
        most = document["findings"][:MOST_FINDINGS]
        return {
            "occurred": self.at,
            "event": f"personalize.{what}.rejected",
            "resource": {
                "prefect.resource.id": f"aws.s3.object.{self.upload.bucket}/{self.upload.key}",
                "prefect.resource.name": self.upload.key,
            },
            "related": [
                {
                    "prefect.resource.id": f"aws.s3.bucket.{self.upload.bucket}",
                    "prefect.resource.role": "bucket",
                }
            ],
            "payload": {**document, "findings": most, "errors": len(self.findings)},
        }


def group_named_in(text: str | bytes) -> str:
    """Return the dataset group that a parameter file names, as far as it can be read, else ""."""
    document: Any = read(text).value
    for key in ("datasetGroup", "serviceConfig", "name"):
        document = document.get(key) if isinstance(document, dict) else None
    return shortened(document, _MOST_NAME) if isinstance(document, str) else ""


def report_path(upload: S3Path) -> S3Path:
    """Return where the report on an upload lies; no upload of that suffix starts anything."""
    return S3Path(upload.bucket, upload.key + REPORT)


def write_report(s3: Any, refusal: Refusal) -> S3Path:
    """Write the report beside the upload, over an earlier one, and return where."""
    path = report_path(refusal.upload)
    with aws_errors(f"writing {path}"):
        s3.put_object(
            Bucket=path.bucket,
            Key=path.key,
            Body=orjson.dumps(refusal.document(), option=orjson.OPT_INDENT_2),
            ContentType="application/json",
        )
    return path


def clear_report(s3: Any, upload: S3Path, *, before: dt.datetime | None = None) -> bool:
    """Remove the report on an upload that is sound now; return whether there was one.

    before  leave a report that was written then or later: another run has found something
    """
    path = report_path(upload)
    # In a versioned bucket every removal, even of nothing, leaves a marker.
    there = head(s3, path)
    # S3 tells time in whole seconds.
    if there is None or (before and there["LastModified"] >= before.replace(microsecond=0)):
        return False
    remove(s3, path)
    return True
