"""What AWS says about parameters that break its model."""

from __future__ import annotations

from typing import Any

from personalization.shapes import Violation


def message(found: list[Violation]) -> str:
    """Return AWS's sentence about parameters that break the model.

    Source: answers of AWS's JSON services, recorded in public bug reports: `1 validation error
    detected: Value 'x' at 'name' failed to satisfy constraint: Member must have length …`.
    """
    said = "; ".join(
        f"Value {_quoted(each.value)} at '{each.path}' failed to satisfy constraint: "
        f"Member must {_constraint(each)}"
        for each in found
    )
    return f"{len(found)} validation error{'s' * (len(found) > 1)} detected: {said}"


def _constraint(violation: Violation) -> str:
    sized = isinstance(violation.value, (str, list, dict, bytes))
    match violation.constraint:
        case "required":
            return "not be null"
        case "min":
            how = "length" if sized else "value"
            return f"have {how} greater than or equal to {violation.allowed}"
        case "max":
            how = "length" if sized else "value"
            return f"have {how} less than or equal to {violation.allowed}"
        case "pattern":
            return f"satisfy regular expression pattern: {violation.allowed}"
        case "enum":
            return f"satisfy enum value set: [{', '.join(violation.allowed)}]"
        case _:
            return f"be {violation.allowed}"


def _quoted(value: Any) -> str:
    if value is None:
        return "null"
    text = str(value)
    return f"'{text if len(text) <= 256 else text[:255] + '…'}'"
