from __future__ import annotations

import datetime as dt
import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.local.wire import Context, Service, ServiceError

MOMENT = dt.datetime(2026, 11, 22, 14, 0, 0, 500_000, tzinfo=dt.UTC)
SCHEMA_ARN = "arn:aws:personalize:us-east-1:123456789012:schema/films"


def signed(service: str) -> str:
    """An Authorization header good enough to be routed; nobody checks signatures here."""
    scope = f"local/20261122/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


class Scripted:
    """Services whose handlers note what they got and answer what they were told."""

    def __init__(self) -> None:
        self.got: list[Context] = []
        self.answer: Any = {}

    def handle(self, context: Context) -> Mapping[str, Any]:
        self.got.append(context)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def mount(self, name: str, *operations: str) -> Any:
        return lambda _clients, _pace: Service(name, dict.fromkeys(operations, self.handle))


@pytest.fixture(scope="module")
def far_end() -> Iterator[tuple[Scripted, LocalAws]]:
    script = Scripted()
    mounts = [
        script.mount("personalize", "DescribeSchema", "CreateSolution", "ListRecipes"),
        script.mount("personalize-events", "PutEvents"),
        script.mount("pinpoint", "GetUserEndpoints", "CreateImportJob", "GetSegments"),
        script.mount("customer-profiles", "ListProfileObjects", "GetUploadJobPath"),
    ]
    with LocalAws(mount=mounts, pace=Pace(0)) as aws:
        yield script, aws


@pytest.fixture
def script(far_end: tuple[Scripted, LocalAws]) -> Scripted:
    far_end[0].got.clear()
    far_end[0].answer = {}
    return far_end[0]


@pytest.fixture
def aws(far_end: tuple[Scripted, LocalAws]) -> LocalAws:
    return far_end[1]


