"""What Personalize refuses, with the code it refuses it with."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.local.personalize.films import (
    BUCKET,
    FIELDS,
    POPULAR,
    ROLE,
    Films,
    interactions_csv,
    schema,
)

ARN = "arn:aws:personalize:us-east-1:123456789012"


def refusal(call, **parameters) -> tuple[str, str]:
    """The code and the message that a call is refused with."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    said = error.value.response["Error"]
    return said["Code"], said["Message"]


@pytest.mark.parametrize(
    "create",
    [
        pytest.param(lambda f: f.personalize.create_dataset_group(name="films"), id="group"),
        pytest.param(
            lambda f: f.personalize.create_schema(name="users", schema=schema("Users")), id="schema"
        ),
    ],
)
def test_a_name_is_taken_once(films: Films, create):
    create(films)

    code, said = refusal(lambda: create(films))

    assert code == "ResourceAlreadyExistsException"
    assert said.startswith("Another resource with Arn arn:aws:personalize:us-east-1:123456789012:")
    assert said.endswith("already exists. Please use another name.")


def test_a_group_has_one_dataset_of_a_type_whatever_its_name_and_case(films: Films):
    group = films.group()
    films.dataset(group, "Users")
    made = films.personalize.create_schema(name="again", schema=schema("Users"))

    code, said = refusal(
        films.personalize.create_dataset,
        name="again",
        schemaArn=made["schemaArn"],
        datasetGroupArn=group,
        datasetType="uSeRs",
    )

    assert code == "ResourceAlreadyExistsException"
    assert f"{ARN}:dataset/films/USERS" in said


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("dataset_group", "dataset-group/x"),
        ("schema", "schema/x"),
        ("dataset", "dataset/x/ITEMS"),
        ("dataset_import_job", "dataset-import-job/x"),
        ("solution", "solution/x"),
        ("solution_version", "solution/x/12345678"),
        ("batch_segment_job", "batch-segment-job/x"),
        ("batch_inference_job", "batch-inference-job/x"),
        ("campaign", "campaign/x"),
        ("filter", "filter/x"),
        ("event_tracker", "event-tracker/x"),
        ("recommender", "recommender/x"),
    ],
)
def test_what_is_not_there_is_not_found(trained, kind, resource):
    films, _ = trained
    words = kind.split("_")
    key = words[0] + "".join(word.title() for word in words[1:]) + "Arn"
    arn = f"{ARN}:{resource}"

    code, said = refusal(getattr(films.personalize, f"describe_{kind}"), **{key: arn})

    assert (code, said) == ("ResourceNotFoundException", f"Resource Arn {arn} does not exist.")


def test_an_arn_of_another_kind_or_region_is_not_found(films: Films):
    group = films.group()
    elsewhere = films.aws.clients("personalize", region="eu-west-1")

    assert refusal(films.personalize.describe_schema, schemaArn=group)[0] == (
        "ResourceNotFoundException"
    )
    assert refusal(elsewhere.describe_dataset_group, datasetGroupArn=group)[0] == (
        "ResourceNotFoundException"
    )
    assert elsewhere.list_dataset_groups()["datasetGroups"] == []


def test_a_parent_must_be_active(slow_films: Films):
    personalize = slow_films.personalize
    group = personalize.create_dataset_group(name="films")["datasetGroupArn"]

    code, said = refusal(personalize.create_solution, name="s", datasetGroupArn=group)

    assert code == "ResourceInUseException"
    assert said == f"Resource Arn {group} is not ACTIVE but CREATE PENDING."


def test_a_failed_version_answers_no_jobs(films: Films):
    version = films.version(films.solution(films.group(), POPULAR))["solutionVersionArn"]

    with pytest.raises(films.personalize.exceptions.ResourceInUseException, match="CREATE FAILED"):
        films.job("create_batch_inference_job", version)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{", "Invalid schema: the schema is not JSON", id="not-json"),
        pytest.param(
            schema("Films", FIELDS["Items"]),
            "its name is Films, not one of Interactions, Items, Users",
            id="unknown-name",
        ),
        pytest.param(
            schema("Items", [{"name": "GENRES", "type": "string"}]),
            "has no ITEM_ID",
            id="required-column",
        ),
        pytest.param(
            schema("Users", [*FIELDS["Users"], {"name": "TAGS", "type": "array"}]),
            "schema.fields[2].type",
            id="type",
        ),
    ],
)
def test_a_schema_is_checked_by_personalizes_rules(films: Films, text, said):
    code, message = refusal(films.personalize.create_schema, name="films", schema=text)

    assert code == "InvalidInputException"
    assert said in message


