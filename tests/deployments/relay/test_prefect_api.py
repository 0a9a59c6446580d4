"""What the relay makes of the server's answers."""

from __future__ import annotations

import base64
import time

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    temporary_settings,
)

from deployments.relay.prefect_api import Refused, prefect_api
from personalization.errors import ConfigError, RetryableError
from personalization.s3_events import read
from tests.deployments.relay.far_prefect import Answer
from tests.s3_messages import bridged

EVENTS = [it.event() for it in read(bridged("train/films/config.json"))]
# The way out of an address that is not the API's.
ADDRESS = "; set PREFECT_API_URL to the address of the API: it ends in /api, or names a workspace"


def offer(far, settings=None):
    known = {PREFECT_API_URL: far.url, **(settings or {})}
    with temporary_settings(known), prefect_api(timeout_s=0.5) as api:
        api.check()
        api.post(EVENTS)


def test_events_are_handed_over_as_a_list(prefect):
    offer(prefect)

    assert prefect.taken == EVENTS


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(Answer(503, "we are\n back soon"), r"answered 503: we are back soon$",
                     id="unavailable"),
        pytest.param(Answer(502), r"answered 502$", id="bad-gateway"),
        pytest.param(Answer(429), r"answered 429$", id="throttled"),
        pytest.param(Answer(401, "who?"), r"answered 401: who\?; set PREFECT_API_KEY \(Prefect "
                     r"Cloud\) or PREFECT_API_AUTH_STRING to a good one$", id="no-credentials"),
        pytest.param(Answer(403), r"answered 403; set PREFECT_API_KEY", id="no-permission"),
        pytest.param(Answer(404, "Not Found"), r"answered 404: Not Found" + ADDRESS,
                     id="no-such-path"),
        pytest.param(Answer(200, "<html>"), r"answered 200: <html>" + ADDRESS, id="a-page"),
        pytest.param(Answer(reset=True), r"is out of reach: \S", id="hung-up"),
        pytest.param(Answer(200, "{", cut=True), r"is out of reach: \S", id="half-an-answer"),
        pytest.param(Answer(late_s=1), r"is out of reach: timed out$", id="too-late"),
    ],
)  # fmt: skip
def test_trouble_that_may_pass_says_so(prefect, answer, said):
    prefect.policy = lambda _: answer

    with pytest.raises(RetryableError, match=r"^Prefect at http://127\.0\.0\.1:\d+/api\S* " + said):
        offer(prefect)

    assert prefect.taken == []


@pytest.mark.parametrize(("status", "for_good"), [(413, True), (422, True),
                                                  (500, False)])  # fmt: skip
def test_refused_events_are_told_from_a_server_that_is_away(prefect, status, for_good):
    prefect.policy = lambda _: Answer(status, "no")

    with pytest.raises(Refused, match=rf"refused 1 event\(s\) with {status}: no$") as refusal:
        offer(prefect)

    assert refusal.value.for_good is for_good


def test_how_long_to_wait_is_the_servers_to_say_and_ours_to_do(prefect):
    # Prefect's own client would sleep that long, deaf to signals.
    headers = {"Retry-After": "600", "Prefect-Maintenance": "true"}
    prefect.policy = lambda _: Answer(503, headers=headers)
    began = time.monotonic()

    with pytest.raises(RetryableError) as trouble:
        offer(prefect)

    assert trouble.value.retry_after_s == 600
    assert time.monotonic() - began < 5


def test_a_server_that_is_not_there_is_named(prefect):
    prefect.down()

    with pytest.raises(
        RetryableError, match=r"^Prefect at http://127\S+ is out of reach: .*refused"
    ):
        offer(prefect)


def test_a_server_that_is_unwell_is_asked_for_nothing_else(prefect):
    prefect.health = 503

    with pytest.raises(RetryableError, match=r"/health answered 503: true$"):
        offer(prefect)

    assert prefect.offered == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({PREFECT_API_KEY: "pnu_key"}, "Bearer pnu_key", id="prefect-cloud"),
        pytest.param({PREFECT_API_AUTH_STRING: "admin:pass"},
                     "Basic " + base64.b64encode(b"admin:pass").decode(), id="own-server"),
    ],
)  # fmt: skip
def test_credentials_are_those_of_prefects_settings(prefect, settings, expected):
    offer(prefect, settings)

    assert prefect.headers[-1]["authorization"] == expected


def test_without_a_server_there_is_no_relay():
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigError, match="no Prefect server to tell; set PREFECT_API_URL"),
        prefect_api(0.5),
    ):
        pass
