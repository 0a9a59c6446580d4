"""Messages about objects that were written, in every envelope."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalization.errors import ConfigError
from personalization.s3_events import ObjectCreated, read
from tests.s3_messages import (
    ENVELOPES,
    ETAG,
    SEQUENCER,
    TEST_EVENT,
    bridged,
    by_sns,
    direct,
    enveloped,
    record,
)

CONFIG = "train/films/config.json"
# S3 takes any UTF-8 of up to 1024 bytes as a key.
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60) | st.sampled_from(
    [
        'a "b" c.json',
        "a+b c%20d.json",
        "é/ü ñ/日本語.csv",
        "100%/50%25.out",
        "a\\b'c\n.json",
        "+",
        "%",
    ]
)


def written(**fields: object) -> ObjectCreated:
    given = {
        "bucket": "uploads",
        "key": CONFIG,
        "size": 1024,
        "etag": ETAG,
        "version_id": None,
        "sequencer": SEQUENCER,
        "occurred": dt.datetime(2026, 11, 22, 10, 20, 30, tzinfo=dt.UTC),
    }
    return ObjectCreated(**{**given, **fields})


@given(key=KEYS, version=st.sampled_from([None, "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"]))
def test_any_key_survives_every_envelope_and_gives_one_id(key, version):
    found = [read(enveloped(it, key, version)) for it in ENVELOPES]

    assert [len(it) for it in found] == [1, 1, 1, 1]
    assert {it.key for (it,) in found} == {key}
    assert {it.version_id for (it,) in found} == {version}
    assert len({it.id for (it,) in found}) == 1


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_every_field_is_read(envelope):
    (found,) = read(enveloped(envelope, CONFIG, "v1"))

    assert found.occurred.replace(microsecond=0) == written().occurred
    assert found == written(version_id="v1", occurred=found.occurred)


def test_the_event_is_the_one_that_triggers_are_written_for():
    found = written(version_id="v1")

    assert found.event() == {
        "id": str(found.id),
        "event": "aws.s3.object.created",
        "occurred": "2026-11-22T10:20:30+00:00",
        "resource": {
            "prefect.resource.id": "aws.s3.object.uploads/train/films/config.json",
            "prefect.resource.name": "train/films/config.json",
            "aws.s3.bucket": "uploads",
            "aws.s3.folder": "train/films",
            "aws.s3.basename": "config.json",
            "aws.s3.suffix": ".json",
        },
        "related": [
            {"prefect.resource.id": "aws.s3.bucket.uploads", "prefect.resource.role": "bucket"}
        ],
        "payload": {
            "bucket": "uploads",
            "key": "train/films/config.json",
            "size": 1024,
            "etag": ETAG,
            "version_id": "v1",
        },
    }


@pytest.mark.parametrize(
    ("key", "folder", "name", "suffix"),
    [
        pytest.param("a/b/c.json", "a/b", "c.json", ".json", id="nested"),
        pytest.param("c.csv", "", "c.csv", ".csv", id="at-the-top"),
        pytest.param("a/job_config.json.out", "a", "job_config.json.out", ".out", id="two-dots"),
        pytest.param("a/config.json.errors.json", "a", "config.json.errors.json", ".errors.json",
                     id="our-own-report"),
        pytest.param("a.b/noext", "a.b", "noext", "", id="dot-in-the-folder"),
        pytest.param("a/b/", "a/b", "", "", id="folder-marker"),
        pytest.param("a/b.", "a", "b.", ".", id="dot-at-the-end"),
    ],
)  # fmt: skip
def test_labels_say_folder_name_and_suffix(key, folder, name, suffix):
    labels = written(key=key).event()["resource"]

    assert labels["aws.s3.folder"] == folder
    assert labels["aws.s3.basename"] == name
    assert labels["aws.s3.suffix"] == suffix


def test_an_unknown_version_is_null_and_not_left_out():
    payload = written().event()["payload"]

    assert payload == {**payload, "version_id": None}
    assert list(payload) == ["bucket", "key", "size", "etag", "version_id"]


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_the_version_of_a_bucket_without_versions_is_unknown(envelope):
    (found,) = read(enveloped(envelope, CONFIG, "null"))

    assert found.version_id is None
    assert found.id == written().id


def test_without_a_sequencer_the_second_tells_writes_apart():
    first = written(sequencer=None)
    same = written(sequencer=None, occurred=first.occurred.replace(microsecond=456_000))
    later = written(sequencer=None, occurred=first.occurred + dt.timedelta(seconds=1))

    assert first.id == same.id != later.id


@pytest.mark.parametrize(
    "other",
    [
        {"bucket": "uploads2"},
        {"key": "train/films/config2.json"},
        {"version_id": "v2"},
        {"etag": "e"},
        {"sequencer": "1"},
    ],
    ids=lambda it: next(iter(it)),
)
def test_another_write_gets_another_id(other):
    assert written(**other).id != written().id


def test_ids_stay_what_they_are():
    # Whoever changes how ids are made starts a run for each message that is on its way just then.
    assert written().id == uuid.UUID("6e3222fa-154c-5770-bcda-db4aa9c6432b")


@pytest.mark.parametrize("body", [TEST_EVENT, by_sns(TEST_EVENT)], ids=["direct", "by-sns"])
def test_the_test_message_tells_of_nothing(body):
    assert read(body) == ()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(direct(record(CONFIG, event="ObjectRemoved:Delete")), id="removed"),
        pytest.param(direct(record(CONFIG, event="ObjectRestore:Completed")), id="restored"),
        pytest.param(direct(), id="no-record"),
        pytest.param(bridged(CONFIG, kind="Object Deleted"), id="event-bridge-deleted"),
        pytest.param(by_sns(bridged(CONFIG, kind="Object Tags Added")), id="tagged-by-sns"),
    ],
)
def test_what_is_not_a_write_tells_of_nothing(body):
    assert read(body) == ()


def test_several_records_are_several_writes():
    found = read(
        direct(
            record("a.json"),
            record("b.json", event="ObjectRemoved:Delete"),
            record("c.json", event="ObjectCreated:CompleteMultipartUpload"),
        )
    )

    assert [it.key for it in found] == ["a.json", "c.json"]


def without(path: str) -> str:
    """A direct notification whose record misses that field."""
    it = record(CONFIG)
    *folders, name = path.split(".")
    place = it
    for folder in folders:
        place = place[folder]
    del place[name]
    return direct(it)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("hello", "the message is not JSON (unexpected character", id="text"),
        pytest.param("", "the message is not JSON", id="empty"),
        pytest.param("[" * 100_000, "the message is not JSON (depth limit exceeded", id="deep"),
        pytest.param('"\\ud800"', "the message is not JSON", id="half-a-character"),
        pytest.param("\ud800", "the message is not JSON", id="half-a-character-in-the-body"),
        pytest.param("[1]", "the message is no JSON object: '[1]'", id="list"),
        pytest.param('{"a": 1}', 'neither a notification of S3 nor an EventBridge event without a '
                     'transformed input: {"a": 1}; this queue is for S3', id="other"),
        pytest.param(by_sns("hello"), "SNS's Message is not JSON", id="text-by-sns"),
        pytest.param('{"Type": "Notification"}', "in the SNS notification, Message is missing",
                     id="sns-without-message"),
        pytest.param(json.dumps({"Type": "SubscriptionConfirmation", "Token": "t"}),
                     "SNS's SubscriptionConfirmation, not a notification; open its SubscribeURL",
                     id="sns-confirmation"),
        pytest.param(by_sns(by_sns(direct(record(CONFIG)))), "the message is neither",
                     id="wrapped-twice"),
        pytest.param(bridged(CONFIG).replace("aws.s3", "aws.ec2"),
                     "an EventBridge event of 'aws.ec2', not of aws.s3; give the rule the pattern",
                     id="event-bridge-of-others"),
        pytest.param('{"Records": [{"eventSource": "aws:kinesis"}]}',
                     "the message holds a record of 'aws:kinesis'; this queue is for S3",
                     id="kinesis"),
        pytest.param('{"Records": "many"}', "in the S3 notification, Records is 'many'",
                     id="records-as-text"),
        pytest.param('{"Records": [3]}', "the message holds a record of 'int'", id="no-record"),
        pytest.param(without("s3.bucket.name"), "s3.bucket.name is missing", id="no-bucket"),
        pytest.param(without("s3.object"), "s3.object.key is missing", id="no-object"),
        pytest.param(without("s3.object.size"), "s3.object.size is missing", id="no-size"),
        pytest.param(without("s3.object.eTag"), "s3.object.eTag is missing", id="no-etag"),
        pytest.param(without("eventTime"), "eventTime is missing", id="no-time"),
        pytest.param(without("eventName"), "eventName is missing", id="no-name"),
        pytest.param(direct(record(CONFIG, key="")), "s3.object.key is ''", id="empty-key"),
        pytest.param(direct(record(CONFIG, key="%ff")),
                     "the S3 notification's key '%ff' is no URL-encoded UTF-8", id="no-utf-8"),
        pytest.param(direct(record(CONFIG, size=True)), "s3.object.size is True", id="odd-size"),
        pytest.param(direct(record(CONFIG, versionId=7)), "versionId is 7", id="odd-version"),
        pytest.param(direct({**record(CONFIG), "eventTime": "today"}),
                     "'today' is not a moment in time", id="odd-time"),
        pytest.param(bridged(CONFIG, etag=None), "detail.object.etag is missing",
                     id="event-bridge-without-etag"),
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_what_it_was_and_the_way_out(body, said):
    with pytest.raises(ConfigError) as error:
        read(body)

    assert said in str(error.value)


@given(st.text() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["Records", "Type", "Message", "detail-type", "detail", "source", "s3"])
        | st.text(), inner),
).map(json.dumps))  # fmt: skip
def test_whatever_comes_is_read_or_refused(body):
    with suppress(ConfigError):
        assert isinstance(read(body), tuple)
