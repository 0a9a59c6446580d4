"""Single flows, on good input and on bad, with the real server and the local AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from personalization.errors import ConfigError, FatalError
from personalization.parameters import (
    BatchParameters,
    ImportParameters,
    PostprocessParameters,
    TrainParameters,
)
from tests.e2e.conftest import BUCKET, DOMAIN, QUICK, SOLUTION, Place

pytestmark = [pytest.mark.server, pytest.mark.e2e]

CONFIG = "train/bingewatch/config.json"
JOB = f"batch/bingewatch/{SOLUTION}/job_config.json"


def train(place: Place, **more: Any) -> Any:
    from flows.train import train as flow

    return flow(TrainParameters(file=place.file, waiting=QUICK, **more))


def batch_segment(**more: Any) -> tuple[str, ...]:
    from flows.batch_segment import batch_segment as flow

    parameters = {"bucket": BUCKET, "dataset_group": "bingewatch", "solution": SOLUTION}
    return flow(BatchParameters(**{**parameters, "waiting": QUICK, **more}))


def artifact(key: str) -> Any:
    from prefect.artifacts import Artifact

    found = Artifact.get(key)
    assert found, key
    return json.loads(found.data)


def edited(place: Place, change: Any) -> None:
    """Change the parameter file in the bucket."""
    config = json.loads(place.read(CONFIG))
    change(config)
    place.put(CONFIG, json.dumps(config))


def without_batch_jobs(config: dict[str, Any]) -> None:
    del config["solutions"][0]["batchSegmentJobs"]


def test_plan_only_changes_nothing_and_leaves_the_table(bingewatch, prefect_server):
    report = train(bingewatch, plan_only=True)

    rows = artifact("plan-bingewatch")
    assert len(rows) == len(report.plan.steps) == 13
    assert bingewatch.count("list_dataset_groups", "datasetGroups") == 0


def test_a_segment_job_is_found_again_not_paid_for_twice(bingewatch, prefect_server):
    edited(bingewatch, without_batch_jobs)
    train(bingewatch)

    first = batch_segment(num_results=20)
    second = batch_segment(num_results=20)
    other = batch_segment(num_results=30)

    assert first == second != other
    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == 2
    [line] = bingewatch.read(first[0].removeprefix(f"s3://{BUCKET}/")).splitlines()
    assert len(json.loads(line)["output"]["usersList"]) == 20


def test_a_segment_job_is_run_again_where_that_is_asked_for(bingewatch, prefect_server):
    train(bingewatch)

    batch_segment(num_results=50, again=True)

    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == 2


def test_recommendations_are_made_for_every_user_of_the_input(bingewatch, prefect_server):
    from flows.batch_inference import batch_inference

    def recommend(config: dict[str, Any]) -> None:
        recipe = "arn:aws:personalize:::recipe/aws-user-personalization-v2"
        config["solutions"] = [{"serviceConfig": {"name": "for-you", "recipeArn": recipe}}]

    edited(bingewatch, recommend)
    train(bingewatch)
    bingewatch.put("batch/bingewatch/for-you/job_config.json", '{"userId": "1"}\n{"userId": "2"}')
    parameters = BatchParameters(
        bucket=BUCKET, dataset_group="bingewatch", solution="for-you", num_results=5, waiting=QUICK
    )
    [output] = batch_inference(parameters)

    lines = bingewatch.read(output.removeprefix(f"s3://{BUCKET}/")).splitlines()
    answers = [json.loads(line) for line in lines]
    assert [it["input"]["userId"] for it in answers] == ["1", "2"]
    assert [len(it["output"]["recommendedItems"]) for it in answers] == [5, 5]


def test_one_audience_file_is_imported_once(bingewatch, customer_profiles):
    from flows.import_audience import import_audience

    bingewatch.put("audiences/vip_20261122-120000.csv", "Id\n1\n2\n3\n")
    parameters = ImportParameters(
        file=f"s3://{BUCKET}/audiences/vip_20261122-120000.csv",
        destination=customer_profiles,
        waiting=QUICK,
    )
    first, second = import_audience(parameters), import_audience(parameters)

    profiles = bingewatch.client("customer-profiles")
    jobs = profiles.list_upload_jobs(DomainName=DOMAIN)["Items"]
    assert (first.state, first.accepted, first.segment) == ("succeeded", 3, "vip")
    assert second == first
    assert len(jobs) == 1
    [receipt] = artifact("receipts-customer-profiles")
    assert (receipt["audience"], receipt["accepted"]) == ("vip", 3)


def test_endpoints_and_audiences_reach_pinpoint_too(bingewatch, prefect_server):
    from blocks.destination import Destination
    from flows.postprocess import postprocess
    from personalization.transforms.audience_options import AudienceOptions

    pinpoint = bingewatch.client("pinpoint")
    application = pinpoint.create_app(CreateApplicationRequest={"Name": "bingewatch"})
    settings = {
        "kind": "pinpoint",
        "application_id": application["ApplicationResponse"]["Id"],
        "role_arn": "arn:aws:iam::123456789012:role/PinpointImport",
    }
    Destination(settings=settings).save("pinpoint", overwrite=True)
    trained = train(bingewatch)
    parameters = PostprocessParameters(
        output=trained.outputs[0],
        endpoints=f"s3://{BUCKET}/pinpoint/endpoints.csv",
        options=AudienceOptions(address_by="endpoint", channels=("EMAIL",)),
        destination="pinpoint",
        waiting=QUICK,
    )

    with pytest.raises(FatalError, match=r"pinpoint imported nothing of 1 .*there is no endpoint"):
        postprocess(parameters)  # Pinpoint does not know these endpoints yet

    register_endpoints(bingewatch, "pinpoint", "pinpoint/endpoints.csv")
    report = postprocess(parameters)

    [ended] = report.imports.values()
    assert (ended.state, ended.rejected) == ("succeeded", 0)
    assert ended.accepted == report.audiences[0].members > 0

    # Pinpoint cannot empty a segment; that stops no other audience.
    put_answers(bingewatch, "batch/a/b/c/", Action=[], Drama=["1", "2", "3"])
    later = parameters.model_copy(update={"output": f"s3://{BUCKET}/batch/a/b/c/"})
    with pytest.raises(FatalError, match=r"nothing of 1 audience.* cannot empty a segment"):
        postprocess(later)
    states = {it["audience"].split("_")[0]: it["state"] for it in artifact("receipts-pinpoint")}
    assert states == {"ITEMSgenresAction": "failed", "ITEMSgenresDrama": "succeeded"}


def put_answers(place: Place, folder: str, **people: list[str]) -> str:
    """Put the output of a job that asked for genres."""
    lines = [
        json.dumps(
            {
                "input": {"itemAttributes": f'ITEMS.genres = "{genre}"'},
                "output": {"usersList": users},
            }
        )
        for genre, users in people.items()
    ]
    place.put(f"{folder}job_config.json.out", "\n".join(lines))
    place.put(f"{folder}_CHECK", "")
    return f"s3://{BUCKET}/{folder}"


def test_one_refused_audience_stops_no_other(bingewatch, customer_profiles):
    from flows.postprocess import postprocess

    profiles = bingewatch.client("customer-profiles")
    theirs = {"Attributes": {"vip": {"DimensionType": "INCLUSIVE", "Values": ["yes"]}}}
    groups = [{"Dimensions": [{"ProfileAttributes": theirs}], "SourceType": "ALL", "Type": "ALL"}]
    profiles.create_segment_definition(
        DomainName=DOMAIN,
        SegmentDefinitionName="ITEMSgenresDrama",
        DisplayName="not ours",
        SegmentGroups={"Groups": groups, "Include": "ALL"},
    )
    output = put_answers(bingewatch, "batch/a/b/c/", Drama=["1"], Zombie=["2", "3"])
    parameters = PostprocessParameters(output=output, destination=customer_profiles, waiting=QUICK)

    with pytest.raises(
        FatalError, match=r"nothing of 1 audience\(s\): ITEMSgenresDrama is REFUSED"
    ):
        postprocess(parameters)

    found = profiles.list_segment_definitions(DomainName=DOMAIN)["Items"]
    assert {it["DisplayName"] for it in found} == {"not ours", "ITEMSgenresZombie"}
    drama, zombie = artifact("receipts-customer-profiles")
    assert (drama["state"], zombie["state"]) == ("failed", "succeeded")
    assert "was not made by personalize-flows" in drama["failures"]


def test_an_audience_that_became_empty_empties_its_segment(bingewatch, customer_profiles):
    from flows.postprocess import postprocess

    profiles = bingewatch.client("customer-profiles")
    counts = []
    for number, users in enumerate([["1", "2", "3"], []]):
        output = put_answers(bingewatch, f"batch/a/b/{number}/", Action=users)
        report = postprocess(
            PostprocessParameters(output=output, destination=customer_profiles, waiting=QUICK)
        )
        assert [it.state for it in report.imports.values()] == ["succeeded"]
        [segment] = [it.segment for it in report.imports.values()]
        estimate = profiles.get_segment_definition(DomainName=DOMAIN, SegmentDefinitionName=segment)
        [group] = estimate["SegmentGroups"]["Groups"]
        [dimension] = group["Dimensions"]
        [mark] = dimension["ProfileAttributes"]["Attributes"][segment]["Values"]
        held = profiles.search_profiles(DomainName=DOMAIN, KeyName="_account", Values=["1"])[
            "Items"
        ]
        counts.append(sum(it["Attributes"].get(segment) == mark for it in held))

    assert counts == [1, 0]


def register_endpoints(place: Place, destination: str, key: str) -> None:
    """Register an endpoint table without the column that Pinpoint's import does not take."""
    import io

    import polars as pl

    from flows.import_audience import import_audience

    table = pl.read_csv(io.BytesIO(place.read(key)), infer_schema=False).drop("EndpointStatus")
    place.put("pinpoint/register.csv", table.write_csv())
    parameters = ImportParameters(
        file=f"s3://{BUCKET}/pinpoint/register.csv",
        destination=destination,
        waiting=QUICK,
    )
    ended = import_audience(parameters)
    assert (ended.state, ended.accepted) == ("succeeded", table.height)


