"""Segment definitions, and who is in a segment when one asks.

Attribute conditions over profiles and other segments are evaluated.  SQL queries, calculated
attributes and values in handlebars are not: they are refused, rather than answered wrongly.
Source: botocore, customer-profiles 2020-08-15, shapes `SegmentGroup`, `Group`, `Dimension`; the
words ALL, ANY and NONE apply to groups (`Include`), to a group's dimensions (`Type`) and to its
source segments (`SourceType`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from personalization.local.profiles_store import Profile, get
from personalization.local.wire import ServiceError

_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "GREATER_THAN": lambda found, asked: found > asked,
    "LESS_THAN": lambda found, asked: found < asked,
    "GREATER_THAN_OR_EQUAL": lambda found, asked: found >= asked,
    "LESS_THAN_OR_EQUAL": lambda found, asked: found <= asked,
    "EQUAL": lambda found, asked: found == asked,
}
_TEXTUAL: Mapping[str, Callable[[str, str], bool]] = {
    "INCLUSIVE": lambda found, asked: found == asked,
    "CONTAINS": lambda found, asked: asked in found,
    "BEGINS_WITH": lambda found, asked: found.startswith(asked),
    "ENDS_WITH": lambda found, asked: found.endswith(asked),
}
_ANSWERED = frozenset({*_COMPARED, *_TEXTUAL, "EXCLUSIVE"})


class SegmentDefinitions:
    """The segment definitions of one domain, by name."""

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._definitions: dict[str, dict[str, Any]] = {}

    def create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a new definition.  Raises BadRequestException if the name is taken."""
        name = request["SegmentDefinitionName"]
        if name in self._definitions:
            raise ServiceError("BadRequestException", f"Segment definition {name} exists already")
        if ("SegmentGroups" in request) == ("SegmentSqlQuery" in request):
            said = "A segment definition has either SegmentGroups or SegmentSqlQuery"
            raise ServiceError("BadRequestException", said)
        if "SegmentSqlQuery" in request:
            raise unanswered("SegmentSqlQuery")
        self.check(request["SegmentGroups"])
        kept = {key: value for key, value in request.items() if key != "DomainName"}
        self._definitions[name] = {
            **kept,
            "SegmentDefinitionArn": f"{self._arn}/segment-definitions/{name}",
            "CreatedAt": dt.datetime.now(dt.UTC),
            "SegmentType": "CLASSIC",
        }
        return self._definitions[name]

    def get(self, name: str) -> dict[str, Any]:
        """Return the definition.  Raises ResourceNotFoundException."""
        if name not in self._definitions:
            said = f"Segment definition {name} was not found"
            raise ServiceError("ResourceNotFoundException", said)
        return self._definitions[name]

    def every(self) -> list[dict[str, Any]]:
        """Return every definition, as lists show them."""
        hidden = ("SegmentGroups", "SegmentSort")
        return [
            {key: value for key, value in each.items() if key not in hidden}
            for each in list(self._definitions.values())
        ]

    def delete(self, name: str) -> None:
        """Forget the definition.  Raises ResourceNotFoundException."""
        self.get(name)
        del self._definitions[name]

    def holds(self, name: str, profile: Profile) -> bool:
        """Return whether the profile is in the segment now."""
        return self.selects(self.get(name)["SegmentGroups"], profile)

    def selects(self, groups: Mapping[str, Any], profile: Profile) -> bool:
        """Return whether the profile fits the conditions."""
        return _together(
            groups.get("Include", "ALL"),
            (self._fits(group, profile) for group in groups.get("Groups", ())),
        )

    def check(self, groups: Mapping[str, Any]) -> None:
        """Raise what a caller is told about conditions that cannot be evaluated here."""
        for group in groups.get("Groups", ()):
            for source in group.get("SourceSegments", ()):
                self.get(source["SegmentDefinitionName"])
            for dimension in group.get("Dimensions", ()):
                _check_dimension(dimension)

    def _fits(self, group: Mapping[str, Any], profile: Profile) -> bool:
        sources = [each["SegmentDefinitionName"] for each in group.get("SourceSegments", ())]
        if sources and not _together(
            group.get("SourceType", "ALL"), (self.holds(name, profile) for name in sources)
        ):
            return False
        dimensions = [_conditions(each) for each in group.get("Dimensions", ())]
        return not dimensions or _together(
            group.get("Type", "ALL"),
            (all(_is_met(*each, profile) for each in conditions) for conditions in dimensions),
        )


def _check_dimension(dimension: Mapping[str, Any]) -> None:
    if "CalculatedAttributes" in dimension:
        raise unanswered("CalculatedAttributes")
    for _, condition in _conditions(dimension):
        if condition["DimensionType"] not in _ANSWERED:
            raise unanswered(f"DimensionType {condition['DimensionType']}")
        if any("{{" in value for value in condition["Values"]):
            raise unanswered("a value in handlebars")


def _conditions(dimension: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return a dimension's conditions as (path in the profile, condition)."""
    found = []
    for name, condition in dimension.get("ProfileAttributes", {}).items():
        if "DimensionType" in condition:
            found.append((name, condition))
        else:  # custom attributes, or the parts of an address
            found += [(f"{name}.{inner}", each) for inner, each in condition.items()]
    return found


def _is_met(path: str, condition: Mapping[str, Any], profile: Profile) -> bool:
    kind, values = condition["DimensionType"], condition["Values"]
    found = get(profile, path)
    if kind == "EXCLUSIVE":
        return found not in values
    if not found:
        return False
    if kind in _TEXTUAL:
        return any(_TEXTUAL[kind](found, value) for value in values)
    try:
        return any(_COMPARED[kind](float(found), float(value)) for value in values)
    except ValueError:  # not a number, so it is neither more nor less
        return False


def _together(how: str, answers: Iterable[bool]) -> bool:
    if how == "ALL":
        return all(answers)
    return any(answers) if how == "ANY" else not any(answers)


def unanswered(what: str) -> ServiceError:
    """Return the refusal of conditions that would otherwise be answered wrongly."""
    said = f"the local AWS does not evaluate segments by {what}"
    return ServiceError("NotImplementedException", said, 501)
