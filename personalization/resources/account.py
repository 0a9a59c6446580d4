"""Whose account it is, and what that makes of names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from personalization.aws import Clients, aws_errors
from personalization.resources.kinds import Kind

# What a resource may be called.  Source: botocore, personalize 2018-05-22, shape `Name`.
NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,62}")


@dataclass(frozen=True)
class Account:
    """Where resources live: `arn:{partition}:personalize:{region}:{account_id}:…`."""

    account_id: str
    region: str
    partition: str = "aws"

    @classmethod
    def of(cls, clients: Clients) -> Account:
        """Return the account that the credentials belong to (one call of STS)."""
        with aws_errors("asking STS whose credentials these are"):
            sts = clients("sts")
            arn = sts.get_caller_identity()["Arn"]
        _, partition, _, _, account_id, _ = arn.split(":", 5)
        return cls(account_id, clients("personalize").meta.region_name, partition)

    def arn(self, kind: Kind, name: str) -> str:
        """Return the ARN that Personalize gives to a resource of that name."""
        place = f"{self.region}:{self.account_id}"
        return f"arn:{self.partition}:personalize:{place}:{kind.arn_path}/{name}"
