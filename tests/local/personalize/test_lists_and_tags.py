from __future__ import annotations

import base64

import pytest
from botocore.exceptions import ClientError

from tests.local.personalize.films import POPULAR, Films, schema


@pytest.fixture
def seven(films: Films) -> Films:
    """Seven schemas, named in the order they were made."""
    for number in range(7):
        films.personalize.create_schema(name=f"s{number}", schema=schema("Users"))
    return films


def names(page: dict) -> list[str]:
    return [each["name"] for each in page["schemas"]]


def test_pages_follow_each_other_without_gap_or_repetition(seven: Films):
    pages = list(
        seven.personalize.get_paginator("list_schemas").paginate(PaginationConfig={"PageSize": 3})
    )

    assert [names(page) for page in pages] == [["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6"]]
    assert "nextToken" not in pages[-1]


def test_a_last_page_that_is_full_has_no_token(seven: Films):
    assert "nextToken" not in seven.personalize.list_schemas(maxResults=7)


def test_what_is_deleted_between_two_pages_hides_nothing_else(seven: Films):
    first = seven.personalize.list_schemas(maxResults=3)
    for name in ("s1", "s4"):
        arn = f"arn:aws:personalize:us-east-1:123456789012:schema/{name}"
        seven.personalize.delete_schema(schemaArn=arn)
    rest = seven.personalize.list_schemas(nextToken=first["nextToken"])

    assert names(rest) == ["s3", "s5", "s6"]


@pytest.mark.parametrize(
    "token",
    ["nonsense", "", base64.b64encode(b"{}").decode(), base64.b64encode(b"7").decode()],
    ids=["no-base64", "empty", "empty-object", "a-number"],
)
def test_a_token_that_is_none_is_refused(seven: Films, token):
    with pytest.raises(
        seven.personalize.exceptions.InvalidNextTokenException, match="The token is not valid"
    ):
        seven.personalize.list_schemas(nextToken=token)


def test_a_token_of_another_list_is_refused(seven: Films):
    token = seven.personalize.list_schemas(maxResults=1)["nextToken"]

    with pytest.raises(seven.personalize.exceptions.InvalidNextTokenException):
        seven.personalize.list_recipes(nextToken=token)


def test_lists_are_those_of_the_parent_that_is_asked_for(films: Films):
    one, other = films.group("one"), films.group("other")
    mine = films.solution(one, POPULAR)
    films.solution(other, POPULAR)
    films.dataset(one, "Users")

    listed = films.personalize.list_solutions(datasetGroupArn=one)["solutions"]
    datasets = films.personalize.list_datasets(datasetGroupArn=one)["datasets"]

    assert [each["solutionArn"] for each in listed] == [mine]
    assert set(listed[0]) == {
        *("name", "solutionArn", "status", "recipeArn"),
        *("creationDateTime", "lastUpdatedDateTime"),
    }
    assert [each["datasetType"] for each in datasets] == ["USERS"]
    assert films.personalize.list_datasets(datasetGroupArn=other)["datasets"] == []
    assert len(films.personalize.list_solutions()["solutions"]) == 2


def test_the_versions_of_a_solution_that_is_not_there_are_not_found(films: Films):
    arn = "arn:aws:personalize:us-east-1:123456789012:solution/none"

    with pytest.raises(films.personalize.exceptions.ResourceNotFoundException):
        films.personalize.list_solution_versions(solutionArn=arn)


def tags(films: Films, arn: str) -> dict[str, str]:
    listed = films.personalize.list_tags_for_resource(resourceArn=arn)["tags"]
    return {tag["tagKey"]: tag["tagValue"] for tag in listed}


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"tagKey": key, "tagValue": value} for key, value in values.items()]


def test_tags_come_with_a_creation_and_change_afterwards(films: Films):
    arn = films.group(tags=pairs(team="films", stage="test"))

    films.personalize.tag_resource(resourceArn=arn, tags=pairs(stage="live", cost="1"))
    films.personalize.untag_resource(resourceArn=arn, tagKeys=["team", "unknown"])

    assert tags(films, arn) == {"stage": "live", "cost": "1"}
    group = films.personalize.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"]
    assert "tags" not in group


def test_versions_and_jobs_have_tags_too(films: Films):
    solution = films.solution(films.filled(), POPULAR, tags=pairs(a="1"))
    version = films.version(solution, tags=pairs(b="2"))["solutionVersionArn"]
    job = films.job("create_batch_inference_job", version, tags=pairs(c="3"))

    assert tags(films, solution) == {"a": "1"}
    assert tags(films, version) == {"b": "2"}
    assert tags(films, job["batchInferenceJobArn"]) == {"c": "3"}


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        pytest.param(
            pairs(**{f"k{n}": "" for n in range(51)}),
            "TooManyTagsException",
            "A resource can have at most 50 tags, not 51.",
            id="too-many",
        ),
        pytest.param(
            pairs(a="1") + pairs(a="2"),
            "InvalidInputException",
            "A tag key is given more than once.",
            id="twice",
        ),
        pytest.param(
            [{"tagKey": "aws:films", "tagValue": ""}],
            "InvalidInputException",
            "The tag key aws:films begins with aws:, which is reserved.",
            id="reserved",
        ),
    ],
)
def test_tags_have_rules(films: Films, given, code, said):
    arn = films.group()

    for call in (
        lambda: films.personalize.create_dataset_group(name="other", tags=given),
        lambda: films.personalize.tag_resource(resourceArn=arn, tags=given),
    ):
        with pytest.raises(ClientError) as refusal:
            call()
        assert refusal.value.response["Error"] == {"Code": code, "Message": said}
    assert tags(films, arn) == {}


def test_fifty_tags_in_two_calls_are_the_limit_as_well(films: Films):
    arn = films.group(tags=pairs(**{f"a{n}": "" for n in range(30)}))

    with pytest.raises(films.personalize.exceptions.TooManyTagsException):
        films.personalize.tag_resource(
            resourceArn=arn, tags=pairs(**{f"b{n}": "" for n in range(21)})
        )
    with pytest.raises(
        films.personalize.exceptions.TooManyTagKeysException, match="At most 50 tag keys"
    ):
        films.personalize.untag_resource(resourceArn=arn, tagKeys=[f"k{n}" for n in range(51)])
    assert len(tags(films, arn)) == 30


def test_what_cannot_have_tags_or_is_not_there_has_none(films: Films):
    arn = films.personalize.create_schema(name="users", schema=schema("Users"))["schemaArn"]

    with pytest.raises(
        films.personalize.exceptions.InvalidInputException, match="cannot have tags"
    ):
        films.personalize.list_tags_for_resource(resourceArn=arn)
    with pytest.raises(films.personalize.exceptions.ResourceNotFoundException):
        films.personalize.tag_resource(resourceArn=f"{arn}-none", tags=pairs(a="b"))
