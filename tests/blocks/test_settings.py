from __future__ import annotations

import pytest

from blocks import settings
from blocks.aws import clients
from personalization.errors import ConfigError


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Settings are read once a process; a test is a process of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERSONALIZE_ROLE_ARN", raising=False)
    settings.settings.cache_clear()
    yield
    settings.settings.cache_clear()


def test_a_flow_parameter_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("PERSONALIZE_ROLE_ARN", "arn:environment")

    assert settings.role_for("arn:parameter") == "arn:parameter"
    assert settings.role_for(None) == "arn:environment"


def test_settings_may_stand_in_a_file(tmp_path):
    (tmp_path / ".env").write_text("PERSONALIZE_ROLE_ARN=arn:file\nOTHER=1\n")

    assert settings.role_for(None) == "arn:file"


def test_without_a_role_the_way_out_is_said():
    with pytest.raises(ConfigError, match="no IAM role for Personalize; pass role_arn, or set"):
        settings.role_for(None)


def test_clients_follow_the_environment_and_are_kept_while_it_stays(aws, monkeypatch):
    first = clients()("s3")

    assert clients()("s3") is first
    assert first.meta.endpoint_url == aws.endpoint_url
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert clients()("s3").meta.endpoint_url == "http://127.0.0.1:1"


@pytest.mark.server
def test_clients_come_from_a_saved_block_too(aws, prefect_server, monkeypatch):
    from prefect_aws import AwsClientParameters, AwsCredentials

    AwsCredentials(
        aws_access_key_id="block",
        aws_secret_access_key="block",
        region_name="eu-west-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=aws.endpoint_url),
    ).save("elsewhere", overwrite=True)
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    client = clients("elsewhere")("personalize")

    assert client.meta.region_name == "eu-west-1"
    assert client.list_dataset_groups()["datasetGroups"] == []


@pytest.mark.server
def test_a_block_that_is_not_there_is_named(prefect_server):
    said = "there is no AwsCredentials block named 'nope'; save one in Prefect's UI under Blocks"

    with pytest.raises(ConfigError, match=said):
        clients("nope")("s3")