def test_a_dataset_needs_a_schema_of_its_type_and_domain(films: Films):
    group = films.group()
    users = films.personalize.create_schema(name="users", schema=schema("Users"))["schemaArn"]
    shop = films.personalize.create_schema(name="shop", schema=schema("Users"), domain="ECOMMERCE")
    asked = {"name": "d", "datasetGroupArn": group}
    create = films.personalize.create_dataset

    other_type = refusal(create, **asked, schemaArn=users, datasetType="Items")
    no_type = refusal(create, **asked, schemaArn=users, datasetType="Films")
    other_domain = refusal(create, **asked, schemaArn=shop["schemaArn"], datasetType="Users")

    assert other_type == (
        "InvalidInputException",
        f"{ARN}:schema/users is a schema of Users, not of ITEMS",
    )
    assert no_type[1].startswith("Films is not a dataset type; there are Interactions, Items")
    assert other_domain[1].endswith(
        "schema/shop is of the domain ECOMMERCE, the dataset group of None"
    )


def test_an_import_job_needs_a_place_in_s3_and_full_data_first(films: Films):
    dataset = films.dataset(films.group())
    create = films.personalize.create_dataset_import_job
    asked = {"jobName": "j", "datasetArn": dataset}

    nowhere = refusal(create, **asked, dataSource={})
    elsewhere = refusal(create, **asked, dataSource={"dataLocation": "https://films/views.csv"})
    too_early = refusal(
        create,
        **asked,
        dataSource={"dataLocation": f"s3://{BUCKET}/views.csv"},
        importMode="INCREMENTAL",
    )

    assert nowhere == ("InvalidInputException", "dataSource has no dataLocation")
    assert elsewhere == (
        "InvalidInputException",
        "Invalid S3 input path: https://films/views.csv",
    )
    assert too_early == (
        "InvalidInputException",
        f"{dataset} has no bulk data to add to; its first import must be FULL",
    )


@pytest.mark.parametrize(
    ("parameters", "code", "said"),
    [
        pytest.param({}, "InvalidInputException", "A solution needs a recipeArn", id="no-recipe"),
        pytest.param(
            {"recipeArn": "arn:aws:personalize:::recipe/aws-telepathy"},
            "ResourceNotFoundException",
            "recipe/aws-telepathy does not exist.",
            id="unknown-recipe",
        ),
        pytest.param(
            {"recipeArn": "arn:aws:personalize:::recipe/aws-trending-now"},
            "NotImplementedException",
            "the local AWS cannot train aws-trending-now; it has aws-item-affinity, ",
            id="a-recipe-of-awss-alone",
        ),
        pytest.param(
            {"recipeArn": POPULAR, "performHPO": True},
            "NotImplementedException",
            "the local AWS does not do performHPO",
            id="hpo",
        ),
        pytest.param(
            {"performAutoML": True},
            "NotImplementedException",
            "the local AWS does not do performAutoML",
            id="automl",
        ),
        pytest.param(
            {
                "recipeArn": POPULAR,
                "solutionConfig": {
                    "eventsConfig": {
                        "eventParametersList": [
                            {"eventType": "watch", "weight": 1.0},
                            {"eventType": "like", "weight": 0.5},
                        ]
                    }
                },
            },
            "NotImplementedException",
            "the local AWS does not do different weights in solutionConfig.eventsConfig",
            id="weights",
        ),
        pytest.param(
            {
                "recipeArn": POPULAR,
                "solutionConfig": {"algorithmHyperParameters": {"depth": "3"}},
            },
            "InvalidInputException",
            "aws-popularity-count has no hyperparameters depth; it has none",
            id="hyperparameter",
        ),
    ],
)
def test_a_solution_is_refused_for_what_cannot_be_trained(films: Films, parameters, code, said):
    found = refusal(
        films.personalize.create_solution,
        name="s",
        datasetGroupArn=films.group(),
        **parameters,
    )

    assert found[0] == code
    assert said in found[1]


def test_training_modes_are_refused_where_they_make_no_sense(films: Films):
    group = films.group()
    popular = films.solution(group, POPULAR)
    personal = films.solution(group, "arn:aws:personalize:::recipe/aws-user-personalization")
    create = films.personalize.create_solution_version

    assert refusal(create, solutionArn=popular, trainingMode="UPDATE")[1] == (
        "aws-popularity-count does not support the training mode UPDATE; use FULL"
    )
    assert refusal(create, solutionArn=personal, trainingMode="UPDATE")[1] == (
        f"{personal} has no version to update; train it with FULL first"
    )
    assert refusal(create, solutionArn=personal, trainingMode="AUTOTRAIN")[1] == (
        "AUTOTRAIN is Personalize's own; ask for FULL or UPDATE"
    )