def post(aws: LocalAws, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Send what boto3 would not send."""
    request = urllib.request.Request(f"{aws.endpoint_url}/", body, dict(headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_json_operation_gets_its_parameters_and_returns_times_as_seconds(script, aws):
    script.answer = {"schema": {"name": "films", "creationDateTime": MOMENT, "domain": None}}

    found = aws.clients("personalize").describe_schema(schemaArn=SCHEMA_ARN)["schema"]

    assert script.got[0].params == {"schemaArn": SCHEMA_ARN}
    assert (script.got[0].account, script.got[0].region) == ("123456789012", "us-east-1")
    assert found["creationDateTime"] == MOMENT
    assert set(found) == {"name", "creationDateTime"}


def test_the_region_is_the_one_the_request_is_signed_for(script, aws):
    script.answer = {"recipes": []}

    aws.clients("personalize", region="eu-west-1").list_recipes()

    assert script.got[0].region == "eu-west-1"


def test_labels_may_hold_encoded_slashes_and_spaces(script, aws):
    script.answer = {"EndpointsResponse": {"Item": []}}

    aws.clients("pinpoint").get_user_endpoints(ApplicationId="films", UserId="a/b c?ü")

    assert script.got[0].params == {"ApplicationId": "films", "UserId": "a/b c?ü"}


def test_query_strings_are_read_by_their_type(script, aws):
    script.answer = {"Items": []}

    aws.clients("customer-profiles").list_profile_objects(
        DomainName="films", MaxResults=7, ObjectTypeName="view", ProfileId="0" * 32
    )

    assert script.got[0].params["MaxResults"] == 7
    assert script.got[0].params["DomainName"] == "films"


def test_a_payload_is_the_whole_body_and_the_status_is_the_models(script, aws):
    job = {"Format": "CSV", "RoleArn": "arn:aws:iam::123456789012:role/x", "S3Url": "s3://b/k"}
    response = {"ApplicationId": "films", "Definition": job, "Id": "1", "JobStatus": "CREATED"}
    script.answer = {"ImportJobResponse": {**response, "Type": "IMPORT", "CreationDate": "now"}}

    answer = aws.clients("pinpoint").create_import_job(ApplicationId="films", ImportJobRequest=job)

    assert script.got[0].params == {"ApplicationId": "films", "ImportJobRequest": job}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["ImportJobResponse"]["Definition"]["S3Url"] == "s3://b/k"


def test_json_inside_a_string_arrives_opened_and_times_arrive_as_moments(script, aws):
    event = {"eventType": "watch", "sentAt": MOMENT, "properties": '{"numRatings": 12}'}

    aws.clients("personalize-events").put_events(trackingId="t", sessionId="s", eventList=[event])

    arrived = script.got[0].params["eventList"][0]
    assert arrived["properties"] == {"numRatings": 12}
    assert arrived["sentAt"] == MOMENT


def test_a_string_that_should_hold_json_and_does_not_is_invalid_input(script, aws):
    event = {"eventType": "watch", "sentAt": MOMENT, "properties": "{nope"}

    with pytest.raises(ClientError, match=r"'eventList\[0\]\.properties' must be a string that"):
        aws.clients("personalize-events").put_events(
            trackingId="t", sessionId="s", eventList=[event]
        )


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        pytest.param(
            {"name": "x" * 64},
            "1 validation error detected: Value '" + "x" * 64 + "' at 'name' failed to satisfy "
            "constraint: Member must have length less than or equal to 63",
            id="too-long",
        ),
        pytest.param(
            {"name": "no spaces"},
            "1 validation error detected: Value 'no spaces' at 'name' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: "
            r"^[a-zA-Z0-9][a-zA-Z0-9\-_]*",
            id="pattern",
        ),
        pytest.param(
            {
                "name": "a",
                "solutionConfig": {
                    "optimizationObjective": {"objectiveSensitivity": "SOME"},
                    "eventsConfig": {"eventParametersList": [{"weight": 2.0}]},
                },
            },
            "2 validation errors detected: Value '2.0' at "
            "'solutionConfig.eventsConfig.eventParametersList[0].weight' failed to satisfy "
            "constraint: Member must have value less than or equal to 1; Value 'SOME' at "
            "'solutionConfig.optimizationObjective.objectiveSensitivity' failed to satisfy "
            "constraint: Member must satisfy enum value set: [LOW, MEDIUM, HIGH, OFF]",
            id="several",
        ),
    ],
)
def test_what_boto3_lets_pass_is_refused_in_awss_words(script, aws, parameters, said):
    client = aws.clients("personalize")

    with pytest.raises(client.exceptions.InvalidInputException) as refusal:
        client.create_solution(datasetGroupArn=f"{SCHEMA_ARN}-group", **parameters)

    assert refusal.value.response["Error"]["Message"] == said
    assert script.got == []


def test_a_missing_member_and_a_wrong_type_are_named_as_aws_names_them(script, aws):
    headers = {
        "Authorization": signed("personalize"),
        "X-Amz-Target": "AmazonPersonalize.CreateSolution",
    }

    status, body = post(aws, json.dumps({"name": None, "datasetGroupArn": 3}).encode(), headers)

    assert status == 400
    assert body["__type"] == "InvalidInputException"
    assert "Value null at 'name' failed to satisfy constraint: Member must not be null" in str(body)
    assert (
        "Value '3' at 'datasetGroupArn' failed to satisfy constraint: Member must be a string"
        in (body["message"])
    )


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(b"{nope", "the request's body is not JSON", id="not-json"),
        pytest.param(b"[]", "the request's body is not a JSON object", id="no-object"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_serialization_error(script, aws, sent, said):
    headers = {
        "Authorization": signed("personalize"),
        "X-Amz-Target": "AmazonPersonalize.ListRecipes",
    }

    status, body = post(aws, sent, headers)

    assert (status, body["__type"]) == (400, "SerializationException")
    assert body["message"].startswith(said)


def test_a_timestamp_that_is_none_is_a_serialization_error(script, aws):
    headers = {"Authorization": signed("personalize"), "Content-Type": "application/json"}
    event = {"eventType": "watch", "sentAt": "soon"}
    body = json.dumps({"trackingId": "t", "sessionId": "s", "eventList": [event]}).encode()
    request = urllib.request.Request(f"{aws.endpoint_url}/events", body, headers, method="POST")

    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=10)

    assert refusal.value.headers["x-amzn-errortype"] == "SerializationException"
    assert json.loads(refusal.value.read())["message"] == "'soon' is not a timestamp"


@pytest.mark.parametrize(
    ("service", "code", "call", "status"),
    [
        pytest.param(
            "personalize",
            "ResourceInUseException",
            lambda client: client.describe_schema(schemaArn=SCHEMA_ARN),
            400,
            id="json-knows-only-400",
        ),
        pytest.param(
            "personalize-events",
            "ResourceInUseException",
            lambda client: client.put_events(
                trackingId="t",
                sessionId="s",
                eventList=[{"eventType": "watch", "sentAt": MOMENT}],
            ),
            409,
            id="rest-has-its-own",
        ),
        pytest.param(
            "pinpoint",
            "NotFoundException",
            lambda client: client.get_user_endpoints(ApplicationId="a", UserId="b"),
            404,
            id="pinpoint",
        ),
    ],
)
def test_an_error_reaches_boto3_with_code_message_and_status(
    script, aws, service, code, call, status
):
    script.answer = ServiceError(code, "there is no such thing")

    with pytest.raises(ClientError) as refusal:
        call(aws.clients(service))

    assert refusal.value.response["Error"]["Code"] == code
    assert refusal.value.response["Error"]["Message"] == "there is no such thing"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_operation_without_a_handler_says_its_name_loudly(aws):
    with pytest.raises(
        ClientError, match="the local AWS does not answer pinpoint CreateSegment"
    ) as refusal:
        aws.clients("pinpoint").create_segment(ApplicationId="a", WriteSegmentRequest={})

    assert refusal.value.response["Error"]["Code"] == "NotImplementedException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_an_operation_that_the_model_does_not_have_is_unknown(aws):
    headers = {"Authorization": signed("personalize"), "X-Amz-Target": "AmazonPersonalize.Guess"}

    status, body = post(aws, b"{}", headers)

    assert (status, body["__type"]) == (404, "UnknownOperationException")
    assert body["message"] == "personalize has no operation for AmazonPersonalize.Guess"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ZeroDivisionError(), id="a-bug"),
        pytest.param({"schema": {"nmae": "films"}}, id="a-member-that-the-model-does-not-have"),
    ],
)
def test_a_handlers_mistake_is_a_500_and_is_logged(script, aws, answer, caplog):
    script.answer = answer
    headers = {
        "Authorization": signed("personalize"),
        "X-Amz-Target": "AmazonPersonalize.DescribeSchema",
    }

    status, body = post(aws, json.dumps({"schemaArn": SCHEMA_ARN}).encode(), headers)

    assert (status, body["__type"]) == (500, "InternalFailure")
    assert body["message"].startswith("the local AWS failed inside personalize")
    assert "personalize failed on POST /" in caplog.text


def test_a_table_with_a_strange_operation_is_refused():
    with pytest.raises(ValueError, match="personalize has no operations CreateFlim"):
        Service("personalize", {"CreateFlim": lambda _: {}})