@pytest.mark.parametrize("asked", [True, None], ids=["asked-for", "by-its-header"])
def test_endpoints_are_registered_only_where_there_are_any(bingewatch, customer_profiles, asked):
    from flows.import_audience import import_audience

    parameters = ImportParameters(
        file=f"s3://{BUCKET}/pinpoint/endpoints.csv",
        destination=customer_profiles,
        register_endpoints=asked,
    )

    with pytest.raises(ConfigError, match="has no endpoints to register; an audience has the one"):
        import_audience(parameters)


def missing_config(place: Place) -> None:
    place.client("s3").delete_object(Bucket=BUCKET, Key=CONFIG)


def missing_job_input(place: Place) -> None:
    place.client("s3").delete_object(Bucket=BUCKET, Key=JOB)


def put(key: str, text: str | bytes) -> Any:
    return lambda place: place.put(key, text)


def lines_of(key: str, change: Any) -> Any:
    return lambda place: place.put(key, change(place.read(key)))


INTERACTIONS = "train/bingewatch/interactions.csv"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(missing_config, "there is no parameter file at s3://", id="no-config"),
        pytest.param(put(CONFIG, '{"a": 1,}'), r"config\.json:1", id="malformed-json"),
        pytest.param(put(CONFIG, '{"datasetGruop": {}}'), "datasetGroup", id="unknown-key"),
        pytest.param(
            put(JOB, '{"itemAttributes": "ITEMS.genres == 3"}'), "job_config", id="bad-expression"
        ),
        pytest.param(
            put(JOB, '{"itemAttributes": "ITEMS.colour = \\"red\\""}'),
            "(?i)colour",
            id="unknown-column",
        ),
        pytest.param(put(INTERACTIONS, b""), "interactions", id="empty-csv"),
        pytest.param(
            lines_of(INTERACTIONS, lambda it: it.replace(b"TIMESTAMP", b"WHEN", 1)),
            "TIMESTAMP",
            id="missing-column",
        ),
        pytest.param(
            lines_of(INTERACTIONS, lambda it: b"\n".join(it.splitlines()[:500])),
            "1,?000",
            id="too-few-interactions",
        ),
    ],
)
def test_bad_uploads_are_refused_before_anything_costs(bingewatch, prefect_server, spoil, message):
    spoil(bingewatch)

    with pytest.raises(ConfigError, match=message):
        train(bingewatch)
    assert bingewatch.count("list_dataset_groups", "datasetGroups") == 0