def paths(source: str, target: str) -> dict:
    return {
        "jobInput": {"s3DataSource": {"path": source}},
        "jobOutput": {"s3DataDestination": {"path": target}},
    }


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "said"),
    [
        pytest.param(
            "create_batch_inference_job",
            {},
            "InvalidInputException",
            "aws-item-attribute-affinity is of type USER_SEGMENTATION: create a batch segment job",
            id="wrong-recipe",
        ),
        pytest.param(
            "create_batch_segment_job",
            {"numResults": 5_000_001},
            "InvalidInputException",
            "numResults must be at most 5000000 users per segment",
            id="too-many-users",
        ),
        pytest.param(
            "create_batch_segment_job",
            paths("http://films/in", "s3://films/out/"),
            "InvalidInputException",
            "Invalid S3 input path: http://films/in",
            id="input-path",
        ),
        pytest.param(
            "create_batch_segment_job",
            paths("s3://films/in/", "https://films/out/"),
            "InvalidInputException",
            "Invalid S3 output path: https://films/out/",
            id="output-path",
        ),
        pytest.param(
            "create_batch_segment_job",
            paths("s3://films/in/", "s3://films/out"),
            "InvalidInputException",
            "Invalid S3 output path: s3://films/out is not a folder; it must end in /",
            id="output-file",
        ),
        pytest.param(
            "create_batch_segment_job",
            paths("s3://films/in/", "s3://films/in/"),
            "InvalidInputException",
            "Invalid S3 output path: it is where the input lies, s3://films/in/",
            id="output-is-input",
        ),
        pytest.param(
            "create_batch_segment_job",
            {"filterArn": f"{ARN}:filter/adults"},
            "ResourceNotFoundException",
            f"Resource Arn {ARN}:filter/adults does not exist.",
            id="filter",
        ),
        pytest.param(
            "create_batch_inference_job",
            {"batchInferenceJobMode": "THEME_GENERATION"},
            "NotImplementedException",
            "the local AWS does not do the batch inference mode THEME_GENERATION",
            id="themes",
        ),
        pytest.param(
            "create_batch_inference_job",
            {"batchInferenceJobConfig": {"itemExplorationConfig": {"explorationWeight": "0.3"}}},
            "NotImplementedException",
            "the local AWS does not explore: leave out itemExplorationConfig",
            id="exploration",
        ),
    ],
)
def test_a_batch_job_is_refused_before_it_begins(trained, operation, parameters, code, said):
    films, version = trained

    assert refusal(films.job, operation=operation, version=version, **parameters) == (code, said)


def test_an_account_has_five_dataset_groups(films: Films):
    for number in range(5):
        films.personalize.create_dataset_group(name=f"films-{number}")

    code, said = refusal(films.personalize.create_dataset_group, name="films-5")
    again, _ = refusal(films.personalize.create_dataset_group, name="films-0")

    assert code == "LimitExceededException"
    assert said == (
        "Cannot create a dataset group. More than 5 resources in ACTIVE state. "
        "Please delete some and try again."
    )
    assert again == "ResourceAlreadyExistsException"


def test_a_dataset_group_has_ten_solutions(films: Films):
    group = films.group()
    for number in range(10):
        films.solution(group, POPULAR, name=f"s{number}")

    code, said = refusal(films.solution, group=group, recipe=POPULAR)

    assert code == "LimitExceededException"
    assert said.startswith("Cannot create a solution. More than 10 resources in ACTIVE state.")
    films.solution(films.group("others"), POPULAR)  # the limit is per group


def test_five_import_jobs_may_be_pending(slow_films: Films):
    dataset = slow_films.dataset(slow_films.group())
    location = slow_films.put("views.csv", interactions_csv())

    def create(number: int) -> None:
        slow_films.personalize.create_dataset_import_job(
            jobName=f"j{number}",
            datasetArn=dataset,
            dataSource={"dataLocation": location},
            roleArn=ROLE,
        )

    for number in range(5):
        create(number)
    code, said = refusal(create, number=5)

    assert code == "LimitExceededException"
    assert said == "More than 5 resources with PENDING or IN_PROGRESS status."
    slow_films.settled("datasetImportJob", f"{ARN}:dataset-import-job/j0")
    create(6)  # there is room again


def test_what_needs_a_running_model_cannot_be_created_and_says_so(trained):
    films, version = trained

    code, said = refusal(films.personalize.create_campaign, name="c", solutionVersionArn=version)

    assert code == "NotImplementedException"
    assert said == "the local AWS does not answer personalize CreateCampaign"
    runtime = films.aws.clients("personalize-runtime")
    assert refusal(runtime.get_recommendations, campaignArn=f"{ARN}:campaign/c", userId="u")[1] == (
        "the local AWS does not answer personalize-runtime GetRecommendations"
    )
    events = films.aws.clients("personalize-events")
    item = {"itemId": "i", "properties": json.dumps({"genres": "Action"})}
    assert refusal(events.put_items, datasetArn=f"{ARN}:dataset/films/ITEMS", items=[item])[1] == (
        "the local AWS does not answer personalize-events PutItems"
    )
    assert films.personalize.list_campaigns()["campaigns"] == []
