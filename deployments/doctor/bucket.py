"""The bucket: is it there, where Personalize is, versioned, and open to Personalize?"""

from __future__ import annotations

import json
from typing import Final

from botocore.exceptions import ClientError

from deployments.doctor.outcome import Seen, bad, good
from deployments.doctor.policies import allows
from deployments.doctor.role import PERSONALIZE
from personalization.aws import NOT_THERE, Clients, error_code

_NO_BUCKET: Final = NOT_THERE | {"NoSuchBucket"}


def place(clients: Clients, bucket: str | None) -> Seen:
    """Look whether the bucket exists, in Personalize's region."""
    if not bucket:
        return bad("no bucket is named", "set PERSONALIZE_BUCKET, or pass --bucket")
    try:
        answer = clients("s3").get_bucket_location(Bucket=bucket)
    except ClientError as error:
        if error_code(error) in _NO_BUCKET:
            return bad(
                f"there is no bucket {bucket}",
                "correct PERSONALIZE_BUCKET, or make it with deployments/aws/template.yaml",
            )
        raise
    # Source: botocore, s3 2006-03-01, GetBucketLocation: null stands for us-east-1.
    here, there = answer.get("LocationConstraint") or "us-east-1", clients("personalize")
    wanted = there.meta.region_name
    if here != wanted:
        return bad(
            f"{bucket} is in {here}, Personalize is asked in {wanted}",
            f"Personalize reads only buckets of its region: set AWS_DEFAULT_REGION={here}, or use "
            f"a bucket in {wanted}",
        )
    return good(f"{bucket}, in {here}")


def versioning(clients: Clients, bucket: str) -> Seen:
    """Look whether overwritten uploads are kept apart."""
    if clients("s3").get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        return good("every upload is a version of its own")
    return bad(
        "an upload that is overwritten is gone, and a run may read the next one",
        f"run `aws s3api put-bucket-versioning --bucket {bucket} "
        "--versioning-configuration Status=Enabled`",
    )


def policy(clients: Clients, bucket: str) -> Seen:
    """Look whether the bucket lets Personalize in: its role alone is not enough."""
    advice = "take the bucket policy of deployments/aws/template.yaml"
    try:
        text = clients("s3").get_bucket_policy(Bucket=bucket)["Policy"]
    except ClientError as error:
        if error_code(error) != "NoSuchBucketPolicy":
            raise
        return bad(f"{bucket} has no policy, so {PERSONALIZE} may not read it", advice)
    arn = f"arn:{_partition(clients)}:s3:::{bucket}"
    needed = {
        "s3:ListBucket": arn,
        "s3:GetObject": f"{arn}/train/films/interactions.csv",
        "s3:PutObject": f"{arn}/batch/films/by-genre/output",
    }
    found = json.loads(text)
    refused = [it for it in needed if not allows(found, PERSONALIZE, it, needed[it])]
    if refused:
        return bad(f"{PERSONALIZE} may not {', '.join(refused)}", advice)
    return good(f"{PERSONALIZE} may list, read train/ and write batch/")


def _partition(clients: Clients) -> str:
    return str(clients("s3").meta.partition)
