from __future__ import annotations

import pytest
from prefect.client.orchestration import get_client

from blocks.destination import Destination
from deployments.doctor import destinations
from deployments.doctor.outcome import examined

pytestmark = pytest.mark.server


@pytest.fixture
def saved(prefect_server: str):
    """Two destinations: one whose domain there is, one whose there is not."""
    for domain in ("films", "none"):
        settings = {"kind": "customer_profiles", "domain": domain}
        Destination(settings=settings).save(f"doctors-{domain}", overwrite=True)
    yield
    for domain in ("films", "none"):
        Destination.delete(f"doctors-{domain}")


def test_each_saved_destination_is_asked_whether_it_works(saved, aws):
    aws.clients("customer-profiles").create_domain(DomainName="films", DefaultExpirationDays=30)
    with get_client(sync_client=True) as api:
        names = [it for it in destinations.saved(api) if it.startswith("doctors-")]
    good, bad = (examined(*each) for each in destinations.checks(names, aws.clients))

    assert names == ["doctors-films", "doctors-none"]
    assert (good.name, good.status) == ("destination doctors-films", "ok")
    assert good.text == "customer_profiles answers"
    assert bad.status == "bad"
    assert "none" in bad.text
    assert bad.advice == ("correct the Destination block doctors-none under Blocks in Prefect's UI")


def test_a_destination_whose_settings_are_wrong_is_told(prefect_server, aws):
    Destination(settings={"kind": "nonsense"}).save("doctors-nonsense", overwrite=True)
    (check,) = destinations.checks(["doctors-nonsense"], aws.clients)
    seen = examined(*check)
    Destination.delete("doctors-nonsense")

    assert seen.status == "bad"
    assert seen.text.startswith("connector kind 'nonsense' is unknown")
