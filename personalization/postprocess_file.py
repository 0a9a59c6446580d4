"""postprocess.json: how audiences are made of whatever a solution's, or a group's, jobs write.

batch/<group>/<solution>/postprocess.json, else batch/<group>/postprocess.json; one for each folder
around the output, the nearest wins as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from personalization.aws import S3Path
from personalization.config.document import Document, read, step
from personalization.errors import ConfigError, Finding
from personalization.parameters import PostprocessSettings
from personalization.shapes import brief, meant

NAME: Final = "postprocess.json"
# It starts nothing by itself: what is made again is made of an output that is put again.
WAY_OUT: Final = "correct it, upload it, then put the .out file again or retry the failed run"


def places(output: S3Path) -> Iterator[S3Path]:
    """Yield where settings for the output in a folder may lie, the nearest first."""
    folder = output.parent
    while folder.key.count("/") > 1 and folder.key.startswith("batch/"):
        yield folder / NAME
        folder = folder.parent


def load(text: str | bytes, source: str) -> PostprocessSettings:
    """Return the settings.  Raises ConfigError with everything that is wrong with them."""
    document = read(text)
    findings = document.findings
    if document.lines and not isinstance(document.value, dict):
        findings += (Finding("", f"is {brief(document.value)}", "write a JSON object"),)
    elif document.lines:
        try:
            made = PostprocessSettings.model_validate(document.value)
            if not any(it.severity == "error" for it in findings):
                return made
        except ValidationError as error:
            findings += tuple(map(_finding, error.errors()))
    raise ConfigError(
        f"{source} cannot be used; {WAY_OUT}", [_placed(it, source, document) for it in findings]
    )


def _placed(finding: Finding, source: str, document: Document) -> Finding:
    line = finding.line or (document.line(finding.where) if document.lines else None)
    return Finding(finding.where, finding.problem, finding.allowed, finding.severity, source, line)


def _finding(fault: ErrorDetails) -> Finding:
    path, loc = "", fault["loc"]
    for part in loc:
        path = step(path, part)
    match fault["type"]:
        case "extra_forbidden":
            return Finding(path, "is not a known key", _known(loc))
        case "value_error":
            return Finding(path, str(fault["ctx"]["error"]))
        case _:
            return Finding(path, f"is {brief(fault['input'])}", fault["msg"])


def _known(loc: tuple[int | str, ...]) -> str:
    model: Any = PostprocessSettings
    for part in loc[:-1]:
        model = model.model_fields[str(part)].annotation
    return meant(loc[-1], model.model_fields)
