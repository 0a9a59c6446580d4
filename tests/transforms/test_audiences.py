"""From `.out` files and endpoints to audience files, on worlds small enough for paper."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from personalization.errors import ConfigError, FatalError
from personalization.shapes import service_model
from personalization.transforms import audiences as module
from personalization.transforms.audience_options import AudienceOptions
from personalization.transforms.audience_report import MOST_LISTED, AudienceReport
from personalization.transforms.audiences import write_audiences

STAMP = dt.datetime(2022, 5, 12, 16, 10, 47, tzinfo=dt.UTC)

# ana is reached twice; bo only by SMS; cy opted out; dee's is inactive; eve has none.
ENDPOINTS = """\
Id,ChannelType,Address,User.UserId,OptOut,EndpointStatus
e3,SMS,+1,bo,NONE,ACTIVE
e1,EMAIL,a@x,ana,NONE,ACTIVE
e2,SMS,+2,ana,,
e4,EMAIL,c@x,cy,ALL,ACTIVE
e5,EMAIL,d@x,dee,NONE,INACTIVE
e6,EMAIL,z@x,zoe,NONE,ACTIVE
"""
ACTION = {"itemAttributes": 'ITEMS.genres = "Action"'}


def out_line(query: dict[str, Any], users: list[str]) -> str:
    return json.dumps({"input": query, "output": {"usersList": users}, "error": None})


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "endpoints.csv").write_text(ENDPOINTS)
    (tmp_path / "job_config.json.out").write_text(
        out_line(ACTION, ["eve", "bo", "ana", "cy", "dee"]) + "\n"
    )
    return tmp_path


def run(world: Path, *, index: Path | None = None, **options: Any) -> AudienceReport:
    return write_audiences(
        [world / "job_config.json.out"],
        world / "audiences",
        endpoints=world / "endpoints.csv",
        options=AudienceOptions(**options),
        stamp=STAMP,
        index=index,
    )


def ids(path: Path | None) -> list[str]:
    assert path is not None
    with path.open(encoding="utf-8", newline="") as file:
        return [row[0] for row in csv.reader(file)]


def test_the_sample_by_hand(world):
    report = run(world)
    (audience,) = report.audiences

    assert audience.path == world / "audiences" / "ITEMSgenresAction_20220512-161047.csv"
    assert audience.path.read_bytes() == b"Id\nbo\nana\n"
    assert audience.unmapped_path == world / "audiences" / "unmapped" / audience.path.name
    assert audience.unmapped_path.read_bytes() == b"user_id\neve\ncy\ndee\n"
    assert audience.name == "ITEMSgenresAction_20220512-161047"
    assert audience.logical_name == "ITEMSgenresAction"
    assert (audience.query, audience.channel) == (ACTION, None)
    assert (audience.users, audience.members, audience.unmapped) == (5, 2, 3)
    assert (audience.source.name, audience.line) == ("job_config.json.out", 1)
    assert audience.sha256 == hashlib.sha256(b"Id\nbo\nana\n").hexdigest()
    assert (report.lines, report.members, report.unmapped) == (1, 2, 3)
    assert (report.rejected, report.rejects) == ((), None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, ["bo", "ana"], id="users"),
        pytest.param({"respect_opt_out": False}, ["bo", "ana", "cy"], id="opted-out-too"),
        pytest.param({"only_active": False}, ["bo", "ana", "dee"], id="inactive-too"),
        pytest.param({"channels": ["EMAIL"]}, ["ana"], id="one-channel"),
        pytest.param({"channels": ["EMAIL", "SMS"]}, ["bo", "ana"], id="two-channels"),
        pytest.param({"channels": ["VOICE"]}, [], id="a-channel-of-nobody"),
        pytest.param({"top": 2}, ["bo"], id="top-is-cut-before-the-join"),
        pytest.param(
            {"address_by": "endpoint", "top": 3}, ["e3", "e1", "e2"], id="endpoints-by-ranking"
        ),
        pytest.param(
            {"address_by": "endpoint", "channels": ["SMS"], "top": 5}, ["e3", "e2"], id="by-channel"
        ),
    ],
)
@pytest.mark.parametrize("keep_index", [False, True], ids=["no-index", "index"])
def test_options_decide_who_is_in_and_under_which_id(world, options, expected, keep_index):
    report = run(world, index=world / "index" if keep_index else None, **options)

    assert ids(report.audiences[0].path) == ["Id", *expected]


def test_all_endpoints_of_a_user_are_in(world):
    (audience,) = run(world, address_by="endpoint").audiences

    assert sorted(ids(audience.path)) == ["Id", "e1", "e2", "e3"]
    assert (audience.members, audience.unmapped) == (3, 3)


@pytest.mark.parametrize("by", ["user", "endpoint"])
def test_one_audience_a_channel(world, by):
    report = run(world, one_per_channel=True, address_by=by, top=5)
    email, sms = report.audiences

    assert email.path.name == "ITEMSgenresAction_EMAIL_20220512-161047.csv"
    assert (email.channel, sms.channel) == ("EMAIL", "SMS")
    assert ids(email.path) == {"user": ["Id", "ana"], "endpoint": ["Id", "e1"]}[by]
    assert ids(sms.path) == {"user": ["Id", "bo", "ana"], "endpoint": ["Id", "e3", "e2"]}[by]
    assert ids(email.unmapped_path) == ["user_id", "eve", "bo", "cy", "dee"]
    assert ids(sms.unmapped_path) == ["user_id", "eve", "cy", "dee"]


def test_a_wanted_channel_without_members_is_a_header_alone(world):
    _, voice = run(world, one_per_channel=True, channels=["SMS", "VOICE"]).audiences

    assert voice.path.read_bytes() == b"Id\n"
    assert (voice.channel, voice.members, voice.unmapped) == ("VOICE", 0, 5)


def test_without_endpoints_every_user_is_in_once_and_in_order(world):
    out = world / "job_config.json.out"
    out.write_text(out_line(ACTION, ["bo", "ana", "bo", "x,y"]))
    report = write_audiences(
        [out], world / "to", endpoints=None, options=AudienceOptions(top=3), stamp=STAMP
    )
    (audience,) = report.audiences

    assert audience.path.read_bytes() == b'Id\nbo\nana\n"x,y"\n'
    assert (audience.users, audience.members, audience.unmapped) == (4, 3, 0)
    assert audience.unmapped_path is None


def test_duplicates_are_out_on_both_sides(world):
    (world / "job_config.json.out").write_text(out_line(ACTION, ["ana", "bo", "ana"]))
    with (world / "endpoints.csv").open("a") as table:
        table.write("e1,EMAIL,a@x,ana,NONE,ACTIVE\n")

    assert ids(run(world).audiences[0].path) == ["Id", "ana", "bo"]
    by_endpoint = run(world, address_by="endpoint", top=9).audiences[0]
    assert ids(by_endpoint.path) == ["Id", "e1", "e2", "e3"]
    assert by_endpoint.members == 3


def test_every_line_is_its_own_audience(world):
    (world / "job_config.json.out").write_text(
        "\n".join(out_line({"itemId": str(n)}, ["ana", "bo"][:n]) for n in range(3))
    )
    report = run(world)

    assert [audience.logical_name for audience in report.audiences] == [
        "item_0",
        "item_1",
        "item_2",
    ]
    assert [ids(audience.path) for audience in report.audiences] == [
        ["Id"], ["Id", "ana"], ["Id", "ana", "bo"],
    ]  # fmt: skip


def test_lines_are_joined_in_batches_without_a_difference(world, monkeypatch):
    (world / "job_config.json.out").write_text(
        "\n".join(out_line({"itemId": str(n)}, ["ana", "eve", "bo"]) for n in range(5))
    )
    together = [audience.sha256 for audience in run(world).audiences]
    monkeypatch.setattr(module, "_BATCH_USERS", 6)

    assert [audience.sha256 for audience in run(world).audiences] == together
    assert len(together) == 5


def test_a_repeated_run_writes_the_same_bytes_and_leaves_nothing_else(world):
    first = {path: path.read_bytes() for path in _files(run(world), world)}
    second = {path: path.read_bytes() for path in _files(run(world), world)}

    assert second == first
    assert sorted(path.name for path in first) == ["ITEMSgenresAction_20220512-161047.csv"] * 2


def _files(_: AudienceReport, world: Path) -> list[Path]:
    return [path for path in (world / "audiences").rglob("*") if path.is_file()]


def test_rejected_lines_are_set_aside_and_counted(world):
    broken = '{"input":{"itemId":"7"},"output":null,"error":"no, \\"really\\""}'
    out = world / "job_config.json.out"
    out.write_text(f"{broken}\n\n{out_line(ACTION, ['ana'])}\nnonsense\n{out_line(ACTION, ['bo'])}")
    report = run(world)
    with (world / "audiences/rejected/rejected.csv").open(newline="") as file:
        reasons = list(csv.reader(file))

    assert [ids(audience.path) for audience in report.audiences] == [["Id", "ana"]]
    assert (report.lines, report.rejected_lines) == (4, 3)
    assert report.rejects == world / "audiences/rejected/rejected.out"
    assert report.rejects.read_text() == f"{broken}\nnonsense\n{out_line(ACTION, ['bo'])}\n"
    assert reasons[:2] == [
        ["file", "line", "reason"],
        [str(out), "1", 'Personalize says: no, "really"'],
    ]
    assert reasons[2][2].startswith("is not JSON: ")
    assert reasons[3][1:] == ["5", "asks the same as job_config.json.out:3"]
    assert [line.number for line in report.rejected] == [1, 4, 5]


def test_rejected_lines_name_where_their_file_came_from(world):
    (world / "job_config.json.out").write_text("{broken\n")
    write_audiences(
        [world / "job_config.json.out"],
        world / "audiences",
        endpoints=None,
        options=AudienceOptions(),
        stamp=STAMP,
        origins={world / "job_config.json.out": "s3://films/x.out"},
    )
    rows = (world / "audiences" / "rejected" / "rejected.csv").read_text().splitlines()

    assert rows[1].startswith('s3://films/x.out,1,"is not JSON')


def test_users_without_an_id_are_told_of_and_cost_nobody_else(world):
    text = out_line(ACTION, ["ana", ""])
    (world / "job_config.json.out").write_text(text)
    [audience] = run(world).audiences

    assert (audience.users, audience.no_ids, audience.members) == (1, 1, 1)


def test_yesterdays_rejects_go_with_a_clean_run(world):
    out = world / "job_config.json.out"
    clean = out.read_text()
    out.write_text("nonsense")
    run(world)
    out.write_text(clean)
    run(world)

    assert not list((world / "audiences/rejected").iterdir())


def test_only_so_many_rejected_lines_stay_in_memory(world):
    (world / "job_config.json.out").write_text("nonsense\n" * (MOST_LISTED + 1))
    report = run(world)

    assert (len(report.rejected), report.rejected_lines) == (MOST_LISTED, MOST_LISTED + 1)
    assert report.rejects is not None
    assert report.rejects.read_text().count("\n") == MOST_LISTED + 1


def test_the_caller_decides_how_many_rejected_lines_are_too_many(world):
    with (world / "job_config.json.out").open("a") as out:
        out.write("[]\n")
    report = run(world)
    report.refuse_above(0.5)

    with pytest.raises(
        FatalError,
        match=r"1 of 2 lines were rejected, more than the 49\.0% allowed; they are in "
        r".*rejected\.out; the first is job_config\.json\.out:2: is a JSON list, not an object",
    ):
        report.refuse_above(0.49)


def test_an_output_without_lines_is_refused(world):
    (world / "job_config.json.out").write_text("\n\n")

    with pytest.raises(FatalError, match="output has no lines; look at the job's input file"):
        run(world).refuse_above(1)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({"address_by": "endpoint"}, "address_by", id="address_by"),
        pytest.param({"channels": ["SMS"]}, "channels", id="channels"),
        pytest.param({"one_per_channel": True}, "one_per_channel", id="one_per_channel"),
    ],
)
def test_what_only_endpoints_can_answer_needs_them(world, options, name):
    with pytest.raises(
        ConfigError, match=f"hold user ids only\n  - {name}: needs an endpoint table; name one, or"
    ):
        write_audiences([], world, endpoints=None, options=AudienceOptions(**options), stamp=STAMP)


def test_options_are_checked():
    with pytest.raises(ValidationError, match="Input should be 'PUSH'"):
        AudienceOptions(channels=("EMIAL",))
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        AudienceOptions(chanels=("EMAIL",))
    with pytest.raises(ValidationError, match="greater than 0"):
        AudienceOptions(top=0)


def test_channels_are_those_of_the_service():
    known = AudienceOptions.model_json_schema()["properties"]["channels"]["anyOf"][0]["items"][
        "enum"
    ]

    assert known == service_model("pinpoint").shape_for("ChannelType").enum


def test_every_option_is_described():
    for field in AudienceOptions.model_fields.values():
        assert (field.description or "").endswith(".")


any_id = st.text(
    st.sampled_from("ab,\"\\'/é映\r\n\t 0") | st.characters(exclude_categories=["Cs"]), min_size=1
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(
    listed=st.lists(any_id, max_size=12),
    table=st.lists(st.tuples(any_id, any_id), max_size=12),
    by=st.sampled_from(["user", "endpoint"]),
    top=st.none() | st.integers(1, 12),
    keep_index=st.booleans(),
)
def test_any_ids_come_out_as_a_dictionary_would_join_them(
    tmp_path_factory, listed, table, by, top, keep_index
):
    world = tmp_path_factory.mktemp("any")
    (world / "job_config.json.out").write_text(out_line(ACTION, listed))
    with (world / "endpoints.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("User.UserId", "Id"), *table])
    report = run(world, index=world / "i" if keep_index else None, address_by=by, top=top)

    asked = list(dict.fromkeys(listed))[:top]
    endpoints: dict[str, list[str]] = {}
    for user, endpoint in table:
        endpoints.setdefault(user, []).append(endpoint)
    reached = [user for user in asked if user in endpoints]
    expected = (
        reached if by == "user" else list(dict.fromkeys(e for u in reached for e in endpoints[u]))
    )
    (audience,) = report.audiences
    found = ids(audience.path)
    assert found[:1] == ["Id"]
    assert (found[1:] if by == "user" or top else sorted(found[1:])) == (
        expected if by == "user" or top else sorted(expected)
    )
    unmapped = [user for user in asked if user not in endpoints]
    assert (ids(audience.unmapped_path)[1:] if unmapped else []) == unmapped
    assert (audience.members, audience.unmapped) == (len(expected), len(unmapped))