def test_a_solution_without_job_input_is_trained_all_the_same(bingewatch, prefect_server):
    missing_job_input(bingewatch)

    report = train(bingewatch)

    assert f"solutionVersion/{SOLUTION}" in report.arns
    assert report.outputs == ()
    with pytest.raises(ConfigError, match=f"no batch job input at s3://{BUCKET}/{JOB}; upload it"):
        batch_segment()


def test_what_does_not_exist_is_named(bingewatch, prefect_server):
    from flows.postprocess import postprocess
    from flows.train import train as train_anything

    with pytest.raises(ConfigError, match="there is no bucket nowhere; correct its name"):
        train_anything(TrainParameters(file="s3://nowhere/train/x/config.json"))
    with pytest.raises(ConfigError, match="there is no solution named bw_"):
        batch_segment()
    with pytest.raises(FatalError, match=r"nothing is in s3://.*is the path right"):
        postprocess(PostprocessParameters(output=f"s3://{BUCKET}/batch/x/y/z/"))
    with pytest.raises(ConfigError, match="no Destination block named 'crm'; save one"):
        postprocess(PostprocessParameters(output=f"s3://{BUCKET}/b/", destination="crm"))


def test_a_job_that_has_not_finished_is_not_postprocessed(bingewatch, prefect_server):
    from flows.postprocess import postprocess

    bingewatch.put("batch/a/b/c/job_config.json.out", "{}")

    with pytest.raises(FatalError, match="there is no _CHECK in s3://"):
        postprocess(PostprocessParameters(output=f"s3://{BUCKET}/batch/a/b/c/"))


