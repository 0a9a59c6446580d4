"""The role that Personalize assumes: is it there, for whom, and what may it do?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from deployments.doctor.outcome import Seen, bad, good, not_checked
from deployments.doctor.policies import Question, listed, names_service, refused
from personalization.aws import Clients, error_code

PERSONALIZE: Final = "personalize.amazonaws.com"
_SET: Final = (
    "set PERSONALIZE_ROLE_ARN to the output PersonalizeRoleArn of deployments/aws/template.yaml, "
    "or pass role_arn"
)


def trust(clients: Clients, arn: str | None) -> Seen:
    """Look whether the role exists and lets Personalize assume it."""
    if not arn:
        return bad("no role is set", _SET)
    name = arn.rpartition("/")[2]
    try:
        role = clients("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return bad(f"there is no role {name}", _SET)
        raise
    if role["Arn"] != arn:
        return bad(f"{arn} is not in this account, which has {role['Arn']}", _SET)
    statements = listed(role["AssumeRolePolicyDocument"]["Statement"])
    letting = [
        it for it in statements if it["Effect"] == "Allow" and names_service(it, PERSONALIZE)
    ]
    if not letting:
        return bad(
            f"{name} does not let {PERSONALIZE} assume it",
            f"allow sts:AssumeRole to the service {PERSONALIZE} in its trust policy",
        )
    if not any(_guarded(it) for it in letting):
        return good(
            f"{name}, which {PERSONALIZE} may assume on behalf of anybody",
            "add aws:SourceAccount to the conditions of its trust policy",
        )
    return good(f"{name}, which {PERSONALIZE} may assume")


def access(clients: Clients, arn: str | None, bucket: str | None) -> Seen:
    """Ask IAM whether the role may read data and write output."""
    if not arn or not bucket:
        return not_checked("no role is set" if not arn else "no bucket is named")
    place = f"arn:{arn.split(':')[1]}:s3:::{bucket}"
    asked = (
        Question(("s3:ListBucket",), place),
        Question(("s3:GetObject",), f"{place}/train/films/interactions.csv"),
        Question(("s3:GetObject", "s3:PutObject"), f"{place}/batch/films/by-genre/output"),
    )
    if missing := refused(clients("iam"), arn, asked):
        return bad(f"it may not {', '.join(missing)}", "allow it in the role's policy")
    return good(f"it may read {bucket}/train/ and read and write {bucket}/batch/")


def _guarded(statement: Mapping[str, Any]) -> bool:
    keys = {key.lower() for test in statement.get("Condition", {}).values() for key in test}
    return bool(keys & {"aws:sourceaccount", "aws:sourcearn"})
