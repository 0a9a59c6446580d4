"""A job's config.json: everything that is wrong with it, not only the first.

The keys of the AWS solution keep their names, places and defaults; `performDeltaCheck` counts at
both places (the solution's README has it at the top, its code reads it at the connector; here the
connector's wins).  All others are ours.

Source: AWS solution "Amazon Personalize Connectors", README and sample/config.json.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from personalization.aws import S3Path
from personalization.config.document import read, step
from personalization.errors import ConfigError, Finding
from personalization.shapes import brief
from personalization.sync.doubts import doubts
from personalization.sync.layout import JobType
from personalization.transforms.related_recommendations import MergePolicy

Scalar = StrictStr | StrictInt | StrictFloat | StrictBool
Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]


def _folder(value: str) -> str:
    try:
        path = S3Path.parse(value)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return str(path) if path.key.endswith("/") else f"{path}/"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class ConnectorSettings(_Section):
    """What one destination gets, and how."""

    item_metadata_fields: tuple[Text, ...] | None = Field(
        None, min_length=1, description="Fields of the metadata to send; all if left out."
    )
    attribute_prefix: StrictStr | None = Field(
        None, description="Before every attribute's name; the destination's default if left out."
    )
    other_attributes: dict[str, Scalar | list[Scalar]] = Field(
        {}, description="Attributes that everybody gets with the same value."
    )
    perform_delta_check: StrictBool | None = Field(
        None, description="Send only users whose recommendations changed; the job's if left out."
    )
    kind: Text | None = Field(
        None, description="Kind of connector, if the key is not its name: two of one kind."
    )
    settings: dict[str, Any] = Field(
        {},
        description="The connector's own settings, except secrets. Beside a saved block, or beside "
        "`stored`, only such as say neither where to nor with which key.",
    )
    style: Literal["parallel", "objects"] = Field(
        "parallel", description="One array a field, or one array of objects."
    )
    list_name: Text = Field(
        "recommendations", description="Name of the array of objects; nothing is put before it."
    )
    max_items: int | None = Field(
        None, strict=True, ge=1, le=500, description="Most items a user gets."
    )
    full_refresh: StrictBool = Field(
        False, description="Send everybody, whatever the destination holds."
    )
    clear_removed: StrictBool = Field(
        True, description="Clear the attributes of users who have no recommendations any more."
    )
    max_cleared_fraction: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Fraction of the users held; a run that would clear more is refused.",
    )


class Job(_Section):
    """The configuration of one job."""

    batch_inference_path: Annotated[StrictStr, AfterValidator(_folder)] = Field(
        description="S3 URI of a run's folder, or of a solution's: then its newest complete run."
    )
    save_batch_inference_errors: StrictBool = Field(
        False, description="Write lines that gave no recommendations to errors/."
    )
    connectors: dict[str, ConnectorSettings] = Field(
        min_length=1, description="By name; the name is the connector's kind unless it says."
    )
    perform_delta_check: StrictBool = Field(False, description="For connectors that do not say.")
    item_id_column: Text = Field("id", description="The metadata's column of item ids.")
    merge_policy: MergePolicy = Field(
        "latest", description="One list of several items' lists, for related_items."
    )

    def kind(self, connector: str) -> str:
        """Return what kind of connector it is."""
        return self.connectors[connector].kind or connector

    def sends_changes_only(self, connector: str) -> bool:
        """Whether unchanged users are left out."""
        settings = self.connectors[connector]
        asked = settings.perform_delta_check
        return (self.perform_delta_check if asked is None else asked) and not settings.full_refresh


@dataclass(frozen=True)
class CheckedJob:
    """A configuration and what was found in it, in the order of its lines.

    job         None exactly when a finding is an error
    place       the output's folder, if that much can be read
    connectors  those that can be read, whatever is wrong elsewhere
    """

    job: Job | None
    findings: tuple[Finding, ...]
    place: str | None = None
    connectors: Mapping[str, ConnectorSettings] = field(default_factory=dict)


def check(
    text: str | bytes,
    source: str,
    *,
    job_type: JobType | None = None,
    kinds: Collection[str] | None = None,
) -> CheckedJob:
    """Return the configuration in `text`, and everything that is wrong or doubtful in it.

    source    what to call it in messages: a path or an S3 URI
    job_type  to tell which keys mean nothing to the job
    kinds     of connectors that there are; any kind passes if None

    Never raises for anything that `text` may hold, and calls nothing.
    """
    document = read(text)
    if not document.lines:
        return CheckedJob(None, tuple(replace(it, source=source) for it in document.findings))
    job, findings = _built(document.value)
    if isinstance(document.value, dict):
        findings += doubts(document.value, job_type)
    if job and kinds is not None:
        findings += _unknown_kinds(job, kinds)
    placed = [
        replace(it, source=source, line=it.line or document.line(it.where))
        for it in (*document.findings, *findings)
    ]
    placed.sort(key=lambda finding: finding.line or 0)
    failed = any(finding.severity == "error" for finding in placed)
    place, connectors = _readable(document.value)
    return CheckedJob(None if failed else job, tuple(placed), place, connectors)


def load(
    text: str | bytes,
    source: str,
    *,
    job_type: JobType | None = None,
    kinds: Collection[str] | None = None,
) -> Job:
    """Return the configuration in `text`.  Raises ConfigError that carries every finding."""
    checked = check(text, source, job_type=job_type, kinds=kinds)
    if checked.job is None:
        count = sum(finding.severity == "error" for finding in checked.findings)
        raise ConfigError(
            f"{source} cannot be used: {count} error{'s' if count > 1 else ''}", checked.findings
        )
    return checked.job


def _built(value: Any) -> tuple[Job | None, list[Finding]]:
    if not isinstance(value, dict):
        return None, [Finding("", f"is {brief(value)}", "a job's config.json is a JSON object")]
    try:
        return Job.model_validate(value), []
    except ValidationError as error:
        found = {finding.where: finding for finding in map(_finding, error.errors())}
        return None, list(found.values())


def _readable(value: Any) -> tuple[str | None, dict[str, ConnectorSettings]]:
    """Return what can be read of a configuration that cannot be used as a whole."""
    whole = value if isinstance(value, dict) else {}
    place, given = whole.get("batchInferencePath"), whole.get("connectors")
    found = {}
    for name, settings in given.items() if isinstance(given, dict) else ():
        with suppress(ValidationError):  # said already, of the whole
            found[name] = ConnectorSettings.model_validate(settings)
    with suppress(ValueError):
        return _folder(place) if isinstance(place, str) else None, found
    return None, found


def _finding(fault: ErrorDetails) -> Finding:
    path, loc = "", list(fault["loc"])
    if "otherAttributes" in loc:  # beneath it a value fits none of the types, or it fits
        del loc[loc.index("otherAttributes") + 2 :]
        for part in loc:
            path = step(path, part)
        if len(loc) > 3:
            said = "a string, a number, true or false, or a list of such"
            return Finding(path, f"is {brief(fault['input'])}", f"write {said}")
    else:
        for part in loc:
            path = step(path, part)
    match fault["type"]:
        case "extra_forbidden":
            return Finding(path, "is not a known key", _known(loc))
        case "missing":
            return Finding(path, "is missing", f"{loc[-1]} is required")
        case "too_short":
            return Finding(path, "is empty", "name at least one, or leave the key out")
        case "value_error":
            return Finding(path, fault["msg"].removeprefix("Value error, "))
        case _:
            return Finding(path, f"is {brief(fault['input'])}", fault["msg"])


def _known(loc: list[int | str]) -> str:
    model: type[_Section] = ConnectorSettings if loc[0] == "connectors" else Job
    other: type[_Section] = Job if model is ConnectorSettings else ConnectorSettings
    keys = [str(field.alias) for field in model.model_fields.values()]
    if close := difflib.get_close_matches(str(loc[-1]), keys, n=1):
        return f"did you mean {close[0]}?"
    if any(field.alias == loc[-1] for field in other.model_fields.values()):
        home = "at the top" if other is Job else "at connectors.<name>"
        return f"it belongs {home}"
    return f"known keys: {', '.join(keys)}"


def _unknown_kinds(job: Job, kinds: Collection[str]) -> list[Finding]:
    return [
        Finding(
            step(step("connectors", name), "kind") if settings.kind else step("connectors", name),
            f"connector kind {job.kind(name)!r} is unknown",
            f"there are: {', '.join(sorted(kinds))}",
        )
        for name, settings in job.connectors.items()
        if job.kind(name) not in kinds
    ]
