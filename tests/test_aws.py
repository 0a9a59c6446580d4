from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
)

from personalization.aws import S3Path, aws_errors
from personalization.errors import ConfigError, FatalError, RetryableError


def refusal(code: str, status: int = 400) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "so it is"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "CreateSolution")


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        pytest.param(refusal("ThrottlingException"), RetryableError, "so it is", id="throttled"),
        pytest.param(refusal("LimitExceededException"), RetryableError, "so it is", id="quota"),
        pytest.param(refusal("ResourceInUseException"), RetryableError, "so it is", id="in-use"),
        pytest.param(refusal("Odd", 503), RetryableError, "so it is", id="server-error"),
        pytest.param(refusal("AccessDenied", 403), FatalError, "AccessDenied", id="denied"),
        pytest.param(
            EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
            RetryableError,
            "127.0.0.1",
            id="unreachable",
        ),
        pytest.param(
            IncompleteReadError(actual_bytes=1, expected_bytes=3),
            RetryableError,
            "1 read, but total bytes expected is 3",
            id="broken-off",
        ),
        pytest.param(NoCredentialsError(), FatalError, "personalize local", id="no-credentials"),
        pytest.param(ParamValidationError(report="name: x"), ConfigError, "name: x", id="shape"),
    ],
)
def test_an_error_says_what_to_do_next(error, expected, message):
    said = rf"^creating films failed.*{message}"

    with pytest.raises(expected, match=said), aws_errors("creating films"):
        raise error


def test_our_own_errors_pass_untouched():
    with pytest.raises(FatalError, match=r"^mine$"), aws_errors("creating films"):
        raise FatalError("mine")


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        pytest.param("s3://b/a/c.csv", "b", "a/c.csv", id="object"),
        pytest.param("s3://b", "b", "", id="bucket"),
        pytest.param("s3://b/a b/%41+ü.csv", "b", "a b/%41+ü.csv", id="taken-literally"),
    ],
)
def test_an_s3_uri_is_read_and_written_back(uri, bucket, key):
    path = S3Path.parse(uri)

    assert (path.bucket, path.key) == (bucket, key)
    assert S3Path.parse(str(path)) == path


@pytest.mark.parametrize("uri", ["b/a.csv", "https://b/a.csv", "s3:///a.csv", "s3:/b/a", ""])
def test_what_is_no_s3_uri_is_refused_with_the_way_out(uri):
    with pytest.raises(ConfigError, match="is not an S3 URI; write s3://bucket/key"):
        S3Path.parse(uri)


def test_paths_are_joined_and_taken_apart():
    folder = S3Path("b", "batch/films/")

    assert str(folder / "job.json") == "s3://b/batch/films/job.json"
    assert str(S3Path("b") / "x") == "s3://b/x"
    assert (folder / "job.json").parent == folder
    assert (folder / "job.json").name == "job.json"
    assert S3Path("b", "x").parent == S3Path("b")
