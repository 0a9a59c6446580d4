"""What a check proves: a wrong key, a missing host or bucket; and what it leaves open."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalization.connectors import build, unproven
from personalization.connectors.http import Door
from personalization.errors import FatalError, RetryableError
from personalization.local.far_ends import braze as far
from personalization.local.far_ends.server import FarEnds
from personalization.local.server import LocalAws
from personalization.local.wire import ServiceError
from tests.connectors.attribute_worlds import of_aws
from tests.delivery.conftest import no_clients


def braze(ends: FarEnds):
    given = {"kind": "braze", "endpoint": f"{ends.url}/braze", "api_key": "local"}
    return build(given, no_clients)


def test_a_key_that_works_is_proven():
    with FarEnds() as ends:
        assert unproven(braze(ends)) == ""


def test_a_key_that_may_only_not_read_is_left_open():
    keys = {"local": frozenset({"users.track"})}
    with FarEnds(ends=[far.Braze(keys=keys)]) as ends:
        said = unproven(braze(ends))

    assert "refused the key with 403: This API key lacks the permission custom_attr" in said


def test_a_key_that_nobody_knows_is_proven_wrong():
    with (
        FarEnds(ends=[far.Braze(keys={"other": frozenset()})]) as ends,
        pytest.raises(FatalError, match="refused the key with 401"),
    ):
        unproven(braze(ends))


def test_a_host_that_is_not_there_is_proven_wrong():
    door = Door("https://nobody.invalid", {}, timeout_s=5, at_once=1)

    with pytest.raises(FatalError, match=r"there is no host nobody\.invalid: .*; check the endp"):
        door.look("/")


def test_a_host_that_does_not_answer_may_pass():
    door = Door("http://127.0.0.1:1", {}, timeout_s=5, at_once=1)

    with pytest.raises(RetryableError, match=r"127\.0\.0\.1:1 is out of reach"):
        door.look("/")


def test_a_bucket_is_proven_missing_and_a_folder_too(aws: LocalAws, tmp_path: Path):
    bucket = build({"kind": "files", "location": "s3://nowhere/x/"}, aws.clients)
    folder = build({"kind": "files", "location": str(tmp_path / "no")}, no_clients)

    with pytest.raises(FatalError, match="bucket nowhere does not exist; create it first"):
        unproven(bucket)
    with pytest.raises(FatalError, match="is not a folder; create it first"):
        unproven(folder)


@pytest.fixture
def profiles(clients, services):
    clients("customer-profiles").create_domain(DomainName="proof", DefaultExpirationDays=90)
    yield services["customer-profiles"]
    clients("customer-profiles").delete_domain(DomainName="proof")


def test_a_role_that_may_not_read_is_left_open_and_credentials_that_are_none_are_not(
    clients, profiles, monkeypatch
):
    connector = build({"kind": "customer_profiles", "domain": "proof"}, clients)
    with of_aws(profiles)("denied", "ListUploadJobs"):
        said = unproven(connector)

    assert "checking Customer Profiles domain 'proof' failed with AccessDeniedException" in said
    with pytest.raises(FatalError, match="ResourceNotFoundException"):
        unproven(build({"kind": "customer_profiles", "domain": "none"}, clients))

    def failing(_context):
        raise ServiceError("ExpiredTokenException", "The security token is expired", 403)

    monkeypatch.setitem(profiles.handlers, "GetDomain", failing)
    with pytest.raises(FatalError, match="ExpiredTokenException"):
        unproven(connector)
