"""Customer.io: attributes by batches, audiences as the manual segments that were made for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from personalization.connectors import BatchRefused, Customerio, build
from personalization.connectors.customerio import _delivered
from personalization.errors import ConfigError, FatalError
from personalization.local.far_ends.server import FarEnds
from personalization.transforms.audience_names import logical_name
from tests.connectors.attribute_worlds import deliver_once
from tests.delivery.conftest import no_clients


@pytest.fixture
def ends() -> Iterator[FarEnds]:
    with FarEnds() as it:
        yield it


def customerio(ends: FarEnds, **settings: Any) -> Customerio:
    given = {"kind": "customerio", "endpoint": f"{ends.url}/customerio"}
    found = build({**given, "site_id": "local", "api_key": "local", **settings}, no_clients)
    assert isinstance(found, Customerio)
    return found


def lines(it: Customerio, inside: str, *users: str) -> list[bytes]:
    before, between, after = it.rendering().pieces
    return [f'{before}"{user}"{between}{inside}{after}'.encode() for user in users]


ACTION = logical_name({"itemAttributes": 'ITEMS.genres = "Action"'})


def test_an_audience_with_a_number_is_a_segment_that_people_join_and_leave(ends: FarEnds):
    it = customerio(ends, segments={ACTION: 7})
    seven = it.membership(ACTION)
    deliver_once(it, lines(it, seven.joined, "ana", "bob", "eve"))
    answer = deliver_once(
        it, [*lines(it, seven.left, "bob"), *lines(it, seven.joined, "ana", "zoe")]
    )

    assert answer.accepted == 3
    assert ends["customerio"].segments[7] == {"ana", "eve", "zoe"}


def test_who_changes_segments_leaves_the_old_one_and_lines_set_other_attributes_too(ends: FarEnds):
    ends["customerio"].segments[8] = set()
    seven, eight = (customerio(ends, segments={ACTION: it}) for it in (7, 8))
    old = seven.membership(ACTION)
    deliver_once(seven, lines(seven, f'"vip":true,{old.joined}', "ana", "bob"))
    inside = f'"vip":"",{old.left},{eight.membership(ACTION).joined}'
    answer = deliver_once(eight, [*lines(eight, inside, "ana"), *lines(eight, old.left, "bob")])

    assert (answer.accepted, answer.rejected) == (2, ())
    assert ends["customerio"].segments == {7: set(), 8: {"ana"}}
    assert not ends["customerio"].holds("ana").get("vip")
    assert ends["customerio"].holds("bob") == {"vip": True}


def test_a_rejected_attribute_beside_a_segment_names_its_line(ends: FarEnds):
    it = customerio(ends, segments={ACTION: 7})
    joined = it.membership(ACTION).joined
    answer = deliver_once(
        it, [*lines(it, joined, "ana"), *lines(it, f'"big":"{"x" * 32_000}",{joined}', "bob")]
    )

    assert [each.index for each in answer.rejected] == [1]


def test_a_segment_that_was_not_made_is_fatal(ends: FarEnds):
    it = customerio(ends, segments={ACTION: 8})

    with pytest.raises(FatalError, match="answered 404: there is no such segment; check the end"):
        deliver_once(it, lines(it, it.membership(ACTION).joined, "ana"))


def test_an_audience_without_a_number_is_an_attribute(ends: FarEnds):
    it = customerio(ends, segments={ACTION: 7})
    deliver_once(it, lines(it, it.membership("7").joined, "ana"))

    assert ends["customerio"].segments[7] == set()
    assert ends["customerio"].holds("ana") == {"7": True}


@pytest.mark.parametrize("number", [0, "seven"])
def test_a_segment_has_a_number(ends: FarEnds, number: Any):
    with pytest.raises(ConfigError, match=rf"misconfigured: segments\.{ACTION}: Input should be"):
        customerio(ends, segments={ACTION: number})


def test_an_error_without_an_index_refuses_the_batch():
    with pytest.raises(BatchRefused, match="refused somebody in a batch and did not say whom"):
        _delivered([{"reason": "invalid"}], 3, "track.test")


def test_operations_that_are_too_large_are_known_before(ends: FarEnds):
    limits = customerio(ends).attribute_limits

    assert limits.max_line_bytes == 32_000
    assert len(customerio(ends).payload([b"x" * (limits.max_bytes - 1)])) < 500_000
