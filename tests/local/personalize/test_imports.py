from __future__ import annotations

import gzip

import pytest

from tests.local.personalize.films import (
    BUCKET,
    FIELDS,
    POPULAR,
    Films,
    interactions_csv,
    items_csv,
    schema,
)

HEADER = "USER_ID,ITEM_ID,TIMESTAMP\n"
CONFORM = (
    "Input csv has rows that do not conform to the dataset schema. Please ensure all required data "
    "fields are present and that they are of the type specified in the schema."
)


def imported(films: Films, csv: str | bytes, kind: str = "Interactions", fields=None) -> str:
    """Import one file and return the failureReason, or "" where there is none."""
    dataset = films.dataset(films.group(), kind, fields)
    job = films.import_job(dataset, films.put("data.csv", csv))
    assert job["status"] == ("CREATE FAILED" if "failureReason" in job else "ACTIVE")
    return job.get("failureReason", "")


@pytest.mark.parametrize(
    ("csv", "reason"),
    [
        pytest.param(
            "USER_ID,WHEN\nu1,1\n",
            "Input CSV is missing the following columns:[ITEM_ID, TIMESTAMP].",
            id="missing-columns",
        ),
        pytest.param(
            "",
            "Input CSV is missing the following columns:[USER_ID, ITEM_ID, TIMESTAMP].",
            id="empty",
        ),
        pytest.param(
            HEADER + "u1,i1,1\nu2,i2,yesterday\n",
            f"{CONFORM} s3://films/data.csv: row 2, column TIMESTAMP: 'yesterday' is not a long",
            id="type",
        ),
        pytest.param(
            HEADER + "u1,i1,1.5\n",
            f"{CONFORM} s3://films/data.csv: row 1, column TIMESTAMP: '1.5' is not a long",
            id="fraction",
        ),
        pytest.param(
            HEADER + "u1,i1,1\n,i2,2\n",
            f"{CONFORM} s3://films/data.csv: row 2, column USER_ID: there is no value, and the "
            "schema does not allow null",
            id="null",
        ),
        pytest.param(
            HEADER + "u1,i1,1\n" + "u" * 257 + ",i2,2\n",
            "Length cannot be more than 256 characters for USER_ID. s3://films/data.csv: row 2 has "
            "257",
            id="long-id",
        ),
    ],
)
def test_a_fault_of_a_csv_is_named_with_row_and_column(films: Films, csv, reason):
    assert imported(films, csv) == reason


def test_rows_with_too_many_fields_do_not_conform(films: Films):
    reason = imported(films, HEADER + "u1,i1,1,x,y\n")

    assert reason.startswith(f"{CONFORM} s3://films/data.csv: ")


def test_bytes_that_are_not_utf_8_do_not_conform(films: Films):
    reason = imported(films, HEADER.encode() + b"u\xff,i1,1\n")

    assert reason.startswith(f"{CONFORM} s3://films/data.csv: ")


def test_compressed_files_are_no_csv(films: Films):
    reason = imported(films, gzip.compress((HEADER + "u1,i1,1\n").encode()))

    assert reason == "Input CSV is missing the following columns:[USER_ID, ITEM_ID, TIMESTAMP]."


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("true", "", id="true"),
        pytest.param("False", "", id="False"),
        pytest.param("", "", id="null"),
        pytest.param(
            "yes",
            f"{CONFORM} s3://films/data.csv: row 1, column NEW: 'yes' is not a boolean",
            id="yes",
        ),
    ],
)
def test_booleans_are_true_or_false(films: Films, value, reason):
    fields = [*FIELDS["Items"], {"name": "NEW", "type": ["boolean", "null"]}]

    assert imported(films, f"ITEM_ID,GENRES,NEW\ni1,Action,{value}\n", "Items", fields) == reason


@pytest.mark.parametrize(
    ("field", "limit"),
    [
        pytest.param({"name": "GENRES", "categorical": True}, 1000, id="categorical"),
        pytest.param({"name": "PLOT", "textual": True}, 20_000, id="textual"),
    ],
)
def test_text_has_a_greatest_length(films: Films, field, limit):
    fields = [FIELDS["Items"][0], {**field, "type": "string"}]
    name = field["name"]
    fits = imported(films, f"ITEM_ID,{name}\ni1,{'x' * limit}\n", "Items", fields)
    films.s3.delete_object(Bucket=BUCKET, Key="data.csv")
    job = films.import_job(
        "arn:aws:personalize:us-east-1:123456789012:dataset/films/ITEMS",
        films.put("data.csv", f"ITEM_ID,{name}\ni1,{'x' * (limit + 1)}\n"),
    )

    assert fits == ""
    assert job["failureReason"].startswith(
        f"Length cannot be more than {limit} characters for {name}. "
    )


