"""Every operation of the model, over HTTP: it answers as modelled or says that it does not."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from personalization.shapes import service_model

# What the local AWS does not do.  Taking something off this list means implementing it.
NOT_ANSWERED = {
    "personalize": {
        "CreateCampaign",
        "CreateDataDeletionJob",
        "CreateDatasetExportJob",
        "CreateEventTracker",
        "CreateFilter",
        "CreateMetricAttribution",
        "CreateRecommender",
        "ListMetricAttributionMetrics",
        "StartRecommender",
        "StopRecommender",
        "UpdateCampaign",
        "UpdateMetricAttribution",
        "UpdateRecommender",
    },
    "personalize-runtime": {
        "GetActionRecommendations",
        "GetPersonalizedRanking",
        "GetRecommendations",
    },
    "personalize-events": {
        "PutActionInteractions",
        "PutActions",
        "PutEvents",
        "PutItems",
        "PutUsers",
    },
}
OPERATIONS = [
    (service, name) for service in NOT_ANSWERED for name in service_model(service).operation_names
]

# Values that satisfy the patterns of the model; what they name is not there.
KNOWN = {
    "arn": "arn:aws:personalize:us-east-1:123456789012:thing/none",
    "roleArn": "arn:aws:iam::123456789012:role/r",
    "path": "s3://films/x/",
    "name": "a-name",
    "jobName": "a-name",
    "schema": "{}",
    "datasetType": "Items",
    "expression": "SUM(Items.PRICE)",
}


def example(shape: Any, name: str = "") -> Any:
    """The least that satisfies a shape."""
    match shape.type_name:
        case "structure":
            return {m: example(shape.members[m], m) for m in shape.required_members}
        case "list":
            return [example(shape.member)] * max(1, shape.metadata.get("min", 0))
        case "map":
            return {}
        case "timestamp":
            return 1_700_000_000
        case "string" if shape.enum:
            return shape.enum[0]
        case "string" if name.endswith("Arn") and name not in KNOWN:
            return KNOWN["arn"]
        case "string":
            return KNOWN.get(name, "x")
        case _:
            return max(1, shape.metadata.get("min", 1))


@pytest.mark.parametrize(("service", "name"), OPERATIONS, ids=lambda value: value)
def test_an_operation_answers_as_modelled_or_says_that_it_does_not(trained, service, name):
    films, _ = trained
    client = films.aws.clients(service)
    operation = service_model(service).operation_model(name)
    modelled = {shape.name for shape in operation.error_shapes}

    try:
        answer = getattr(client, xform_name(name))(**example(operation.input_shape))
    except ClientError as error:
        code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
    else:
        code, said = "", ""
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200

    if name in NOT_ANSWERED[service]:
        assert (code, said) == (
            "NotImplementedException",
            f"the local AWS does not answer {service} {name}",
        )
    else:
        assert code in {"", *modelled}
