"""Where a resource belongs: its dataset group and its solution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from personalization.resources.actual import look
from personalization.resources.kinds import DATASET_GROUP, SOLUTION, Kind


@dataclass(frozen=True)
class Place:
    """ARNs of the dataset group and the solution; empty where there is none, or none is known."""

    dataset_group: str = ""
    solution: str = ""


def place_of(kind: Kind, arn: str, members: Mapping[str, Any]) -> Place:
    """Return where a resource belongs, as far as its own members say.

    members  those of its description or of its Create… request; both call ARNs the same
    A batch job names its version only, whose ARN says the solution but not the dataset group.
    """
    known = {**members, kind.arn_member: arn}
    group, solution = str(known.get("datasetGroupArn", "")), str(known.get("solutionArn", ""))
    if not group and (dataset := str(known.get("datasetArn", ""))):
        # …:dataset/<group>/<TYPE>
        group = dataset.rpartition("/")[0].replace(":dataset/", f":{DATASET_GROUP.arn_path}/")
    if not solution and (version := str(known.get("solutionVersionArn", ""))):
        # …:solution/<name>/<id>
        solution = version.rpartition("/")[0]
    return Place(group, solution)


def whole_place(personalize: Any, place: Place) -> Place:
    """Return the place with the dataset group of its solution, which Personalize is asked for."""
    if place.dataset_group or not place.solution:
        return place
    solution = look(personalize, SOLUTION, place.solution)
    if solution is None:
        return place
    return replace(place, dataset_group=str(solution.description["datasetGroupArn"]))
