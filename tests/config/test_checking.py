"""The parameter file as a whole: what must fit together, and how it is reported."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization import config
from personalization.errors import ConfigError
from tests.config.files import (
    FULL,
    NOW,
    REMOVED,
    changed,
    check,
    entry,
    record,
    said,
    small,
    solution,
)

ARN = "arn:aws:personalize:::recipe"
ITEMS = entry(
    "goods",
    record(
        "Items",
        {"name": "ITEM_ID", "type": "string"},
        {"name": "STORY", "type": "string", "textual": True},
        {"name": "CREATION_TIMESTAMP", "type": "long"},
    ),
)


def test_the_smallest_file_has_no_finding():
    assert said(small()) == []


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param(
            "datasetGroup",
            REMOVED,
            ["error datasetGroup: is missing; datasetGroup is required"],
            id="no-group",
        ),
        pytest.param(
            "datasetGroup",
            {},
            ["error datasetGroup.serviceConfig: is missing; serviceConfig is required"],
            id="empty-group",
        ),
        pytest.param(
            "datasetGroup.serviceConfig",
            {},
            ["error datasetGroup.serviceConfig.name: is missing; name is required"],
            id="nameless-group",
        ),
        pytest.param(
            "solution",
            [],
            ["error solution: is not a known key; did you mean solutions?"],
            id="typo",
        ),
        pytest.param(
            "solutions[0].serviceConfig.solutionVersions",
            {},
            [
                "error solutions[0].serviceConfig.solutionVersions: is not a known key; "
                "did you mean solutionVersion?"
            ],
            id="typo-in-parameters",
        ),
        pytest.param(
            "batchSegmentJobs",
            [],
            [
                "error batchSegmentJobs: is not a known key; known keys: tags, datasetGroup, "
                "datasets, eventTracker, filters, recommenders, solutions; it belongs at "
                "solutions[].batchSegmentJobs"
            ],
            id="misplaced",
        ),
        pytest.param(
            "datasets.timestamps",
            {},
            [
                "error datasets.timestamps: is not a known key; known keys: serviceConfig, "
                "interactions, items, users"
            ],
            id="no-such-dataset",
        ),
        pytest.param(
            "solutions[0].solutionVersion",
            {},
            [
                "error solutions[0].solutionVersion: is not a known key; known keys: "
                "serviceConfig, workflowConfig, campaigns, batchInferenceJobs, batchSegmentJobs; "
                "it belongs at solutions[].serviceConfig.solutionVersion"
            ],
            id="version-beside-the-parameters",
        ),
        pytest.param(
            "solutions[0].batchInferenceJobs[0].workflowConfig.schedules",
            {},
            [
                "error solutions[0].batchInferenceJobs[0].workflowConfig.schedules: "
                "is not a known key; did you mean schedule?"
            ],
            id="schedules-of-a-job",
        ),
        pytest.param(
            "solutions[0].campaigns[0].serviceConfig",
            {"name": "c", "minProvisionedTPS": 0, "campaignConfig": {"syncWithLatest": True}},
            [
                "error solutions[0].campaigns[0].serviceConfig.minProvisionedTPS: is 0; "
                "must be at least 1",
                "error solutions[0].campaigns[0].serviceConfig.campaignConfig.syncWithLatest: "
                "is not a known key; did you mean syncWithLatestSolutionVersion?",
            ],
            id="deep-inside-a-campaign",
        ),
        pytest.param(
            "solutions[0].serviceConfig.performHPO",
            None,
            [
                "error solutions[0].serviceConfig.performHPO: is null; leave the key out, or give "
                "it a value"
            ],
            id="null-parameter",
        ),
        pytest.param(
            "tags",
            [{"tagKey": "a", "value": "b"}],
            [
                "error tags[0].tagValue: is missing; tagValue is required",
                "error tags[0].value: is not a known key; known keys: tagKey, tagValue",
            ],
            id="root-tags",
        ),
        pytest.param("tags", "a", ["error tags: is a string: 'a'; must be a list"], id="tags-text"),
        pytest.param(
            "tags",
            [{"tagKey": "team", "tagValue": "a"}, {"tagKey": "team", "tagValue": "b"}],
            [
                "error tags[1].tagKey: is 'team' again; a key has one value; "
                "tags[0].tagKey has it, too"
            ],
            id="tag-twice",
        ),
        pytest.param(
            "filters",
            [
                {
                    "serviceConfig": {
                        "name": "f",
                        "filterExpression": "x",
                        "tags": [{"tagKey": "aws:team", "tagValue": "aws:a"}],
                    }
                }
            ],
            [
                "error filters[0].serviceConfig.tags[0].tagKey: is 'aws:team'; "
                "aws: begins the tags that AWS sets; choose another",
                "error filters[0].serviceConfig.tags[0].tagValue: is 'aws:a'; "
                "aws: begins the tags that AWS sets; choose another",
            ],
            id="tags-of-aws",
        ),
        *(
            pytest.param(
                path,
                [{"tagKey": f"k{n}", "tagValue": ""} for n in range(count)],
                [f"error {path}: has {count} tags; a resource has at most 50"],
                id=f"{count}-tags",
            )
            for path, count in (("solutions[0].serviceConfig.tags", 51), ("tags", 201))
        ),
        pytest.param(
            "datasets.interactions.dataset.serviceConfig.datasetType",
            "Interactions",
            [
                "warning datasets.interactions.dataset.serviceConfig.datasetType: is ignored; "
                "the workflow supplies it for every dataset; take it out"
            ],
            id="supplied",
        ),
        pytest.param(
            "solutions[0].serviceConfig.solutionVersion.name",
            "solutionV1",
            [
                "warning solutions[0].serviceConfig.solutionVersion.name: is ignored; "
                "the workflow supplies it for every solution version; take it out"
            ],
            id="version-name-as-in-the-upstream-readme",
        ),
        pytest.param(
            "datasets",
            {"items": ITEMS},
            [
                "error datasets.interactions: is missing; an interactions dataset and its schema "
                "are the least that must be declared"
            ],
            id="no-interactions",
        ),
        pytest.param(
            "datasets",
            REMOVED,
            [
                "warning datasets: is missing, so nothing will be imported; declare at least "
                "interactions, unless the dataset group has its datasets already"
            ],
            id="no-datasets",
        ),
        pytest.param(
            "datasets.users",
            {"schema": {"serviceConfig": {}}, "dataset": {"serviceConfig": {"name": "u"}}},
            [
                "error datasets.users.schema.serviceConfig.name: is missing; name is required",
                "error datasets.users.schema.serviceConfig.schema: is missing; schema is required",
            ],
            id="empty-schema",
        ),
        pytest.param(
            "datasetGroup.serviceConfig.roleArn",
            "arn:aws:iam::123456789012:role/personalize",
            [
                "error datasetGroup.serviceConfig.roleArn: is given without kmsKeyArn; "
                "give both, or neither"
            ],
            id="role-without-key",
        ),
        pytest.param(
            "datasets.interactions.schema.serviceConfig.domain",
            "ECOMMERCE",
            [
                "error datasets.interactions.schema.serviceConfig.schema.fields: has no "
                'EVENT_TYPE; ECOMMERCE Interactions need it as "string"',
                "error datasets.interactions.schema.serviceConfig.domain: is 'ECOMMERCE'; the "
                "dataset group has none; both must be the same",
            ],
            id="domain-of-a-schema",
        ),
        pytest.param(
            "recommenders",
            [{"serviceConfig": {"name": "r", "recipeArn": f"{ARN}/aws-ecomm-recommended-for-you"}}],
            [
                "error recommenders[0].serviceConfig.recipeArn: is aws-ecomm-recommended-for-you, "
                "for ECOMMERCE; the dataset group has none; set datasetGroup.serviceConfig.domain "
                "to ECOMMERCE, or take it out"
            ],
            id="recommender-without-a-domain",
        ),
        pytest.param(
            "recommenders",
            [{"serviceConfig": {"name": "r", "recipeArn": f"{ARN}/aws-sims"}}],
            [
                "error recommenders[0].serviceConfig.recipeArn: is aws-sims, a recipe for "
                "solutions; move it to solutions, or choose a recommender's"
            ],
            id="recommender-of-a-solution-recipe",
        ),
        pytest.param(
            "recommenders",
            [{"serviceConfig": {"name": "r", "recipeArn": f"{ARN}/aws-vod-top-pick"}}],
            [
                "error recommenders[0].serviceConfig.recipeArn: names the unknown recipe "
                "'aws-vod-top-pick'; close to it: aws-vod-top-picks, aws-vod-more-like-x, "
                "aws-vod-most-popular"
            ],
            id="recommender-of-an-unknown-recipe",
        ),
        pytest.param(
            "solutions[1]",
            solution("aws-sims"),
            [
                "error solutions[1].serviceConfig.name: is 'likes', as in solutions[0]; "
                "every solution needs its own name"
            ],
            id="two-solutions-of-one-name",
        ),
        pytest.param(
            "solutions",
            [
                solution(campaigns=[{"serviceConfig": {"name": "c"}}]),
                {
                    "serviceConfig": {"name": "more", "recipeArn": f"{ARN}/aws-sims"},
                    "campaigns": [{"serviceConfig": {"name": "c"}}],
                },
            ],
            [
                "error solutions[1].campaigns[0].serviceConfig.name: is 'c', as in "
                "solutions[0].campaigns[0]; every campaign needs its own name"
            ],
            id="two-campaigns-of-one-name",
        ),
        pytest.param(
            "datasets.items",
            changed("dataset.serviceConfig.name", "visits", ITEMS),
            [
                "warning datasets.items.dataset.serviceConfig.name: is 'visits', as in "
                "datasets.interactions.dataset; another name tells them apart"
            ],
            id="two-datasets-of-one-name",
        ),
        pytest.param(
            "datasets.items",
            changed("schema.serviceConfig.name", "visits-schema", ITEMS),
            [
                "error datasets.items.schema.serviceConfig.name: is 'visits-schema', as in "
                "datasets.interactions.schema; every schema needs its own name"
            ],
            id="two-schemas-of-one-name",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_its_repair(path, value, expected):
    assert said(changed(path, value)) == expected


def parameters(recipe: str, **more: Any) -> dict[str, Any]:
    return {"serviceConfig": {"name": "likes", "recipeArn": f"{ARN}/{recipe}"} | more}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        pytest.param(
            parameters("aws-user-personalisation"),
            [
                "error solutions[0].serviceConfig.recipeArn: names the unknown recipe "
                "'aws-user-personalisation'; close to it: aws-user-personalization, "
                "aws-user-personalization-v2, aws-personalized-ranking"
            ],
            id="unknown-recipe",
        ),
        pytest.param(
            parameters("x"),
            [
                "error solutions[0].serviceConfig.recipeArn: names the unknown recipe 'x'; "
                f"there are: {', '.join(config.RECIPES)}"
            ],
            id="nothing-like-a-recipe",
        ),
        pytest.param(
            {
                "serviceConfig": {
                    "name": "likes",
                    "recipeArn": "arn:aws:personalize:eu-west-1:123456789012:recipe/aws-sims",
                }
            },
            [
                "error solutions[0].serviceConfig.recipeArn: is "
                "'arn:aws:personalize:eu-west-1:123456789012:recipe/aws-sims'; recipes are "
                "Amazon's own, at arn:aws:personalize:::recipe/NAME; close to it: aws-sims, "
                "aws-similar-items"
            ],
            id="recipe-of-an-account",
        ),
        pytest.param(
            parameters("aws-vod-top-picks"),
            [
                "error solutions[0].serviceConfig.recipeArn: is aws-vod-top-picks, which is a "
                "recommender's; move it to recommenders"
            ],
            id="recipe-of-a-recommender",
        ),
        pytest.param(
            {"serviceConfig": {"name": "likes", "performAutoML": True}},
            [
                "error solutions[0].serviceConfig.performAutoML: is true; Personalize no longer "
                "chooses recipes; take it out and name one in recipeArn"
            ],
            id="auto-ml",
        ),
        pytest.param(
            parameters("aws-sims", performHPO="no", eventType=1),
            [
                "error solutions[0].serviceConfig.performHPO: is a string: 'no'; must be true or "
                "false",
                "error solutions[0].serviceConfig.eventType: is a number: 1; must be a string",
            ],
            id="types",
        ),
        pytest.param(
            parameters("aws-sims", performIncrementalUpdate=True),
            [
                "error solutions[0].serviceConfig.performIncrementalUpdate: is true for aws-sims; "
                "only aws-semantic-similarity takes it"
            ],
            id="incremental",
        ),
        pytest.param(
            parameters(
                "aws-sims",
                solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(7 days)"}},
            ),
            [
                "warning solutions[0].serviceConfig.solutionConfig.autoTrainingConfig: is given, "
                "but performAutoTraining is not true; set it to true; it is false here unless you "
                "say so, because trainings cost money"
            ],
            id="automatic-training-that-is-off",
        ),
        *(
            pytest.param(
                parameters(
                    "aws-sims",
                    performAutoTraining=True,
                    solutionConfig={"autoTrainingConfig": {"schedulingExpression": rate}},
                ),
                [
                    "error solutions[0].serviceConfig.solutionConfig.autoTrainingConfig."
                    f"schedulingExpression: is {rate}; rate(1 day) to rate(30 days) is allowed"
                ],
                id=rate,
            )
            for rate in ("rate(0 days)", "rate(31 days)")
        ),
        pytest.param(
            parameters("aws-sims", performAutoTraining=True)
            | {"workflowConfig": {"schedules": {"full": "cron(0 0 * * ? *)"}}},
            [
                "warning solutions[0].serviceConfig.performAutoTraining: is true; "
                "workflowConfig.schedules.full trains it too; keep one, or pay for both"
            ],
            id="trained-twice",
        ),
        pytest.param(
            parameters("aws-user-personalization-v2", solutionVersion={"trainingMode": "UPDATE"}),
            [
                "error solutions[0].serviceConfig.solutionVersion.trainingMode: is UPDATE, but "
                "aws-user-personalization-v2 cannot be updated; only aws-user-personalization and "
                "aws-hrnn-coldstart can be updated; use FULL (v2 follows new items by itself and "
                "takes no trainingMode UPDATE)"
            ],
            id="update-of-v2",
        ),
        pytest.param(
            parameters("aws-item-affinity") | {"campaigns": [{"serviceConfig": {"name": "c"}}]},
            [
                "error solutions[0].campaigns[0]: belongs to a solution of aws-item-affinity; that "
                "recipe makes segments only; take it out, or use batchSegmentJobs"
            ],
            id="campaign-of-segments",
        ),
        pytest.param(
            parameters("aws-item-affinity") | {"batchInferenceJobs": [{}]},
            [
                "error solutions[0].batchInferenceJobs[0]: belongs to a solution of "
                "aws-item-affinity; that recipe makes segments only; use batchSegmentJobs"
            ],
            id="inference-of-segments",
        ),
        pytest.param(
            parameters("aws-trending-now") | {"batchInferenceJobs": [{}]},
            [
                "error solutions[0].batchInferenceJobs[0]: belongs to a solution of "
                "aws-trending-now; that recipe has no batch jobs; use a campaign"
            ],
            id="inference-of-trends",
        ),
        pytest.param(
            parameters("aws-sims") | {"batchSegmentJobs": [{}]},
            [
                "error solutions[0].batchSegmentJobs[0]: belongs to a solution of aws-sims; only "
                "aws-item-affinity and aws-item-attribute-affinity make segments"
            ],
            id="segments-of-items",
        ),
        pytest.param(
            parameters("aws-item-affinity", name="a" * 38) | {"batchSegmentJobs": [{}]},
            [
                f"error solutions[0].serviceConfig.name: is '{'a' * 38}', 38 characters; at most "
                "37, for its batch jobs are named after it"
            ],
            id="name-too-long-for-its-jobs",
        ),
        pytest.param(
            parameters("aws-item-affinity")
            | {
                "batchSegmentJobs": [
                    {"serviceConfig": {"numResults": 0}},
                    {"serviceConfig": {"numResults": 5_000_001}},
                ]
            },
            [
                "error solutions[0].batchSegmentJobs[0].serviceConfig.numResults: is 0; must be at "
                "least 1",
                "error solutions[0].batchSegmentJobs[1].serviceConfig.numResults: is 5000001; a "
                "segment has at most 5000000 users",
                "warning solutions[0].batchSegmentJobs[1]: reads the same job_config.json as "
                "solutions[0].batchSegmentJobs[0]; their filters and settings differ at most; "
                "different inputs need solutions",
            ],
            id="sizes-of-segments",
        ),
        pytest.param(
            parameters("aws-sims")
            | {
                "batchInferenceJobs": [
                    {"serviceConfig": {"batchInferenceJobMode": "THEME_GENERATION"}}
                ]
            },
            [
                "error solutions[0].batchInferenceJobs[0].serviceConfig.batchInferenceJobMode: "
                "is THEME_GENERATION without themeGenerationConfig; name the column of item names "
                "in themeGenerationConfig",
                "error solutions[0].batchInferenceJobs[0].serviceConfig.batchInferenceJobMode: "
                "is THEME_GENERATION, but the recipe is aws-sims; only aws-similar-items has "
                "themes",
            ],
            id="themes",
        ),
        pytest.param(
            parameters("aws-item-affinity")
            | {"batchSegmentJobs": [{"serviceConfig": {"jobName": "mine"}}]},
            [
                "warning solutions[0].batchSegmentJobs[0].serviceConfig.jobName: is ignored; "
                "the workflow supplies it for every batch segment job; take it out"
            ],
            id="job-name",
        ),
        pytest.param(
            parameters("aws-item-attribute-affinity"),
            [
                "error solutions[0].serviceConfig.recipeArn: aws-item-attribute-affinity has no "
                "attribute to make segments of; declare datasets.items with a column that is "
                "neither reserved nor textual"
            ],
            id="attributes-of-no-items",
        ),
        pytest.param(
            parameters("aws-semantic-similarity"),
            [
                "error solutions[0].serviceConfig.recipeArn: aws-semantic-similarity has no text "
                "to compare items by; declare datasets.items with an itemName column and a "
                "textual one"
            ],
            id="texts-of-no-items",
        ),
        pytest.param(
            parameters("aws-next-best-action"),
            [
                "warning solutions[0].serviceConfig.recipeArn: aws-next-best-action needs an "
                "Actions dataset; a parameter file declares none; make it yourself before this is "
                "trained"
            ],
            id="actions",
        ),
    ],
)
def test_a_solution_must_fit_its_recipe(declared, expected):
    assert said(small(solutions=[declared])) == expected


def test_textual_and_reserved_columns_are_no_attributes_to_make_segments_of():
    document = changed(
        "datasets.items", ITEMS, small(solutions=[parameters("aws-item-attribute-affinity")])
    )

    assert any("has no attribute to make segments of" in line for line in said(document))

    fields = ITEMS["schema"]["serviceConfig"]["schema"]["fields"]
    path = f"datasets.items.schema.serviceConfig.schema.fields[{len(fields)}]"

    assert said(changed(path, {"name": "YEAR", "type": "int"}, document)) == []


def test_segments_do_not_see_what_is_imported_incrementally():
    document = small(solutions=[parameters("aws-item-affinity")])

    assert said(changed("datasets.serviceConfig.importMode", "INCREMENTAL", document)) == [
        "warning datasets.serviceConfig.importMode: is INCREMENTAL, but solutions[0] makes "
        "segments; they are made of data imported FULL only"
    ]


def test_items_alone_are_enough_for_the_recipe_that_reads_only_them():
    document = json.loads(FULL.read_text())
    document["solutions"] = [document["solutions"][2]]
    del document["datasets"]["interactions"]

    assert said(document) == []


def test_importing_on_a_schedule_needs_something_to_import():
    document = changed("datasets", REMOVED)
    path = "datasetGroup.workflowConfig.schedules.import"

    found = said(changed(path, "cron(0 0 * * ? *)", document))

    assert f"error {path}: is there, but no datasets are; declare what to import" in found
    assert not any(line.startswith("error") for line in said(changed(path, "delete", document)))


def test_schemas_of_a_domain_group_should_name_the_domain():
    document = json.loads(FULL.read_text())
    del document["datasets"]["users"]["schema"]["serviceConfig"]["domain"]

    assert said(document) == [
        "warning datasets.users.schema.serviceConfig.domain: is missing; the dataset group's is "
        "VIDEO_ON_DEMAND; its datasets' schemas should say so"
    ]


def test_findings_come_in_the_order_of_the_lines_with_file_and_line():
    text = json.dumps(
        changed("solutions[0].serviceConfig.performHPO", 1, small(filters=[{}], tags=[{}])),
        indent=1,
    )
    lines = text.split("\n")

    checked = config.check(text, "s3://b/train/config.json")

    numbers = [finding.line for finding in checked.findings]
    assert numbers == sorted(numbers)
    assert len(numbers) == 4
    last = next(f for f in checked.findings if f.where.endswith("performHPO"))
    assert '"performHPO": 1' in lines[last.line - 1]
    assert str(last).startswith(
        f"s3://b/train/config.json:{last.line}: solutions[0].serviceConfig.performHPO: is a number"
    )


def test_loading_gives_the_file_or_raises_with_every_finding():
    assert config.load(json.dumps(small()), "c.json").solutions[0].campaigns == ()

    with pytest.raises(ConfigError, match=r"^c.json cannot be used: 2 errors\n") as caught:
        config.load(json.dumps(small(filters=[{}], hello=1)), "c.json")

    assert [finding.where for finding in caught.value.findings] == [
        "filters[0].serviceConfig",
        "hello",
    ]


def test_a_text_that_is_no_json_is_the_only_finding():
    checked = config.check('{\n"tags": [,]}', "s3://b/config.json")

    assert checked.file is None
    assert [str(finding) for finding in checked.findings] == [
        's3://b/config.json:2: is not JSON: Expecting value at column 10: "tags": [,]}; '
        "take out the comma before the bracket"
    ]


def test_a_key_written_twice_does_not_hide_the_other_findings():
    text = json.dumps(small(hello=1)).replace('"hello"', '"tags": [], "tags": [], "hello"')

    assert [finding.where for finding in config.check(text, "c.json").findings] == ["tags", "hello"]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 400])
def test_what_is_no_number_has_one_finding(number):
    checked = config.check(json.dumps(small()).replace('"shop"', number), "c.json")

    (finding,) = checked.findings
    assert str(finding).startswith(f"c.json:1: datasetGroup.serviceConfig.name: is {number[:9]}")
    assert checked.file is None


def test_warnings_do_not_refuse_the_file():
    checked = check(changed("datasets", REMOVED))

    assert checked.file is not None
    assert [finding.severity for finding in checked.findings] == ["warning"]


KEYS = sorted(set(re.findall(r'"(\w+)":', FULL.read_text())))
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["cron(0 0 * * ? *)", "delete", "1 day", f"{ARN}/aws-sims", "ECOMMERCE"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(document=ANY)
def test_no_json_makes_the_check_crash(document):
    checked = config.check(json.dumps(document), "any.json", now=NOW)

    assert (checked.file is None) == bool(checked.errors)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with each of its keys or indexes."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    inner = [value[key] for key in keys]
    own = [(value, key) for key in keys]
    return own + [p for v in inner if isinstance(v, (dict, list)) for p in places(v)]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_nothing_in_the_place_of_something_makes_the_check_crash(data):
    document = json.loads(FULL.read_text())
    container, key = data.draw(st.sampled_from(places(document)))
    container[key] = data.draw(ANY)

    checked = config.check(json.dumps(document), "any.json", now=NOW)

    assert (checked.file is None) == bool(checked.errors)
    for finding in checked.findings:
        assert finding.problem
        assert finding.line
