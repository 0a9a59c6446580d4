"""A batch segment job's output made into audiences, in the local AWS and without any flow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from personalization.errors import ConfigError, FatalError
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.parameters import PostprocessParameters
from personalization.resources import Account
from personalization.segments import PostprocessReport, SegmentOutput, find_output, make_audiences

FOLDER = "batch/films/by-genre/job/"
OUTPUT = f"s3://films/{FOLDER}"
TARGET = "audiences/films/by-genre/job/"
ENDPOINTS = "User.UserId,Id,ChannelType\n1,e1,EMAIL\n2,e2,SMS\n"


class Films:
    """A bucket, and one run over it at a time."""

    def __init__(self, aws: LocalAws, work_dir: Path) -> None:
        self.aws, self.work_dir = aws, work_dir
        self.s3 = aws.clients("s3")
        self.s3.create_bucket(Bucket="films")
        self.put(f"{FOLDER}_CHECK", "")
        self.put_answers(Action=["1", "2", "3"])

    def put(self, key: str, text: str | bytes) -> None:
        self.s3.put_object(Bucket="films", Key=key, Body=text)

    def put_answers(self, *more: str, **people: list[str | None]) -> None:
        lines = [
            json.dumps(
                {
                    "input": {"itemAttributes": f'ITEMS.genres = "{genre}"'},
                    "output": {"usersList": users},
                }
            )
            for genre, users in people.items()
        ]
        self.put(f"{FOLDER}job_config.json.out", "\n".join([*lines, *more]))

    def find(self, uri: str = OUTPUT) -> SegmentOutput:
        clients = self.aws.clients
        return find_output(self.s3, clients("personalize"), Account.of(clients), uri)

    def run(self, uri: str = OUTPUT, **more: Any) -> PostprocessReport:
        parameters = PostprocessParameters.model_validate({"output": uri, **more})
        return make_audiences(self.s3, self.find(uri), parameters, self.work_dir)

    def written(self, prefix: str = "audiences/") -> list[str]:
        found = self.s3.list_objects_v2(Bucket="films", Prefix=prefix).get("Contents", ())
        return [it["Key"].removeprefix(TARGET) for it in found]

    def read(self, key: str) -> str:
        text: str = self.s3.get_object(Bucket="films", Key=key)["Body"].read().decode()
        return text


@pytest.fixture
def films(tmp_path: Path) -> Iterator[Films]:
    with LocalAws(pace=Pace(0.0)) as aws:
        yield Films(aws, tmp_path)


def names(report: PostprocessReport) -> list[str]:
    return [it.audience for it in report.audiences]


@pytest.mark.parametrize("uri", ["s3://whole", "s3://whole/"])
def test_a_bucket_may_be_all_output(films, uri):
    films.s3.create_bucket(Bucket="whole")
    for key in ("_CHECK", "a.out", "below/b.out"):
        films.s3.put_object(Bucket="whole", Key=key, Body=b"")

    assert [str(it) for it in films.find(uri).files] == ["s3://whole/a.out"]


@pytest.mark.parametrize("name", ["x" * 300, "my output", "ü", "-"])
def test_output_may_lie_in_a_folder_of_any_name(films, name):
    for key in ("_CHECK", "a.out"):
        films.put(f"moved/{name}/{key}", "")

    assert films.find(f"s3://films/moved/{name}/").job == ""


def test_a_mistyped_path_is_called_so(films):
    with pytest.raises(
        FatalError,
        match=r"^nothing is in s3://films/bacth/, and no batch segment job is called 'bacth'; "
        "is the path right",
    ):
        films.find("s3://films/bacth")


def test_a_folder_of_other_things_holds_no_output(films):
    films.put("other/readme.txt", "x")

    with pytest.raises(
        FatalError, match=r"^there is no \.out file in s3://films/other/; the batch"
    ):
        films.find("s3://films/other/")


def test_one_file_of_the_output_may_be_named(films):
    films.put(f"{FOLDER}second.out", "")

    assert [it.name for it in films.find(f"{OUTPUT}second.out").files] == ["second.out"]
    with pytest.raises(FatalError, match=r"there is no .*/third\.out; in its folder there are: "):
        films.find(f"{OUTPUT}third.out")


def test_an_endpoint_table_may_be_called_anything(films):
    films.put("e/x.CSV", ENDPOINTS)
    films.put("e/table", ENDPOINTS)

    for endpoints in ("s3://films/e/x.CSV", "s3://films/e/table", "s3://films/e", "s3://films/e/"):
        assert films.run(endpoints=endpoints).audiences[0].members == 2


def test_an_endpoint_table_that_is_not_there_is_named(films):
    with pytest.raises(ConfigError, match="there is no endpoint table at s3://films/e/; upload it"):
        films.run(endpoints="s3://films/e/")


def test_the_default_options_give_the_name_people_know(films):
    report = films.run()
    stamp = f"{films.find().written_at:%Y%m%d-%H%M%S}"

    assert names(report) == ["ITEMSgenresAction"]
    assert films.written() == [
        f"ITEMSgenresAction_{stamp}.csv",
        f"ITEMSgenresAction_{stamp}.lineage.json",
    ]


def test_other_options_make_another_audience_and_overwrite_nothing(films):
    films.put("e.csv", ENDPOINTS)
    reports = [
        films.run(endpoints="s3://films/e.csv", options=options)
        for options in (
            {},
            {"address_by": "endpoint", "channels": ["EMAIL"]},
            {"channels": ["SMS"]},
            {"one_per_channel": True},
            {"top": 1},
        )
    ]

    assert [names(it) for it in reports] == [
        ["ITEMSgenresAction"],
        ["ITEMSgenresAction__endpoints-EMAIL"],
        ["ITEMSgenresAction__SMS"],
        ["ITEMSgenresAction_EMAIL", "ITEMSgenresAction_SMS"],
        ["ITEMSgenresAction__top1"],
    ]
    members = [
        films.read(it.file.removeprefix("s3://films/")) for r in reports for it in r.audiences
    ]
    assert members == ["Id\n1\n2\n", "Id\ne1\n", "Id\n2\n", "Id\n1\n", "Id\n2\n", "Id\n1\n"]
    assert reports[1].audiences[0].options == "endpoints-EMAIL"


def test_a_user_without_an_id_is_counted_and_costs_nobody_else(films):
    films.put_answers(Action=["1", "", None])
    report = films.run()

    assert (report.rejected, report.audiences[0].members, report.audiences[0].no_ids) == (0, 1, 2)
    assert report.rows()[0]["without id"] == 2


def test_rejected_lines_name_the_object_they_stood_in(films):
    films.put_answers("{broken", Action=["1"])
    films.run()
    rows = films.read(f"{TARGET}rejected/rejected.csv").splitlines()

    assert rows[1].startswith(f"{OUTPUT}job_config.json.out,2,")


def test_what_was_wrong_with_an_output_goes_when_it_is_repaired(films, monkeypatch):
    films.put("e.csv", ENDPOINTS)
    films.put_answers("{broken", Action=["1", "3"])
    stamp = films.find().written_at
    films.run(endpoints="s3://films/e.csv")
    assert [key for key in films.written() if "/" in key] == [
        "rejected/rejected.csv",
        "rejected/rejected.out",
        f"unmapped/ITEMSgenresAction_{stamp:%Y%m%d-%H%M%S}.csv",
    ]

    films.put("e.csv", "User.UserId,Id,ChannelType\n1,e1,EMAIL\n3,e3,SMS\n")
    films.put_answers(Action=["1", "3"])
    # Written again within the same second, or the names would differ.
    output = find_again(films, stamp)
    parameters = PostprocessParameters(output=OUTPUT, endpoints="s3://films/e.csv")
    make_audiences(films.s3, output, parameters, films.work_dir)

    assert [key for key in films.written() if "/" in key] == []


def find_again(films: Films, stamp: Any) -> SegmentOutput:
    found = films.find()
    return SegmentOutput(found.files, stamp, found.job, found.solution_version)


def test_the_folder_of_the_output_is_no_target(films):
    with pytest.raises(
        ConfigError, match=r"the target s3://.*/job/ is the folder of the job's out"
    ):
        films.run(target=OUTPUT.rstrip("/"))


def test_what_lies_below_the_output_is_not_taken_for_output(films):
    films.put(f"{FOLDER}mine/rejected/rejected.out", "{broken")
    films.put(f"{FOLDER}rejected/rejected.out", "{broken")

    assert films.run(target=f"{OUTPUT}mine/").lines == 1
