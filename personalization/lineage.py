"""Where an audience came from, kept in a file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from personalization.aws import S3Path, aws_errors
from personalization.errors import ConfigError, shortened
from personalization.objects import content

SUFFIX = ".lineage.json"


class Lineage(BaseModel):
    """Everything that made an audience what it is; stored as `<name>.lineage.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: str = Field(description="Stable name, the same at every run of the same query.")
    file: str = Field(description="S3 URI of the audience file.")
    query: Mapping[str, Any] = Field(description="The line of the job's input.")
    channel: str | None = Field(None, description="Channel, where there is one audience a channel.")
    output: str = Field(description="S3 URI of the job's .out file.")
    job: str = Field("", description="ARN of the batch segment job, empty if it is not known.")
    solution_version: str = Field("", description="ARN of the version that answered.")
    users: int = Field(description="Users that Personalize named.")
    members: int = Field(description="Rows of the audience file.")
    unmapped: int = Field(description="Users without an eligible endpoint.")
    no_ids: int = Field(0, description="Users that were listed without an id, and left out.")
    options: str = Field("", description="What sets its options apart from the default ones.")

    def labels(self) -> dict[str, str]:
        """Return it as text by name, without what is empty, as destinations keep it."""
        values = self.model_dump(exclude={"query"})
        flat = {name: str(value) for name, value in values.items() if value not in (None, "")}
        return {**flat, "query": orjson.dumps(dict(self.query)).decode()}


def lineage_path(audience: S3Path) -> S3Path:
    """Return where the lineage of an audience file is kept.

    The file's own key must not begin it: Pinpoint imports all that begins with the S3Url it gets.
    """
    return S3Path(audience.bucket, audience.key.removesuffix(".csv") + SUFFIX)


def write_lineage(s3: Any, lineage: Lineage) -> None:
    """Write the lineage beside its audience file.  Safe to repeat."""
    path = lineage_path(S3Path.parse(lineage.file))
    with aws_errors(f"writing {path}"):
        s3.put_object(
            Bucket=path.bucket,
            Key=path.key,
            Body=lineage.model_dump_json(indent=2).encode(),
            ContentType="application/json",
        )


def read_lineage(s3: Any, audience: S3Path) -> Lineage | None:
    """Return the lineage of an audience file, None if it has none (it was not made here).

    Raises ConfigError for a file of that name that is something else.
    """
    path = lineage_path(audience)
    written = content(s3, path)
    if written is None:
        return None
    try:
        return Lineage.model_validate_json(written.data)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        said = shortened(f"{place}: {wrong['msg']}" if place else wrong["msg"])
        raise ConfigError(
            f"{path} is no lineage that postprocess wrote ({said}); remove it, or run postprocess "
            "again to write it anew"
        ) from error
