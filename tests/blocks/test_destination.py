from __future__ import annotations

import pytest
from prefect.testing.standard_test_suites import BlockStandardTestSuite

from blocks.destination import Destination
from personalization.connectors import CustomerProfiles
from personalization.errors import ConfigError, FatalError

DOMAIN = {"kind": "customer_profiles", "domain": "films"}


class TestDestinationIsABlock(BlockStandardTestSuite):
    # A logo and a documentation page would have to lie on some host; there is none.
    test_has_a_documentation_url = None
    test_has_a_valid_image = None

    @pytest.fixture
    def block(self):
        return Destination


def test_a_destination_builds_its_connector(aws):
    connector = Destination(settings=DOMAIN).connector(aws.clients)

    assert isinstance(connector, CustomerProfiles)
    assert connector.config.domain == "films"


def test_secrets_are_settings_that_nobody_sees(aws):
    destination = Destination(settings={"kind": "customer_profiles"}, secrets={"domain": "films"})

    assert "films" not in repr(destination)
    assert destination.connector(aws.clients).config.domain == "films"


def test_a_wrong_setting_is_named_and_not_shown(aws):
    destination = Destination(settings=DOMAIN, secrets={"domian": "s3cret"})

    with pytest.raises(ConfigError, match="domian: Extra inputs are not permitted") as error:
        destination.connector(aws.clients)
    assert "s3cret" not in str(error.value)


def test_a_check_proves_the_destination(aws):
    aws.clients("customer-profiles").create_domain(DomainName="films", DefaultExpirationDays=90)

    Destination(settings=DOMAIN).check(aws.clients)
    with pytest.raises(FatalError, match="ResourceNotFoundException"):
        Destination(settings={**DOMAIN, "domain": "none"}).check(aws.clients)


def test_all_settings_are_there_for_who_builds_with_them():
    destination = Destination(settings=DOMAIN, secrets={"token": "s3cret"})

    assert destination.whole == {**DOMAIN, "token": "s3cret"}