LINES = (
    '{"input": {"itemAttributes": "ITEMS.genres = \\"Action\\""}, '
    '"output": {"usersList": ["1", "2"]}, "error": null}\n'
    '{"input": {"itemId": "7/é \\"x\\""}, "output": {"recommendedUsers": ["3"]}}\r\n'
    '{"input": {"itemId": "8"}, "output": null, "error": "no such item"}\n'
    "{broken\n"
)


def put_output(place: Place, folder: str) -> str:
    place.put(f"{folder}job_config.json.out", LINES)
    place.put(f"{folder}_CHECK", "")
    return f"s3://{BUCKET}/{folder}"


def test_bad_lines_are_kept_and_counted_and_the_rest_goes_on(bingewatch, prefect_server):
    from flows.postprocess import postprocess

    output = put_output(bingewatch, "batch/a b/ü/job+1/")
    report = postprocess(PostprocessParameters(output=output))

    assert [it.members for it in report.audiences] == [2, 1]
    assert (report.lines, report.rejected) == (4, 2)
    assert report.rejects == f"s3://{BUCKET}/audiences/a b/ü/job+1/rejected/rejected.out"
    kept = bingewatch.read("audiences/a b/ü/job+1/rejected/rejected.out").splitlines()
    assert kept[1] == b"{broken"
    [first, _] = report.audiences
    assert bingewatch.read(first.file.removeprefix(f"s3://{BUCKET}/")) == b"Id\n1\n2\n"


def test_too_many_bad_lines_fail_the_run_and_say_where_they_are(bingewatch, prefect_server):
    from flows.postprocess import postprocess

    parameters = PostprocessParameters(
        output=put_output(bingewatch, "batch/a/b/c/"), max_rejected=0.25
    )

    with pytest.raises(FatalError, match=r"2 of 4 lines .* s3://.*/rejected/rejected\.out"):
        postprocess(parameters)
    assert bingewatch.read("audiences/a/b/c/rejected/rejected.out")


def test_a_repeat_writes_the_same_files(bingewatch, prefect_server):
    from flows.postprocess import postprocess

    parameters = PostprocessParameters(output=put_output(bingewatch, "batch/a/b/c/"))

    assert postprocess(parameters).audiences == postprocess(parameters).audiences
    objects = bingewatch.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="audiences/a/b/c/")
    # Two audiences with their lineage, the rejected lines and the reasons.
    assert objects["KeyCount"] == 6


def test_a_destination_that_refuses_is_named_before_anything_is_written(bingewatch, prefect_server):
    from blocks.destination import Destination
    from flows.postprocess import postprocess

    settings = {"kind": "customer_profiles", "domain": "elsewhere"}
    Destination(settings=settings).save("elsewhere", overwrite=True)
    output = put_output(bingewatch, "batch/a/b/c/")

    with pytest.raises(FatalError, match="elsewhere"):
        postprocess(PostprocessParameters(output=output, destination="elsewhere"))
    objects = bingewatch.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="audiences/")
    assert objects["KeyCount"] == 0


def test_ids_that_a_destination_does_not_know_are_refused_with_the_way_out(
    bingewatch, customer_profiles
):
    from flows.postprocess import postprocess

    output = put_output(bingewatch, "batch/a/b/c/")
    parameters = PostprocessParameters.model_validate(
        {
            "output": output,
            "endpoints": f"s3://{BUCKET}/pinpoint/endpoints.csv",
            "options": {"address_by": "endpoint"},
            "destination": customer_profiles,
        }
    )

    with pytest.raises(ConfigError, match=r"set options\.address_by to 'user'"):
        postprocess(parameters)
