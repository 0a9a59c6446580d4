"""From CSVs in a bucket to people who like action films, through boto3 alone."""

from __future__ import annotations

import pytest

from tests.local.personalize.films import BUCKET, Films, likes


def test_csvs_become_a_segment_of_those_who_like_the_genre(films: Films):
    group = films.filled()
    version = films.trained(films.solution(group))

    metrics = films.personalize.get_solution_metrics(solutionVersionArn=version)
    answers = films.answers(
        "batchSegmentJob",
        version,
        [
            {"itemAttributes": 'ITEMS.genres = "Action"'},
            {"itemAttributes": 'ITEMS.GENRES="Horror"'},
        ],
        numResults=12,
    )

    assert metrics["solutionVersionArn"] == version
    assert set(metrics["metrics"]) == {"coverage", "hits_at_1_percent", "recall_at_1_percent"}
    for answer, genre in zip(answers, ("Action", "Horror"), strict=True):
        users = answer["output"]["usersList"]
        assert answer["error"] is None
        assert len(set(users)) == 12  # of 48, a quarter of whom like the genre
        assert {likes(int(user[1:])) for user in users} == {genre}


@pytest.mark.parametrize(
    ("recipe", "question", "scores"),
    [
        pytest.param("aws-user-personalization", {"userId": "u3"}, True, id="user"),
        pytest.param("aws-user-personalization-v2", {"userId": "u3"}, True, id="user-v2"),
        pytest.param("aws-popularity-count", {"userId": "u3"}, False, id="popular"),
        pytest.param("aws-sims", {"itemId": "i3"}, False, id="sims"),
        pytest.param("aws-similar-items", {"itemId": "i3"}, False, id="similar"),
    ],
)
def test_every_recipe_for_recommendations_answers_a_batch(films: Films, recipe, question, scores):
    group = films.filled()
    version = films.trained(films.solution(group, f"arn:aws:personalize:::recipe/{recipe}"))

    metrics = films.personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]
    (answer,) = films.answers("batchInferenceJob", version, [question], numResults=5)

    assert "normalized_discounted_cumulative_gain_at_25" in metrics
    assert answer["input"] == question
    assert len(answer["output"]["recommendedItems"]) == 5
    assert ("scores" in answer["output"]) is scores


def test_item_affinity_finds_users_for_a_film(films: Films):
    group = films.filled()
    recipe = "arn:aws:personalize:::recipe/aws-item-affinity"
    version = films.trained(films.solution(group, recipe))

    (answer,) = films.answers("batchSegmentJob", version, [{"itemId": "i4"}], numResults=5)

    assert len(answer["output"]["usersList"]) == 5


def test_a_job_leaves_its_answers_and_an_empty_check_object(trained):
    films, version = trained
    films.put("in/job_config.json", '{"itemAttributes": "ITEMS.GENRES = \\"Drama\\""}\n')
    films.put("in/more/second.json", '{"itemAttributes": "ITEMS.GENRES = \\"Any\\""}\n')

    arn = films.job(
        "create_batch_segment_job",
        version,
        jobOutput={"s3DataDestination": {"path": f"s3://{BUCKET}/check/"}},
    )["batchSegmentJobArn"]
    job = films.settled("batchSegmentJob", arn)
    found = films.s3.list_objects_v2(Bucket=BUCKET, Prefix="check/")["Contents"]

    assert job["numResults"] == 25
    assert {each["Key"]: each["Size"] > 0 for each in found} == {
        "check/_CHECK": False,
        "check/job_config.json.out": True,
        "check/more/second.json.out": True,
    }
