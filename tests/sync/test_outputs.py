"""An output of another kind than the job's is refused, and called what it looks like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from personalization.errors import ConfigError
from personalization.sync.outputs import refuse_other_kinds

FOR_USER = {"input": {"userId": "ana"}, "output": {"recommendedItems": ["tea"]}, "error": None}
FOR_ITEM = {"input": {"itemId": "tea"}, "output": {"recommendedItems": ["jam"]}}
QUERY = {"itemAttributes": 'ITEMS.genres = "Action"'}
SEGMENT = {"input": QUERY, "output": {"usersList": ["ana"]}}
SEGMENT_OF_ITEM = {"input": {"itemId": "tea"}, "output": {"recommendedUsers": ["ana"]}}
FAILED = {"input": {"userId": "ana"}, "output": None, "error": "InternalServerException"}


def file(folder: Path, *lines: Any, name: str = "a.out") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("job_type", "line"),
    [
        ("related_items", FOR_ITEM),
        ("user_personalization", FOR_USER),
        ("personalized_ranking", FOR_USER),
        ("user_segmentation", SEGMENT),
        ("user_segmentation", SEGMENT_OF_ITEM),
        ("user_personalization", {**FOR_USER, "output": {"recommendedItems": []}}),
    ],
    ids=["related", "users", "ranking", "attributes", "item", "nobody-likes-anything"],
)
def test_one_line_that_is_right_is_enough(tmp_path: Path, job_type: Any, line: Any):
    others = [file(tmp_path, FAILED), file(tmp_path, FAILED, line, name="b.out")]

    refuse_other_kinds(others, job_type, "s3://b/run/")


@pytest.mark.parametrize(
    ("job_type", "line", "said"),
    [
        ("user_personalization", FOR_ITEM, "one that was asked by itemId; its job type is related"),
        ("related_items", FOR_USER, "one that was asked by userId; its job type is user_personal"),
        ("user_segmentation", FOR_USER, "one that was asked by userId; its job type is user_pers"),
        ("user_personalization", SEGMENT, "a batch segment job's: lists of users; its job type is"),
        ("related_items", SEGMENT_OF_ITEM, "a batch segment job's: lists of users; its job type"),
    ],
    ids=["items", "users", "no-segments", "segments", "segments-of-items"],
)
def test_an_output_of_another_kind_is_called_what_it_looks_like(
    tmp_path: Path, job_type: Any, line: Any, said: str
):
    with pytest.raises(ConfigError) as caught:
        refuse_other_kinds([file(tmp_path, line, line)], job_type, "s3://b/run/")

    expected = f"s3://b/run/ is no output for a {job_type} job: it looks like {said}"
    assert str(caught.value).startswith(expected)


def test_an_output_of_errors_only_is_refused_in_personalizes_words(tmp_path: Path):
    with pytest.raises(
        ConfigError, match="no line of run has a result; Personalize says: InternalServerExc"
    ):
        refuse_other_kinds([file(tmp_path, FAILED, FAILED)], "user_personalization", "run")


def test_what_no_batch_job_wrote_is_refused_without_being_quoted(tmp_path: Path):
    path = file(tmp_path, {"user": "ana", "items": "tea"})

    with pytest.raises(ConfigError, match="no line of run has a result; a related_items job reads"):
        refuse_other_kinds([path], "related_items", "run")


def test_names_inside_strings_are_no_keys(tmp_path: Path):
    name = '"userId": "x", "recommendedItems": []'

    with pytest.raises(ConfigError, match="asked by itemId"):
        refuse_other_kinds(
            [file(tmp_path, {"input": {"itemId": name}, "output": {"recommendedItems": []}})],
            "user_personalization",
            "run",
        )


def test_an_output_without_a_line_is_of_any_kind(tmp_path: Path):
    refuse_other_kinds([file(tmp_path)], "user_personalization", "run")
