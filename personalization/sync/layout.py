"""Where the parts of a connector job lie: the layout of the Amazon Personalize Connectors.

etl_jobs/<job_type>/<job_name>/
    config.json
    input/user_item_mapping/*.csv                                    related_items
    input/item_metadata/*.json                                       if there are metadata
    output/<connector>/year=YYYY/month=MM/day=DD/time=HHMMSS/        what a run had to send
    output/<connector>/state/                                        what the destination holds
    errors/year=YYYY/month=MM/day=DD/time=HHMMSS/                    lines that gave nothing

Source: AWS solution "Amazon Personalize Connectors", README (S3 layout); the job types
personalized_ranking and user_segmentation are ours.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from personalization.aws import S3Path
from personalization.errors import ConfigError

JobType = Literal[
    "related_items", "user_personalization", "personalized_ranking", "user_segmentation"
]
JOB_TYPES: Final[tuple[JobType, ...]] = get_args(JobType)

_KEY: Final = re.compile(
    # A config.json that lies in the type's folder is no job of that name.
    r"(?:.+/)?etl_jobs/(?P<type>[^/]+)/(?P<name>(?!config\.json(?:/|$))[^/]+)/?(?:config\.json)?"
)


@dataclass(frozen=True)
class JobPath:
    """The folder of one job."""

    folder: S3Path
    type: JobType
    name: str

    @classmethod
    def parse(cls, uri: str) -> JobPath:
        """Return the job that `s3://bucket/etl_jobs/<job_type>/<job_name>/` names.

        The last slash may be missing, and the URI may name the job's config.json.  Raises
        ConfigError that shows what a path must look like.
        """
        path = S3Path.parse(uri)
        found = _KEY.fullmatch(path.key)
        if not found:
            raise ConfigError(
                f"{uri} is not the folder of a job; write s3://bucket/etl_jobs/<job_type>/<name>/"
            )
        kind = next((it for it in JOB_TYPES if it == found["type"]), None)
        if kind is None:
            known = ", ".join(JOB_TYPES)
            raise ConfigError(f"{uri}: job type {found['type']!r} is unknown; there are: {known}")
        key = path.key.removesuffix("config.json").rstrip("/")
        return cls(S3Path(path.bucket, f"{key}/"), kind, found["name"])

    @property
    def config(self) -> S3Path:
        """The job's configuration."""
        return self.folder / "config.json"

    @property
    def mapping(self) -> S3Path:
        """Folder of CSVs: which user belongs to which item."""
        return self.folder / "input/user_item_mapping/"

    @property
    def metadata(self) -> S3Path:
        """Folder of JSON Lines: what is known of the items."""
        return self.folder / "input/item_metadata/"

    def output(self, connector: str, stamp: dt.datetime) -> S3Path:
        """Return the folder of what one run sends to a connector."""
        return self.folder / f"output/{connector}/{_partition(stamp)}"

    def state(self, connector: str) -> S3Path:
        """Return the folder of what a connector's destination holds."""
        return self.folder / f"output/{connector}/state/"

    def errors(self, stamp: dt.datetime) -> S3Path:
        """Return the folder of what one run could not use."""
        return self.folder / f"errors/{_partition(stamp)}"


def _partition(stamp: dt.datetime) -> str:
    if stamp.tzinfo is None:
        raise ConfigError(
            f"the stamp {stamp} has no time zone; pass one, as in datetime.now(timezone.utc)"
        )
    return f"{stamp.astimezone(dt.UTC):year=%Y/month=%m/day=%d/time=%H%M%S}/"
