"""What a machine needs to know, from its environment.  Nothing else reads the environment."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from personalization.errors import ConfigError


class Settings(BaseSettings):
    """`PERSONALIZE_*` in the environment or `.env`; flow parameters and blocks go before them."""

    model_config = SettingsConfigDict(
        env_prefix="PERSONALIZE_", env_file=".env", extra="ignore", frozen=True
    )

    role_arn: str | None = Field(
        None, description="IAM role that Personalize assumes to read and write the bucket."
    )
    credentials: str | None = Field(None, description="Name of a saved AwsCredentials block.")
    bucket: str | None = Field(None, description="Bucket whose uploads start flows.")
    work_pool: str = Field("personalize", description="Work pool of the deployments.")
    home: str | None = Field(
        None, description="Where runs find the code, if not where it is deployed from."
    )
    python: str | None = Field(
        None, description="Python that runs are run with, if not the one that deploys."
    )
    work_dir: Path = Field(
        Path(tempfile.gettempdir()) / "personalize-flows",
        description="Where endpoint indexes and unfinished deliveries are kept between runs.",
    )
    sns_topic: str | None = Field(
        None, description="ARN of an SNS topic that gets a message for every run that has ended."
    )
    event_bus: str | None = Field(
        None, description="Name or ARN of an EventBridge bus that gets what happens to resources."
    )
    metrics_namespace: str | None = Field(
        None, description="CloudWatch namespace for counts and for the metrics of new versions."
    )
    sender: str = Field("personalize-flows", description="What subjects of messages begin with.")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings, read once a process."""
    return Settings()


def known_role(parameter: str | None) -> str:
    """Return the flow's parameter, else the setting, else nothing: a plan needs no role."""
    return parameter or settings().role_arn or ""


def role_for(parameter: str | None) -> str:
    """Return the role that Personalize is to assume.  Raises ConfigError if none is known."""
    if role := known_role(parameter):
        return role
    raise ConfigError(
        "no IAM role for Personalize; pass role_arn, or set PERSONALIZE_ROLE_ARN to the ARN of a "
        "role that personalize.amazonaws.com may assume"
    )
