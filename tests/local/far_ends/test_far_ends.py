"""The far ends keep the documented limits, go wrong as configured, and show what they hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from personalization.local.far_ends.__main__ import main
from personalization.local.far_ends.braze import Braze
from personalization.local.far_ends.faults import Dice, Faults
from personalization.local.far_ends.server import FarEnds

KEY = {"Authorization": "Bearer local"}


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ends() -> Iterator[FarEnds]:
    with FarEnds() as it:
        yield it


def track(ends: FarEnds, *objects: Any, **body: Any) -> httpx.Response:
    sent = {"attributes": list(objects), **body}
    return httpx.post(f"{ends.url}/braze/users/track", json=sent, headers=KEY)


def test_brazes_arrays_are_sets_and_arrays_of_objects_are_not(ends: FarEnds):
    film = {"genre": "Drama"}
    track(
        ends,
        {"external_id": "ana", "genres": ["Drama", "Action", "Drama", None, None]},
        {"external_id": "bob", "films": [film, film], "genres": ["a"]},
    )
    track(ends, {"external_id": "bob", "genres": {"add": ["b", "a", "b"]}})

    assert ends["braze"].holds("ana")["genres"] == ["Drama", "Action", None]
    assert ends["braze"].holds("bob") == {"films": [film, film], "genres": ["a", "b"]}


def test_braze_says_how_many_it_took(ends: FarEnds):
    answer = track(ends, {"external_id": "ana", "a": 1}, {"a": 1})

    assert answer.status_code == 201
    assert answer.json() == {
        "message": "success",
        "attributes_processed": 1,
        "errors": [
            {
                "type": "'external_id' or 'braze_id' or 'user_alias' is required",
                "input_array": "attributes",
                "index": 1,
            }
        ],
    }


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ({"a": "x" * 256}, "the value of a is longer than 255 characters"),
        ({"a" * 256: 1}, "attribute names have 1 to 255 characters"),
        ({"a": ["x"] * 501}, "the array a has more than 500 elements"),
        ({"a": ["x" * 256]}, "a value of a is longer than 255 characters"),
        ({"a": [{"b": "x" * 100_001}]}, "the object a is larger than 100,000 bytes"),
        ({"a": [{"b": None}]}, "an object in a has an invalid value: null"),
    ],
    ids=["string", "name", "array", "element", "object", "null"],
)
def test_braze_keeps_the_limits_of_attributes(ends: FarEnds, attribute: dict, said: str):
    answer = track(ends, {"external_id": "ana", **attribute})

    assert answer.json()["errors"][0]["type"] == said
    assert ends["braze"].users() == []


@pytest.mark.parametrize(
    "body", [{"attributes": []}, {"attributes": {}}, {"events": [{}]}], ids=["none", "no", "events"]
)
def test_braze_refuses_what_is_not_a_list_of_attributes(ends: FarEnds, body: dict):
    answer = httpx.post(f"{ends.url}/braze/users/track", json=body, headers=KEY)

    assert answer.status_code == 400


def test_braze_counts_requests_in_windows_of_three_seconds():
    clock = Clock()
    with FarEnds(ends=[Braze(per_window=2, clock=clock)]) as ends:
        first = [track(ends, {"external_id": "a"}).status_code for _ in range(2)]
        clock.now += 1
        refused = track(ends, {"external_id": "a"})
        clock.now += 2
        after = track(ends, {"external_id": "a"}).status_code

    assert (first, refused.status_code, after) == ([201, 201], 429, 201)
    assert refused.headers["x-ratelimit-limit"] == "2"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-ratelimit-reset"] == "1000003"


def test_braze_lists_attributes_page_by_page(ends: FarEnds):
    track(ends, {"external_id": "ana", **{f"a{number:02d}": 1 for number in range(60)}})
    first = httpx.get(f"{ends.url}/braze/custom_attributes", headers=KEY)
    second = httpx.get(first.links["next"]["url"], headers=KEY)

    assert [len(each.json()["attributes"]) for each in (first, second)] == [50, 10]
    assert "next" not in second.links


def test_what_an_end_holds_can_be_looked_at(ends: FarEnds):
    track(ends, {"external_id": "ana/1", "a": 1})
    counts = httpx.get(f"{ends.url}/braze/_holds").json()

    assert counts == {"users": 1, "requests": {"/braze/users/track": 1}}
    assert httpx.get(f"{ends.url}/braze/_holds/ana/1").json() == {"a": 1}
    assert httpx.get(f"{ends.url}/braze/_holds/bob").status_code == 404


def test_faults_are_set_while_it_runs(ends: FarEnds):
    httpx.put(f"{ends.url}/_faults", json={"unavailable": 1.0})
    broken = track(ends, {"external_id": "ana"}).status_code
    httpx.put(f"{ends.url}/_faults", json={})

    assert (broken, track(ends, {"external_id": "ana"}).status_code) == (503, 201)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"error": 0.8, "lost": 0.3}, "shares of faults are 0 to 1 together, not 1.1"),
        ({"eror": 0.8}, "no such fault: eror; there are: ['delay', 'delay_s', 'error',"),
        ({"error": "often"}, "faults are numbers"),
    ],
)
def test_faults_that_cannot_be_are_refused(ends: FarEnds, settings: dict, said: str):
    answer = httpx.put(f"{ends.url}/_faults", json=settings)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith(said)


def test_faults_come_in_their_shares_and_the_same_for_the_same_seed():
    faults = Faults(error=0.1, lost=0.1, seed=5)
    dice, again = Dice(faults), Dice(faults)
    thrown = [dice.throw() for _ in range(5000)]

    assert thrown == [again.throw() for _ in range(5000)]
    assert thrown.count("error") == pytest.approx(500, rel=0.2)
    assert thrown.count("lost") == pytest.approx(500, rel=0.2)
    assert thrown.count(None) == pytest.approx(4000, rel=0.05)


@pytest.mark.parametrize(
    ("faults", "processed"),
    [(Faults(reset=1), 0), (Faults(lost=1), 1), (Faults(half=1), 1), (Faults(error=1), 0)],
    ids=["reset", "lost", "half", "error"],
)
def test_a_fault_comes_before_or_after_the_work(ends: FarEnds, faults: Faults, processed: int):
    ends.set_faults(faults)
    if faults.error:
        assert track(ends, {"external_id": "ana"}).status_code == 500
    else:
        with pytest.raises(httpx.TransportError):
            track(ends, {"external_id": "ana"})

    assert ends["braze"].taken["ana"] == processed


def test_it_runs_as_a_process_and_ends_when_told(tmp_path: Path):
    ready = tmp_path / "url"
    command = [sys.executable, "-m", "personalization.local.far_ends", "--port", "0"]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=subprocess.PIPE)
    try:
        for _ in range(200):
            if ready.exists():
                break
            time.sleep(0.05)
        assert httpx.get(f"{ready.read_text()}/health").text == "ok\n"
    finally:
        os.kill(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=10)

    assert process.returncode == 0
    assert said.startswith(b"far ends answer on http://127.0.0.1:")


def test_a_mistake_on_the_command_line_is_explained(
    ends: FarEnds, capsys: pytest.CaptureFixture[str]
):
    port = ends.url.rpartition(":")[2]

    assert main(["--port", port]) == 1
    assert main(["--faults", '{"error": 2}']) == 1
    said = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}: " in said
    assert "--faults cannot be used: shares of faults are 0 to 1 together, not 2" in said
