"""Deletions and updates: what they change, and what keeps them from it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.local.personalize.films import POPULAR, Films, interactions_csv, schema


def kept(call, **arn: str) -> str:
    """The message with which a deletion is refused as in use."""
    with pytest.raises(ClientError) as refusal:
        call(**arn)
    assert refusal.value.response["Error"]["Code"] == "ResourceInUseException"
    return refusal.value.response["Error"]["Message"]


def test_everything_can_be_taken_down_from_the_leaves_to_the_root(films: Films):
    personalize = films.personalize
    group = films.filled()
    solution = films.solution(group, POPULAR)
    version = films.trained(solution)
    datasets = [d["datasetArn"] for d in personalize.list_datasets()["datasets"]]
    schemas = [s["schemaArn"] for s in personalize.list_schemas()["schemas"]]

    assert kept(personalize.delete_dataset_group, datasetGroupArn=group) == (
        f"Resource Arn {group} still has {datasets[0]}."
    )
    assert kept(personalize.delete_schema, schemaArn=schemas[0]) == (
        f"Resource Arn {schemas[0]} is used by {datasets[0]}."
    )
    for dataset in datasets:
        personalize.delete_dataset(datasetArn=dataset)
    assert kept(personalize.delete_dataset_group, datasetGroupArn=group) == (
        f"Resource Arn {group} still has {solution}."
    )
    personalize.delete_solution(solutionArn=solution)
    personalize.delete_dataset_group(datasetGroupArn=group)
    for each in schemas:
        personalize.delete_schema(schemaArn=each)

    with pytest.raises(personalize.exceptions.ResourceNotFoundException):
        personalize.describe_solution_version(solutionVersionArn=version)
    for operation, result in (
        ("list_dataset_groups", "datasetGroups"),
        ("list_datasets", "datasets"),
        ("list_dataset_import_jobs", "datasetImportJobs"),
        ("list_schemas", "schemas"),
        ("list_solutions", "solutions"),
        ("list_solution_versions", "solutionVersions"),
    ):
        assert getattr(personalize, operation)()[result] == []


def test_a_new_dataset_of_an_old_name_is_empty(films: Films):
    group = films.group()
    dataset = films.dataset(group)
    films.imported(dataset, interactions_csv())
    films.personalize.delete_dataset(datasetArn=dataset)

    again = films.dataset(group)
    version = films.version(films.solution(group, POPULAR))

    assert again == dataset
    assert films.personalize.list_dataset_import_jobs(datasetArn=again)["datasetImportJobs"] == []
    assert version["failureReason"] == "Dataset has fewer than 1000 interactions"


def test_what_is_being_made_or_deleted_cannot_be_deleted(slow_films: Films):
    personalize = slow_films.personalize
    arn = personalize.create_dataset_group(name="films")["datasetGroupArn"]

    making = kept(personalize.delete_dataset_group, datasetGroupArn=arn)
    slow_films.settled("datasetGroup", arn)
    personalize.delete_dataset_group(datasetGroupArn=arn)
    deleting = kept(personalize.delete_dataset_group, datasetGroupArn=arn)

    assert making == f"Resource Arn {arn} is in the state CREATE PENDING."
    assert deleting == f"Resource Arn {arn} is in the state DELETE PENDING."


def test_a_dataset_with_an_import_under_way_is_kept(slow_films: Films):
    dataset = slow_films.dataset(slow_films.group())
    job = slow_films.personalize.create_dataset_import_job(
        jobName="views",
        datasetArn=dataset,
        dataSource={"dataLocation": slow_films.put("v.csv", interactions_csv())},
    )["datasetImportJobArn"]

    said = kept(slow_films.personalize.delete_dataset, datasetArn=dataset)

    assert said == f"Resource Arn {dataset} is used by {job}, which is CREATE PENDING."


def test_a_solution_with_a_batch_job_under_way_is_kept(slow_films: Films):
    solution = slow_films.solution(slow_films.filled(), POPULAR)
    version = slow_films.trained(solution)
    job = slow_films.job("create_batch_inference_job", version)["batchInferenceJobArn"]

    said = kept(slow_films.personalize.delete_solution, solutionArn=solution)

    assert said == f"Resource Arn {solution} is used by {job}."


def test_a_failed_resource_can_be_deleted(films: Films):
    solution = films.solution(films.group(), POPULAR)
    films.version(solution)

    films.personalize.delete_solution(solutionArn=solution)

    assert films.personalize.list_solutions()["solutions"] == []


def test_a_solutions_automatic_training_can_be_switched_off(slow_films: Films):
    solution = slow_films.solution(slow_films.group(), POPULAR, performAutoTraining=True)
    config = {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    describe = slow_films.personalize.describe_solution

    slow_films.personalize.update_solution(
        solutionArn=solution, performAutoTraining=False, solutionUpdateConfig=config
    )
    again = kept(
        slow_films.personalize.update_solution, solutionArn=solution, performAutoTraining=True
    )
    updates = [describe(solutionArn=solution)["solution"] for _ in range(3)]

    assert again == f"Resource Arn {solution} is being updated."
    assert [each["latestSolutionUpdate"]["status"] for each in updates] == [
        "CREATE PENDING",
        "CREATE IN_PROGRESS",
        "ACTIVE",
    ]
    assert {each["status"] for each in updates} == {"ACTIVE"}
    assert updates[-1]["performAutoTraining"] is False
    assert updates[-1]["solutionConfig"] == config
    assert updates[-1]["latestSolutionUpdate"]["solutionUpdateConfig"] == config


def test_automatic_training_is_on_unless_it_is_refused_as_on_aws(films: Films):
    arn = films.personalize.create_solution(
        name="s", datasetGroupArn=films.group(), recipeArn=POPULAR
    )["solutionArn"]

    assert films.settled("solution", arn)["performAutoTraining"] is True


def test_incremental_updates_of_solutions_are_refused(films: Films):
    solution = films.solution(films.group(), POPULAR)

    with pytest.raises(ClientError, match="the local AWS does not do performIncrementalUpdate"):
        films.personalize.update_solution(solutionArn=solution, performIncrementalUpdate=True)


def test_what_is_not_active_cannot_be_updated(slow_films: Films):
    personalize = slow_films.personalize
    group = slow_films.group()
    users = personalize.create_schema(name="users", schema=schema("Users"))["schemaArn"]
    solution = personalize.create_solution(name="s", datasetGroupArn=group, recipeArn=POPULAR)
    dataset = personalize.create_dataset(
        name="d", schemaArn=users, datasetGroupArn=group, datasetType="Users"
    )

    assert "is not ACTIVE but CREATE PENDING" in kept(
        personalize.update_solution, solutionArn=solution["solutionArn"]
    )
    assert "is not ACTIVE but CREATE PENDING" in kept(
        personalize.update_dataset, datasetArn=dataset["datasetArn"], schemaArn=users
    )


def test_a_version_can_be_updated_once_there_is_one(films: Films):
    recipe = "arn:aws:personalize:::recipe/aws-user-personalization"
    solution = films.solution(films.filled(), recipe)
    films.trained(solution)

    updated = films.version(solution, trainingMode="UPDATE")

    assert (updated["status"], updated["trainingMode"]) == ("ACTIVE", "UPDATE")
    assert (
        len(films.personalize.list_solution_versions(solutionArn=solution)["solutionVersions"]) == 2
    )
