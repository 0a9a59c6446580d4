"""boto3 clients: from a saved AwsCredentials block, or as boto3 finds credentials itself."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import Any, cast

import boto3
from botocore.config import Config
from prefect_aws import AwsCredentials

from blocks.settings import settings
from personalization.aws import Clients, aws_errors
from personalization.errors import ConfigError

_CONFIG = Config(retries={"mode": "adaptive", "max_attempts": 8}, max_pool_connections=32)
# These begin paid work.  Where an answer was lost, nobody knows whether the work was begun, and
# botocore would ask for it again: here the task does, after it has looked.
_ASKED_ONCE = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)
_PAID = frozenset({"customer-profiles", "personalize", "pinpoint"})
# Nobody should wait long for what others are told.
_BRIEF_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 2}, connect_timeout=3, read_timeout=10
)
_TELLING = frozenset({"cloudwatch", "events", "sns"})


def clients(block: str | None = None, *, brief: bool = False) -> Clients:
    """Return what makes a client of a service name.

    block  name of a saved AwsCredentials block; else the one in the settings; else boto3's chain
    brief  for questions that somebody sits waiting for: clients give up after seconds
    """
    # boto3's chain starts in the environment, so a client is good for one environment.
    surroundings = tuple(sorted(it for it in os.environ.items() if it[0].startswith("AWS_")))
    return partial(_client, surroundings, block or settings().credentials, brief)


@lru_cache(maxsize=64)
def _client(
    _surroundings: tuple[tuple[str, str], ...], block: str | None, brief: bool, service: str
) -> Any:
    config = _ASKED_ONCE if service in _PAID else _CONFIG
    if brief or service in _TELLING:
        config = _BRIEF_CONFIG
    with aws_errors(f"making a client for {service}"):
        if block is None:
            return boto3.Session().client(service, config=config)
        try:
            credentials = cast("AwsCredentials", AwsCredentials.load(block))
        except ValueError as error:
            raise ConfigError(
                f"there is no AwsCredentials block named {block!r}; save one in Prefect's UI under "
                "Blocks, or leave credentials out to use boto3's own chain"
            ) from error
        return credentials.get_boto3_session().client(
            service,
            endpoint_url=credentials.aws_client_parameters.endpoint_url,
            config=config,
        )
