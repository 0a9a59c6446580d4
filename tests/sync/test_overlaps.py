"""No two connectors overwrite each other, and no two jobs one whole object."""

from __future__ import annotations

from typing import Any

import pytest

from personalization.connectors import Connector, Rendering, TakesAttributes, build
from personalization.errors import ConfigError
from personalization.sync.layout import JobPath
from personalization.sync.overlaps import claim, overlapping
from tests.delivery.conftest import no_clients
from tests.sync.test_work import JOB, s3

__all__ = ["s3"]

BRAZE = {"kind": "braze", "endpoint": "https://rest.test", "api_key": "k"}
OTHER = JobPath.parse("s3://bbb/etl_jobs/related_items/shop/")
AUDIENCES = JobPath.parse("s3://bbb/etl_jobs/user_segmentation/shop/")
PLACE = "object type 'Recs' of Customer Profiles domain 'films'"


def used(settings: dict[str, Any], **how: Any) -> tuple[Any, Rendering]:
    connector: Connector[Any] = build(settings, no_clients)
    assert isinstance(connector, TakesAttributes)
    return connector, Rendering("external_id", **how)


def found(*connectors: tuple[Any, Rendering], path: JobPath = JOB) -> list[str]:
    named = {f"c{number}": it for number, it in enumerate(connectors)}
    return [str(it) for it in overlapping(path, named)]


def test_the_same_attributes_at_the_same_destination_are_found_however_it_is_used():
    said = found(used(BRAZE, prefix="r_"), used({**BRAZE, "in_flight": 3}, prefix="r_"))

    assert said == [
        f"{JOB.config}: connectors.c1: sets the same attributes at the same destination as 'c0', "
        "so each would overwrite the other; give it another attributePrefix (with objects: another "
        "listName), or take one out"
    ]


@pytest.mark.parametrize(
    "second",
    [
        used(BRAZE, prefix="x_"),
        used(BRAZE, prefix="r_", style="objects"),
        used({**BRAZE, "endpoint": "https://eu.test"}, prefix="r_"),
        used({**BRAZE, "api_key": "another account's"}, prefix="r_"),
        used({"kind": "webhook", "url": "https://rest.test", "secret": "s" * 16}, prefix="r_"),
    ],
    ids=["prefix", "style", "endpoint", "account", "kind"],
)
def test_what_differs_does_not_overlap(second):
    assert found(used(BRAZE, prefix="r_"), second) == []


def test_audiences_have_the_same_names_whatever_the_prefix():
    assert len(found(used(BRAZE, prefix="a"), used(BRAZE, prefix="b"), path=AUDIENCES)) == 1


def test_runs_that_stand_side_by_side_do_not_overlap(tmp_path):
    files = {"kind": "files", "location": str(tmp_path)}

    assert found(used(files), used({**files, "format": "csv"})) == []


def test_a_place_is_claimed_once_and_kept(s3):
    claim(s3, JOB, "customer_profiles", PLACE)
    claim(s3, JOB, "customer_profiles", PLACE)
    claim(s3, OTHER, "customer_profiles", "another place")

    for job, connector in ((OTHER, "customer_profiles"), (JOB, "second")):
        with pytest.raises(ConfigError) as refused:
            claim(s3, job, connector, PLACE)
        assert str(refused.value).startswith(
            "object type 'Recs' of Customer Profiles domain 'films' holds one object a user, and "
            "connector 'customer_profiles' of s3://bbb/etl_jobs/user_personalization/shop/ writes "
            "it, so each job would overwrite the other; make another for this one, or remove "
            "s3://bbb/etl_jobs/claims/"
        )


def test_what_is_no_claim_is_named(s3):
    claim(s3, JOB, "customer_profiles", PLACE)
    [file] = s3.list_objects_v2(Bucket="bbb", Prefix="etl_jobs/claims/")["Contents"]
    s3.put_object(Bucket="bbb", Key=file["Key"], Body=b"{}")

    with pytest.raises(ConfigError, match=r"claims/\w+\.json is no claim of ours; remove it"):
        claim(s3, JOB, "customer_profiles", PLACE)
