from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from personalization.aws import S3Path
from personalization.claims import Claim, State, claim, complete, identify, read
from personalization.errors import ConfigError, FatalError
from personalization.local.server import LocalAws
from personalization.parameters import Upload

BUCKET = "films"
PATH = S3Path(BUCKET, "claims/train/one.json")
HANDS = 16


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    """Client of a bucket."""
    client = aws.clients("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def everybody(state: State) -> Any:
    return lambda _run: state


def test_who_comes_first_has_it_while_his_run_goes_on(s3):
    first = claim(s3, PATH, "ana", everybody("going"), about={"key": "train/a.json"})
    second = claim(s3, PATH, "bob", everybody("going"))

    assert (first.holder, first.attempt, first.completed) == ("ana", 1, None)
    assert second == first == read(s3, PATH)
    stored = json.loads(s3.get_object(Bucket=BUCKET, Key=PATH.key)["Body"].read())
    assert stored["about"] == {"key": "train/a.json"}
    assert set(stored) == {"holder", "attempt", "since", "completed", "cancelled", "about"}


def test_a_run_that_comes_again_goes_on_with_its_claim(s3):
    first = claim(s3, PATH, "ana", everybody("failed"))

    assert claim(s3, PATH, "ana", everybody("failed")) == first


@pytest.mark.parametrize("state", ["failed", "gone"])
def test_the_claim_of_a_run_that_came_to_nothing_is_taken_over(s3, state):
    claim(s3, PATH, "ana", everybody("going"))

    second = claim(s3, PATH, "bob", {"ana": state}.__getitem__)

    assert (second.holder, second.attempt) == ("bob", 2)
    assert claim(s3, PATH, "ana", everybody("going")).holder == "bob"


def test_what_is_completed_stays_so_even_if_nobody_knows_the_run_any_more(s3):
    mine = claim(s3, PATH, "ana", everybody("going"))
    assert complete(s3, mine)

    later = claim(s3, PATH, "bob", everybody("gone"))

    assert later.holder == "ana"
    assert later.completed


def test_a_run_that_succeeded_and_could_not_say_so_is_not_done_again(s3):
    claim(s3, PATH, "ana", everybody("going"))

    assert claim(s3, PATH, "bob", everybody("succeeded")).holder == "ana"


def test_what_a_person_cancelled_stays_so_even_if_nobody_knows_the_run_any_more(s3):
    claim(s3, PATH, "ana", everybody("going"))

    told = [claim(s3, PATH, "bob", everybody(it)) for it in ("cancelled", "gone")]

    assert [(it.holder, bool(it.cancelled)) for it in told] == [("ana", True)] * 2


def test_a_cancelled_run_that_is_retried_goes_on_with_its_claim(s3):
    claim(s3, PATH, "ana", everybody("going"))
    claim(s3, PATH, "bob", everybody("cancelled"))

    mine = claim(s3, PATH, "ana", everybody("going"))

    assert (mine.holder, mine.cancelled) == ("ana", None)
    assert claim(s3, PATH, "bob", everybody("failed")).holder == "bob"


def test_what_recurs_may_be_claimed_again_when_it_was_cancelled(s3):
    claim(s3, PATH, "ana", everybody("going"), recurring=True)

    assert claim(s3, PATH, "bob", everybody("cancelled"), recurring=True).holder == "bob"


def test_what_recurs_may_be_claimed_again_when_it_is_done(s3):
    mine = claim(s3, PATH, "ana", everybody("going"), recurring=True)
    assert claim(s3, PATH, "bob", everybody("going"), recurring=True).holder == "ana"
    complete(s3, mine)

    again = claim(s3, PATH, "bob", everybody("going"), recurring=True)

    assert (again.holder, again.attempt, again.completed) == ("bob", 1, None)


def test_who_has_lost_a_claim_cannot_complete_it(s3):
    lost = claim(s3, PATH, "ana", everybody("going"))
    claim(s3, PATH, "bob", everybody("failed"))

    assert not complete(s3, lost)
    standing = read(s3, PATH)
    assert standing
    assert (standing.holder, standing.completed) == ("bob", None)


def test_completing_twice_is_harmless(s3):
    mine = claim(s3, PATH, "ana", everybody("going"))

    assert complete(s3, mine)
    assert complete(s3, mine)


def rush(s3: Any, is_over: Any) -> Counter[str]:
    """Let many claim the same at the same moment; count what each was told."""
    start = threading.Barrier(HANDS)

    def one(number: int) -> str:
        start.wait()
        return claim(s3, PATH, f"run-{number}", is_over).holder

    with ThreadPoolExecutor(HANDS) as pool:
        return Counter(pool.map(one, range(HANDS)))


@pytest.mark.parametrize("round_", range(5))
def test_of_many_at_the_same_moment_exactly_one_has_it(s3, round_):
    told = rush(s3, everybody("going"))

    assert len(told) == 1


@pytest.mark.parametrize("round_", range(5))
def test_of_many_that_take_over_exactly_one_does(s3, round_):
    claim(s3, PATH, "dead", everybody("going"))

    told = rush(s3, lambda run: "failed" if run == "dead" else "going")

    assert len(told) == 1
    assert "dead" not in told
    standing = read(s3, PATH)
    assert standing
    assert (standing.holder, standing.attempt) == (told.most_common()[0][0], 2)


def test_an_object_that_is_no_claim_is_told_with_the_way_out(s3):
    s3.put_object(Bucket=BUCKET, Key=PATH.key, Body=b"hello")

    with pytest.raises(ConfigError, match=r"one\.json is no claim .*: remove it"):
        claim(s3, PATH, "ana", everybody("going"))


def test_without_a_bucket_there_are_no_claims(aws):
    with pytest.raises(FatalError, match="NoSuchBucket"):
        claim(aws.clients("s3"), PATH, "ana", everybody("going"))


def put(s3: Any, text: str = "{}", key: str = "train/a.json") -> Any:
    return s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def versioned(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def identity(s3: Any, **more: Any) -> Any:
    return identify(s3, Upload(bucket=BUCKET, key="train/a.json", **more))


def test_a_version_is_an_upload_whoever_tells_it(s3):
    versioned(s3)
    first = put(s3)["VersionId"]
    second = put(s3)["VersionId"]

    told, found = identity(s3, version_id=first), identity(s3)

    assert (told.version, found.version) == (first, second)
    assert told.digest != found.digest
    assert identity(s3, version_id=second, etag="x").digest == found.digest
    assert found.claim_path("train") == S3Path(BUCKET, f"claims/train/{found.digest}.json")


def test_without_versions_it_is_the_content_and_when_it_was_written(s3):
    put(s3)
    first = identity(s3)

    assert identity(s3, version_id="null").digest == first.digest
    assert first.version.endswith(f"{first.modified:%Y-%m-%dT%H:%M:%SZ}")
    put(s3, "[]")
    assert identity(s3).digest != first.digest


def test_other_keys_are_other_uploads(s3):
    versioned(s3)
    put(s3)
    put(s3, key="train/b.json")

    other = identify(s3, Upload(bucket=BUCKET, key="train/b.json", version_id="1"))
    assert other
    assert other.digest != identity(s3, version_id="1").digest


@pytest.mark.parametrize("keeps_versions", [False, True])
def test_what_was_deleted_since_is_no_upload_any_more(s3, keeps_versions):
    if keeps_versions:
        versioned(s3)
    version = put(s3).get("VersionId")
    s3.delete_object(Bucket=BUCKET, Key="train/a.json")

    assert identity(s3, version_id=version) is None


def test_a_claim_is_not_made_up_of_anything():
    with pytest.raises(ValueError, match="attempt"):
        Claim.model_validate({"holder": "ana", "attempt": 0, "since": "2026-11-22T00:00:00Z"})