@pytest.mark.parametrize(
    "csv",
    [
        pytest.param(HEADER.replace("\n", "\r\n") + "u1,i1,1\r\n", id="crlf"),
        pytest.param("\ufeff" + HEADER + "u1,i1,1\n", id="byte-order-mark"),
        pytest.param("TIMESTAMP,EXTRA,ITEM_ID,USER_ID\n1,x,i1,u1\n", id="order-and-extra"),
        pytest.param(HEADER + '"u, 1",i1,1\n', id="quoted-comma"),
        pytest.param(HEADER + '"u\n1",i1,1\n', id="quoted-newline"),
        pytest.param(HEADER + "u1,i1,1", id="no-newline-at-the-end"),
        pytest.param(HEADER + "007,1e5,1\n", id="ids-that-look-like-numbers"),
        pytest.param(HEADER, id="header-only"),
    ],
)
def test_what_is_odd_but_sound_is_imported(films: Films, csv):
    assert imported(films, csv) == ""


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        pytest.param("s3://films/nothing.csv", "s3://films/nothing.csv: 404", id="no-object"),
        pytest.param("s3://films/nowhere/", "there is nothing below it", id="no-folder"),
        pytest.param("s3://no-such-bucket/x.csv", "s3://no-such-bucket/x.csv: 404", id="no-bucket"),
        pytest.param("s3://no-such-bucket/x/", "NoSuchBucket", id="no-bucket-for-a-folder"),
    ],
)
def test_what_s3_does_not_have_is_reported_as_personalize_does(films: Films, location, reason):
    job = films.import_job(films.dataset(films.group()), location)

    assert job["status"] == "CREATE FAILED"
    assert job["failureReason"].startswith(
        "Insufficient privileges for accessing data in Amazon S3. ("
    )
    assert reason in job["failureReason"]


def test_a_folder_is_all_files_in_it_and_one_fault_fails_them_all(films: Films):
    group = films.group()
    dataset = films.dataset(group)
    lines = interactions_csv().splitlines()
    films.put("views/a.csv", "\n".join(lines[:600]))
    films.put("views/deeper/b.csv", "\n".join([lines[0], *lines[600:]]))
    films.put("views/", "")  # as the console makes folders

    whole = films.import_job(dataset, f"s3://{BUCKET}/views/")
    version = films.version(films.solution(group, POPULAR))
    films.put("views/c.csv", HEADER + "u1,i1,never\n")
    broken = films.import_job(dataset, f"s3://{BUCKET}/views/")
    again = films.version(films.solution(group, POPULAR))

    assert whole["status"] == "ACTIVE"
    assert version["status"] == "ACTIVE"  # 599 or 553 rows alone would be too few
    assert "s3://films/views/c.csv: row 1" in broken["failureReason"]
    assert again["status"] == "ACTIVE"  # what was there is still there


def popular(films: Films, group: str) -> list[str]:
    """The two most popular films after a training."""
    version = films.trained(films.solution(group, POPULAR))
    (answer,) = films.answers("batchInferenceJob", version, [{"userId": "u"}], numResults=2)
    return answer["output"]["recommendedItems"]


def views(item: str, count: int) -> str:
    """As many users, each of whom saw the film twice."""
    rows = [f"{item}-u{n // 2},{item},{1_700_000_000 + n}\n" for n in range(count)]
    return HEADER + "".join(rows)


def test_full_replaces_what_was_imported_and_incremental_adds_to_it(films: Films):
    group = films.group()
    dataset = films.dataset(group)
    films.imported(dataset, views("first", 1100))

    films.imported(dataset, views("second", 1200), importMode="INCREMENTAL")
    both = popular(films, group)
    films.imported(dataset, views("third", 1000), importMode="FULL")
    replaced = popular(films, group)

    assert both == ["second", "first"]
    assert replaced == ["third"]


def test_an_item_that_comes_again_replaces_itself(films: Films):
    group = films.group()
    films.imported(films.dataset(group), interactions_csv())
    items = films.dataset(group, "Items")
    films.imported(items, items_csv())
    question = [{"itemAttributes": 'ITEMS.GENRES = "Western"'}]

    films.imported(items, "ITEM_ID,GENRES\ni0,Western\ni0,Action\n", importMode="INCREMENTAL")
    segments = films.trained(films.solution(group))
    ignored = films.answers("batchSegmentJob", segments, question)
    films.imported(items, items_csv() + "i0,Western\n")
    segments = films.trained(films.solution(group))
    found = films.answers("batchSegmentJob", segments, question, numResults=3)

    # Segments learn from what came by FULL imports alone; a film that comes twice counts once.
    assert ignored[0]["output"] is None
    assert len(found[0]["output"]["usersList"]) == 3


def test_a_replaced_schema_is_the_one_of_the_next_import(films: Films):
    dataset = films.dataset(films.group(), "Users")
    films.imported(dataset, "USER_ID,AGE\nu1,30\n")
    fields = [*FIELDS["Users"], {"name": "CITY", "type": ["null", "string"], "categorical": True}]
    made = films.personalize.create_schema(name="cities", schema=schema("Users", fields))

    films.personalize.update_dataset(datasetArn=dataset, schemaArn=made["schemaArn"])
    described = films.settled("dataset", dataset)
    job = films.import_job(dataset, films.put("users.csv", "USER_ID,AGE\nu2,40\n"))
    films.imported(dataset, "USER_ID,AGE,CITY\nu2,40,Rom\n", importMode="INCREMENTAL")

    assert described["schemaArn"] == made["schemaArn"]
    assert described["latestDatasetUpdate"]["status"] == "ACTIVE"
    assert described["latestDatasetUpdate"]["schemaArn"] == made["schemaArn"]
    assert job["failureReason"] == "Input CSV is missing the following columns:[CITY]."
