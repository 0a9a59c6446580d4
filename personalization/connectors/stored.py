"""Settings of a destination that AWS keeps: in Parameter Store or in Secrets Manager.

`stored: "ssm:/prod/personalize-connectors/braze/"` reads every parameter right below that path,
decrypted; `rest-endpoint-url` becomes `rest_endpoint_url`.  `stored: "secret:braze/prod"` reads a
secret that is a JSON object.  These are the places the Amazon Personalize Connectors used, so what
was set up for them goes on working.
"""

from __future__ import annotations

import json
from typing import Any

from personalization.aws import Clients, aws_errors
from personalization.errors import ConfigError


def settings(place: str, clients: Clients) -> dict[str, Any]:
    """Return the settings kept there, by names with underscores.

    Raises ConfigError that names the place and what it should hold, never a value.
    """
    kind, _, name = place.partition(":")
    if kind == "ssm" and name.startswith("/"):
        found = _parameters(name, clients)
    elif kind == "secret" and name:
        found = _secret(name, clients)
    else:
        raise ConfigError(
            f"stored settings {place!r} cannot be found; write ssm:/path/ or secret:name"
        )
    return {key.replace("-", "_"): value for key, value in found.items()}


def _parameters(path: str, clients: Clients) -> dict[str, Any]:
    with aws_errors(f"reading the settings below {path}"):
        pages = clients("ssm").get_paginator("get_parameters_by_path")
        found = {
            str(each["Name"]).rpartition("/")[2]: each["Value"]
            for page in pages.paginate(Path=path, WithDecryption=True)
            for each in page["Parameters"]
        }
    if not found:
        raise ConfigError(f"there are no parameters below {path} in Parameter Store")
    return found


def _secret(name: str, clients: Clients) -> dict[str, Any]:
    with aws_errors(f"reading the secret {name}"):
        text = clients("secretsmanager").get_secret_value(SecretId=name).get("SecretString", "")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"the secret {name} is not a JSON object of settings")
    return found
