from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from deployments.doctor.outcome import Outcome, Seen, bad, examined, good
from personalization.errors import RetryableError


def refusing(code: str, said: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": said}}, "GetRole")


def raising(error: Exception) -> Seen:
    raise error


@pytest.mark.parametrize("seen", [good("all is well"), bad("it is not", "mend it")])
def test_what_a_check_says_gets_its_name(seen: Seen):
    assert examined("role", lambda: seen) == Outcome(seen.status, seen.text, seen.advice, "role")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(
            refusing("AccessDenied"), "not checked: no permission for GetRole", id="no-permission"
        ),
        pytest.param(
            refusing("ServiceFailure", "later"),
            "not checked: role failed with ServiceFailure: later",
            id="aws-says-no",
        ),
        pytest.param(
            EndpointConnectionError(endpoint_url="http://aws.test"),
            'not checked: role failed: Could not connect to the endpoint URL: "http://aws.test"',
            id="out-of-reach",
        ),
        pytest.param(RetryableError("busy"), "not checked: busy", id="ours"),
        pytest.param(KeyError("Role"), "not checked: KeyError: 'Role'", id="a-surprise"),
    ],
)
def test_a_check_that_fails_itself_has_found_out_nothing(error: Exception, text: str):
    assert examined("role", lambda: raising(error)) == Outcome("unknown", text, "", "role")
