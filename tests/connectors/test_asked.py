"""What a job's config.json may say of a destination: never where to, never with which key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from personalization.connectors import build_for_job, connector_class, kinds
from personalization.connectors.tuning import secret, tunable
from personalization.errors import ConfigError
from personalization.local.server import LocalAws
from tests.delivery.conftest import no_clients

ALIEN = "https://alien.test"
BRAZE = {"kind": "braze", "endpoint": "https://rest.test", "api_key": "k"}
STORED = {"stored": "ssm:/prod/personalize-connectors/braze/"}
KLAVIYO = {"kind": "klaviyo", "api_key": "k"}
HOOK = {"kind": "webhook", "url": "https://crm.test/x", "secret": "s" * 16}


def refused(kind: str, asked: Mapping[str, Any], saved: Mapping[str, Any] | None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_for_job(kind, asked, saved, no_clients)
    return [f"{it.where}: {it.problem}" for it in caught.value.findings]


@pytest.mark.parametrize(
    ("saved", "asked"),
    [
        (BRAZE, {"endpoint": ALIEN}),
        (BRAZE, {"rest_endpoint_url": ALIEN}),
        (KLAVIYO, {"endpoint": ALIEN}),
        ({"kind": "customerio", "site_id": "s", "api_key": "k"}, {"endpoint": ALIEN}),
        (HOOK, {"url": ALIEN}),
        (HOOK, {"query": "a=1"}),
        ({"kind": "braze", **STORED}, {"rest_endpoint_url": ALIEN}),
        (BRAZE, {"stored": "ssm:/mine/"}),
        (BRAZE, {"api_key": "mine"}),
        (BRAZE, {"kind": "webhook"}),
        ({"kind": "files", "location": "s3://ours/x/"}, {"location": "s3://alien/x/"}),
        ({"kind": "customer_profiles", "domain": "d"}, {"object_type": "Alien"}),
        (BRAZE, {"endpiont": ALIEN}),
    ],
    ids=[
        "endpoint", "by-its-old-name", "a-default", "another-default", "url", "query",
        "stored-block", "stored", "secret", "kind", "folder", "object-type", "unknown",
    ],
)  # fmt: skip
def test_beside_a_block_a_job_says_neither_where_to_nor_with_which_key(
    saved: dict[str, Any], asked: dict[str, Any]
):
    [name] = asked

    assert refused("crm", asked, saved) == [
        f"settings.{name}: is the saved block's, not the job's to say"
    ]


def test_every_setting_that_is_refused_is_named_with_those_that_are_not():
    with pytest.raises(ConfigError, match="the job's settings say what a job may not") as caught:
        build_for_job(
            "crm", {"endpoint": ALIEN, "in_flight": 2, "api_key": "k"}, KLAVIYO, no_clients
        )

    assert [it.where for it in caught.value.findings] == [
        "settings.endpoint",
        "settings.in_flight",
        "settings.api_key",
    ]
    assert {it.allowed for it in caught.value.findings} == {
        "a job may set: revision, jobs_per_second, look_every_s, give_up_after_s, timeout_s"
    }


def test_beside_a_block_a_job_may_say_how_and_the_block_has_the_last_word():
    asked = {"batch_size": 10, "in_flight": 2}
    found = build_for_job("crm", asked, {**BRAZE, "in_flight": 3}, no_clients)

    assert found.kind == "braze"
    assert (found.config.batch_size, found.config.in_flight) == (10, 3)


def test_a_block_without_a_kind_does_not_get_the_jobs():
    with pytest.raises(ConfigError, match="connector settings need a kind"):
        build_for_job("braze", {}, {"endpoint": "https://rest.test"}, no_clients)


@pytest.fixture
def kept(aws: LocalAws) -> LocalAws:
    """An AWS that keeps what the Amazon Personalize Connectors keep there."""
    values = {"rest-endpoint-url": "https://rest.iad-01.braze.com", "api-key": "s3cret"}
    for name, value in values.items():
        place = f"/prod/personalize-connectors/braze/{name}"
        aws.clients("ssm").put_parameter(Name=place, Value=value, Type="String")
    return aws


def test_what_is_stored_is_used_as_a_whole(kept: LocalAws):
    found = build_for_job("braze", {**STORED, "batch_size": 50}, None, kept.clients)

    assert found.config.endpoint == "https://rest.iad-01.braze.com"
    assert found.config.api_key.get_secret_value() == "s3cret"
    assert found.config.batch_size == 50


def test_beside_stored_a_job_says_neither_where_to_nor_with_which_key():
    asked = {**STORED, "rest_endpoint_url": ALIEN, "batch_size": 50}

    assert refused("braze", asked, None) == [
        "settings.rest_endpoint_url: is to be kept beside the key, in `stored`, not the job's to "
        "say"
    ]


def test_a_key_of_a_kind_with_a_default_endpoint_goes_there_only(aws: LocalAws):
    text = json.dumps({"api_key": "s3cret"})
    aws.clients("secretsmanager").create_secret(Name="klaviyo", SecretString=text)
    found = build_for_job("klaviyo", {"stored": "secret:klaviyo"}, None, aws.clients)

    assert found.config.endpoint == "https://a.klaviyo.com"


def test_a_job_by_itself_says_everything_but_secrets(aws: LocalAws):
    place = {"location": "s3://ours/drop/", "format": "csv"}
    found = build_for_job("files", place, None, aws.clients)

    assert found.config.location == "s3://ours/drop/"
    assert refused("braze", {"endpoint": ALIEN, "api_key": "k"}, None) == [
        "settings.api_key: is a secret, which a config.json cannot keep"
    ]


def test_only_a_block_names_a_folder_of_the_worker(tmp_path: Path):
    place = {"location": str(tmp_path)}

    with pytest.raises(ConfigError, match="location: Value error, a folder on disk is only for a"):
        build_for_job("files", place, None, no_clients)
    saved = build_for_job("drop", {}, {"kind": "files", **place}, no_clients)
    assert saved.config.location == str(tmp_path)


def test_only_a_block_names_a_class_by_its_place():
    with pytest.raises(ConfigError, match=r"kind 'this:X' names a class by its place, which only"):
        build_for_job("this:X", {}, None, no_clients)
    with pytest.raises(ConfigError, match="connector 'no_such_module:X' cannot be loaded"):
        build_for_job("x", {}, {"kind": "no_such_module:X"}, no_clients)


@pytest.mark.parametrize("kind", kinds())
def test_no_setting_that_says_where_to_or_with_which_key_is_a_jobs(kind: str):
    config = connector_class(kind).config_class
    never = {"kind", "stored", "endpoint", "url", "query", "location", "domain", "object_type"}
    never |= {"application_id", "role_arn", "profile_field", "user_key", *secret(config)}

    assert never.isdisjoint(tunable(config))


def test_secrets_are_known_by_their_type():
    config = connector_class("webhook").config_class

    assert secret(config) == ("query", "secret")
