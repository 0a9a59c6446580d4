"""Connectors and jobs that would overwrite one another are refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from personalization.errors import ConfigError
from tests.e2e.test_connector_sync import Shop, shop, sync

__all__ = ["shop"]

pytestmark = [pytest.mark.server, pytest.mark.e2e]


@pytest.fixture
def profiles(shop: Shop) -> Any:
    """A domain with an object type, and a block that names both."""
    from blocks.destination import Destination

    client = shop.aws.clients("customer-profiles")
    client.create_domain(DomainName="films", DefaultExpirationDays=90)
    client.put_profile_object_type(
        DomainName="films",
        ObjectTypeName="Recs",
        Description="what is recommended",
        AllowProfileCreation=True,
        Fields={"user": {"Source": "_source.user_id", "Target": "_profile.AccountNumber"}},
        Keys={"user": [{"StandardIdentifiers": ["PROFILE", "UNIQUE"], "FieldNames": ["user"]}]},
    )
    place = {"kind": "customer_profiles", "domain": "films", "object_type": "Recs"}
    Destination(settings=place).save("customer-profiles", overwrite=True)
    return client


def test_audiences_are_refused_where_they_would_replace_recommendations(shop, profiles):
    shop.put("batch/seg_2026_01_01_00_00_00/job.json.out", "{}")
    shop.put("batch/seg_2026_01_01_00_00_00/_CHECK", "")

    with pytest.raises(ConfigError) as caught:
        sync(shop.job("user_segmentation", connectors={"customer_profiles": {}}))

    [finding] = caught.value.findings
    assert finding.where == "connectors.customer_profiles"
    assert "let the flow postprocess import the audiences" in finding.problem


def test_a_second_job_into_the_same_objects_is_refused_and_the_first_goes_on(shop, profiles):
    first = shop.for_users(3, connectors={"customer_profiles": {}})
    second = shop.job("user_personalization", "other", connectors={"customer_profiles": {}})
    sync(first)

    shown = sync(second, dry_run=True)
    with pytest.raises(ConfigError, match=f"connector 'customer_profiles' of {first} writes it"):
        sync(second)

    assert shown.receipts == []
    assert sync(first).total("skipped_unchanged") == 3


def test_two_connectors_with_the_same_attributes_at_one_destination_are_refused(shop):
    both = {"braze": {}, "few": {"kind": "braze", "maxItems": 1}}
    job = shop.for_users(3, connectors=both)

    with pytest.raises(ConfigError) as caught:
        sync(job, destinations={"few": "braze"})

    [finding] = caught.value.findings
    assert finding.where == "connectors.few"
    assert finding.problem.startswith("sets the same attributes at the same destination as 'braze'")
    apart = {"braze": {}, "few": {"kind": "braze", "maxItems": 1, "attributePrefix": "few_"}}
    report = sync(shop.for_users(3, connectors=apart), destinations={"few": "braze"})
    assert report.total("accepted") == 6
