"""The template as CloudFormation reads it, and a stack made of it on the local AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cfnlint.decode import decode

from personalization.local.server import LocalAws

TEMPLATE: Final = Path(__file__).parents[3] / "deployments/aws/template.yaml"
ACCOUNT, REGION = "123456789012", "us-east-1"
_NOTHING: Final = {"Ref": "AWS::NoValue"}
# Everything that can be asked for but Prefect Cloud, which stands in for the relay.
ALL_BUT_CLOUD: Final = {
    "Email": "ana@films.test",
    "AccessLogs": "yes",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234",
    "CustomerProfilesDomain": "films",
    "PinpointApplicationId": "app1",
    "WorkerImage": "films.test/personalize-flows:1",
    "WorkerSubnets": "subnet-1,subnet-2",
    "PrefectApiUrl": "https://prefect.films.test/api",
    "TrustedPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/ours",
}
CLOUD: Final = {
    "PrefectWebhookUrl": "https://api.prefect.cloud/hooks/films",
    "PrefectApiKeySecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:prefect-1",
}


def template() -> dict[str, Any]:
    """Return the template, its short forms (`!Ref`) spelt out."""
    found, faults = decode(str(TEMPLATE))

    assert not faults
    return json.loads(json.dumps(found))


def chosen(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return what the template comes to with these parameters: no conditions, and no `Fn::If`.

    moto knows conditions, but leaves a null where CloudFormation takes an element out of a list.
    """
    whole = template()
    values = {
        name: parameters.get(name, it.get("Default")) for name, it in whole["Parameters"].items()
    }

    def value(it: Any) -> Any:
        match it:
            case {"Ref": name}:
                return values[name]
            case {"Fn::Equals": [left, right]}:
                return value(left) == value(right)
            case {"Fn::Not": [one]}:
                return not value(one)
            case {"Fn::And": all_of}:
                return all(map(value, all_of))
            case {"Condition": name}:
                return value(whole["Conditions"][name])
            case {"Fn::Join": [joint, {"Ref": name}]}:
                return joint.join(values[name].split(","))
        return it

    holds = {name: value(condition) for name, condition in whole["Conditions"].items()}

    def without_conditions(it: Any) -> Any:
        match it:
            case {"Fn::If": [condition, yes, no]}:
                return without_conditions(yes if holds[condition] else no)
            case dict():
                kept = {name: without_conditions(part) for name, part in it.items()}
                return {name: part for name, part in kept.items() if part != _NOTHING}
            case list():
                return [part for part in map(without_conditions, it) if part != _NOTHING]
        return it

    for section in ("Resources", "Outputs"):
        whole[section] = {
            name: without_conditions({k: v for k, v in it.items() if k != "Condition"})
            for name, it in whole[section].items()
            if "Condition" not in it or holds[it["Condition"]]
        }
    del whole["Conditions"], whole["Rules"]
    return whole


@dataclass(frozen=True)
class Stack:
    """A stack on the local AWS.  resources by logical name: their physical ones."""

    outputs: Mapping[str, str]
    resources: Mapping[str, str]


def made(aws: LocalAws, name: str = "films", **parameters: str) -> Stack:
    """Make a stack of the template; what moto leaves out of it is done as the template says.

    moto 5.2 leaves out bucket, queue and topic policies, subscriptions, and of a bucket all but its
    encryption.
    """
    body = chosen(parameters)
    cloudformation = aws.clients("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(body),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    rows = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    stack = Stack(
        {it["OutputKey"]: it["OutputValue"] for it in found["Outputs"]},
        {
            it["LogicalResourceId"]: it["PhysicalResourceId"]
            for it in rows
            if it.get("PhysicalResourceId")
        },
    )

    assert found["StackStatus"] == "CREATE_COMPLETE"
    _finish_bucket(aws, body["Resources"]["Bucket"]["Properties"], stack.outputs["Bucket"])
    _put_bucket_policy(aws, body, stack)
    return stack


def _finish_bucket(aws: LocalAws, properties: Mapping[str, Any], bucket: str) -> None:
    """Set what moto's CloudFormation ignores of a bucket, through S3's own operations."""
    s3 = aws.clients("s3")
    s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration=properties["VersioningConfiguration"]
    )
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"],
    )
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls=properties["OwnershipControls"]
    )
    bridge = properties["NotificationConfiguration"]["EventBridgeConfiguration"]
    if bridge["EventBridgeEnabled"]:
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def _put_bucket_policy(aws: LocalAws, body: Mapping[str, Any], stack: Stack) -> None:
    arn = f"arn:aws:s3:::{stack.outputs['Bucket']}"
    text = json.dumps(body["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"])
    text = text.replace('{"Fn::GetAtt": ["Bucket", "Arn"]}', json.dumps(arn))
    text = text.replace('{"Ref": "AWS::AccountId"}', json.dumps(ACCOUNT))
    policy = json.loads(text)
    # moto knows no conditions in bucket policies: to refuse some would be to refuse all.
    policy["Statement"] = [it for it in policy["Statement"] if it["Effect"] == "Allow"]
    for statement in policy["Statement"]:
        statement["Resource"] = _spelt(statement["Resource"], arn)
    aws.clients("s3").put_bucket_policy(Bucket=stack.outputs["Bucket"], Policy=json.dumps(policy))


def _spelt(resource: Any, arn: str) -> Any:
    match resource:
        case {"Fn::Sub": text}:
            return text.replace("${Bucket.Arn}", arn)
        case list():
            return [_spelt(it, arn) for it in resource]
    return resource
