from __future__ import annotations

import json

import pytest

from personalization.local.personalize import answers, batch
from tests.local.personalize.films import BUCKET, POPULAR, Films

ACTION = {"itemAttributes": 'ITEMS.GENRES = "Action"'}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("{nope", "The line is not JSON: ", id="not-json"),
        pytest.param("[1]", "The line is not a JSON object", id="not-an-object"),
        pytest.param(
            '{"user": "u1"}', "The line must have one of itemAttributes, itemId", id="no-question"
        ),
        pytest.param(
            '{"itemId": "i1", "itemAttributes": "x"}',
            "The line must have one of itemAttributes, itemId",
            id="two-questions",
        ),
        pytest.param('{"itemAttributes": 7}', "itemAttributes must be a string", id="a-number"),
        pytest.param(
            '{"itemAttributes": "ITEMS.GENRES = \\"Action\\"", "filterValues": {}}',
            "The local AWS does not answer filterValues in a line",
            id="filter-values",
        ),
        pytest.param('{"itemAttributes": "ITEMS.YEAR = 1995"}', "YEAR", id="unknown-column"),
        pytest.param('{"itemAttributes": "ITEMS.GENRES >> 3"}', "expected", id="syntax"),
    ],
)
def test_a_line_that_cannot_be_answered_says_why_and_keeps_its_place(trained, line, said):
    films, version = trained

    found = films.answers("batchSegmentJob", version, [ACTION, line, ACTION], numResults=3)

    first, broken, last = found
    assert broken["output"] is None
    assert said in broken["error"]
    assert first == last
    assert first["error"] is None
    assert len(first["output"]["usersList"]) == 3


def test_blank_lines_are_passed_over(trained):
    films, version = trained
    text = "\n\n" + json.dumps(ACTION) + "\n   \n"

    assert len(films.answers("batchSegmentJob", version, [text])) == 1


def test_a_question_comes_back_as_it_was_written(trained):
    films, version = trained
    question = {"itemAttributes": 'ITEMS.genres = "Gr\u00fc\\"n"'}

    (answer,) = films.answers("batchSegmentJob", version, [question])

    assert answer["input"] == question


@pytest.mark.parametrize(
    ("line", "most"),
    [
        pytest.param(ACTION, 10, id="attributes"),
        pytest.param({"itemId": "i1"}, 500, id="items"),
    ],
)
def test_a_file_has_a_greatest_number_of_lines(trained, line, most):
    films, version = trained
    path = films.put(f"many-{most}.json", "\n".join([json.dumps(line)] * (most + 1)))

    arn = films.job("create_batch_segment_job", version, jobInput={"s3DataSource": {"path": path}})[
        "batchSegmentJobArn"
    ]
    job = films.settled("batchSegmentJob", arn)

    assert job["status"] == "CREATE FAILED"
    (key,) = line
    assert job["failureReason"] == (
        f"{path} has more than {most} lines of {key}; {most} are allowed"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(
            {"jobInput": {"s3DataSource": {"path": f"s3://{BUCKET}/no/such.json"}}},
            f"(s3://{BUCKET}/no/such.json: 404)",
            id="input",
        ),
        pytest.param(
            {"jobOutput": {"s3DataDestination": {"path": "s3://no-such-bucket/out/"}}},
            "(s3://no-such-bucket/out/: ",
            id="output",
        ),
    ],
)
def test_a_job_that_cannot_reach_its_files_fails(trained, more, said):
    films, version = trained
    films.put("in/job_config.json", json.dumps(ACTION))

    arn = films.job("create_batch_segment_job", version, **more)["batchSegmentJobArn"]
    job = films.settled("batchSegmentJob", arn)

    assert job["failureReason"].startswith(
        "Insufficient privileges for accessing data in Amazon S3. "
    )
    assert said in job["failureReason"]


def test_a_job_takes_no_more_than_its_share_of_files(trained, monkeypatch):
    films, version = trained
    monkeypatch.setattr(batch, "MOST_FILES", 1)
    films.put("share/a.json", json.dumps(ACTION))
    films.put("share/b.json", json.dumps(ACTION))

    arn = films.job(
        "create_batch_segment_job",
        version,
        jobInput={"s3DataSource": {"path": f"s3://{BUCKET}/share/"}},
    )["batchSegmentJobArn"]

    assert films.settled("batchSegmentJob", arn)["failureReason"].startswith(
        f"s3://{BUCKET}/share/ holds 2 files of "
    )


def test_segments_and_questions_larger_than_a_piece_are_whole(trained, films: Films, monkeypatch):
    monkeypatch.setattr(answers, "PIECE", 7)
    monkeypatch.setattr(answers, "TOGETHER", 3)
    world, version = trained
    (segment,) = world.answers("batchSegmentJob", version, [ACTION], numResults=40)
    popular = films.trained(films.solution(films.filled(), POPULAR))
    questions = [{"userId": f"u{n}"} for n in range(8)]

    ranked = films.answers("batchInferenceJob", popular, [*questions[:5], "oops", *questions[5:]])

    assert len(set(segment["output"]["usersList"])) == 40
    assert [line["input"] for line in ranked] == [*questions[:5], "oops", *questions[5:]]
    assert [line["error"] is None for line in ranked] == [True] * 5 + [False] + [True] * 3
    assert {len(line["output"]["recommendedItems"]) for line in ranked if line["output"]} == {25}


def test_a_described_job_shows_what_was_asked(trained):
    films, version = trained
    films.put("in/job_config.json", json.dumps(ACTION))

    arn = films.job("create_batch_segment_job", version, numResults=7)["batchSegmentJobArn"]
    job = films.settled("batchSegmentJob", arn)
    listed = films.personalize.list_batch_segment_jobs(solutionVersionArn=version)

    assert job["numResults"] == 7
    assert job["jobInput"] == {"s3DataSource": {"path": f"s3://{BUCKET}/in/"}}
    (summary,) = [j for j in listed["batchSegmentJobs"] if j["batchSegmentJobArn"] == arn]
    assert (summary["status"], summary["jobName"]) == ("ACTIVE", job["jobName"])
