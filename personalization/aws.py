"""What everything that talks to AWS shares: S3 paths, ARNs, and errors in our own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from personalization.errors import (
    ConfigError,
    FatalError,
    PersonalizeFlowsError,
    RetryableError,
    shortened,
)

# Gives a boto3 client for a service name.  Passed in, so that nothing here knows of credentials.
Clients = Callable[[str], Any]

# Codes that say "later", not "no".  LimitExceeded and ResourceInUse are Personalize's own:
# the first also means "too many pending resources", the second "the parent is not ACTIVE yet".
# Source: botocore retries/standard.py (throttling, transient); botocore, personalize 2018-05-22.
LATER = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ResourceInUseException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
# What SQS answers, in either of its protocols, for a queue that is not there.
NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
NOT_THERE = frozenset(
    {
        "404",
        "NoSuchKey",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
    }
)


def error_code(error: ClientError) -> str:
    """Return AWS's code for the error, such as `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def translated(error: ClientError | BotoCoreError, doing: str) -> PersonalizeFlowsError:
    """Return the error in our own terms; `doing` completes "… failed"."""
    if isinstance(error, ClientError):
        code = error_code(error)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        said = shortened(error.response.get("Error", {}).get("Message", "") or code)
        text = f"{doing} failed with {code}: {said}"
        if code == "LimitExceededException" and "delete" in said.lower():
            # Of the two meanings of this code, the one that waiting does not help.
            return FatalError(f"{text} (or ask for more in Service Quotas)")
        return RetryableError(text) if code in LATER or status >= 500 else FatalError(text)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return FatalError(
            f"{doing} failed: no usable AWS credentials were found; set AWS_PROFILE, use a role or "
            "a saved AwsCredentials block, or start the local AWS with `personalize local`"
        )
    if isinstance(error, ParamValidationError):
        return ConfigError(f"{doing} failed: {shortened(error)}")
    if isinstance(error, (HTTPClientError, ConnectionError, IncompleteReadError)):
        return RetryableError(f"{doing} failed: {shortened(error)}")
    return FatalError(f"{doing} failed: {shortened(error)}")


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Raise botocore's errors as ours.  Our own errors pass untouched."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise translated(error, doing) from error


@dataclass(frozen=True, order=True)
class S3Path:
    """A place in S3: an object, or a prefix when the key ends in "/" or is empty."""

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, uri: str) -> S3Path:
        """Return the path that `s3://bucket/key` names.  The key is not URL-decoded."""
        scheme, separator, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not separator or not bucket:
            raise ConfigError(f"{uri!r} is not an S3 URI; write s3://bucket/key")
        return cls(bucket, key)

    def __truediv__(self, name: str) -> S3Path:
        joint = "" if not self.key or self.key.endswith("/") else "/"
        return S3Path(self.bucket, f"{self.key}{joint}{name}")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> S3Path:
        """The folder it lies in, with a closing "/" (the bucket itself at the top)."""
        folder = self.key.rstrip("/").rpartition("/")[0]
        return S3Path(self.bucket, f"{folder}/" if folder else "")
