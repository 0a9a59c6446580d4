"""The webhook template for Prefect Cloud, rendered as Prefect renders it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalization.s3_events import read
from tests.s3_messages import bridged

TEMPLATE = Path(__file__).parents[2] / "deployments" / "aws" / "webhook.jinja"
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


def rendered(body: str) -> object:
    """The event that Prefect Cloud would make of the body."""
    from prefect.server.events.schemas.events import Event
    from prefect.server.utilities.user_templates import render_user_template_sync

    text = render_user_template_sync(TEMPLATE.read_text(), {"body": json.loads(body)})
    return Event.model_validate(json.loads(text))


def relayed(body: str) -> object:
    """The event that the relay posts for the body, with the id that EventBridge gave it.

    A template cannot compute the relay's id, a UUID of a SHA-1.  EventBridge's is as good: it is
    the same for each attempt to deliver one event.
    """
    from prefect.server.events.schemas.events import Event

    (written,) = read(body)
    return Event.model_validate({**written.event(), "id": json.loads(body)["id"]})


@pytest.mark.parametrize(
    "key",
    [
        "train/films/config.json",
        "train/films/config.json.errors.json",
        ".errors.json",
        "batch/films/bw/job_config.json.out",
        "a \"quoted\" 'name'.json",
        "é/ü ñ/日本語 🎬.csv",
        "100%/50%25 a+b.out",
        "<a>&amp;{{ body.id }}{% raw %}.json",
        "back\\slash\nnew line\ttab.json",
        "at-the-top.csv",
        "no/suffix",
        "dot.in/the-folder",
        "dot/at-the-end.",
        "folder/",
        "/leading/slash",
        "//",
    ],
)
def test_the_template_says_what_the_relay_says(key):
    body = bridged(key, **{"version-id": "3sL4kqtJlcpXroDTDmJ"})

    assert rendered(body) == relayed(body)


@given(key=KEYS)
def test_whatever_the_key_is(key):
    assert rendered(bridged(key)) == relayed(bridged(key))


@pytest.mark.parametrize("version", [None, "null", ""], ids=["null", "named-null", "empty"])
def test_a_missing_version_is_null_and_not_left_out(version):
    body = bridged("a.json", **{"version-id": version})

    assert rendered(body) == relayed(body)
    assert rendered(body).payload["version_id"] is None


def test_the_template_obeys_the_limits_of_prefects_sandbox():
    from prefect.server.utilities.user_templates import validate_user_template

    validate_user_template(TEMPLATE.read_text())
