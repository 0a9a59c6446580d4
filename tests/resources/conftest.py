"""A small film service in a local AWS, and what it takes to bring it into being."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from personalization.aws import S3Path
from personalization.config import load
from personalization.datasets.locate import locate
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.parameters import Waiting
from personalization.resources import (
    Account,
    Ledger,
    Plan,
    Policy,
    Resource,
    declared,
    ensure,
    look,
    plan,
)
from personalization.waiting import looks
from tests.config.files import films_by_genre

BUCKET = "films"
FILE = S3Path(BUCKET, "train/films/config.json")
SOLUTION = "by-genre"
ROLE = "arn:aws:iam::123456789012:role/PersonalizeRole"
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
DEFAULT = Policy()
QUICK = Waiting(first_look_s=0.02, slowest_look_s=0.1, give_up_after_s=60)

CONFIG = films_by_genre("films", SOLUTION, "views", "films", 10)


class Films:
    """The service: its files in S3, and one run over them at a time."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.config = copy.deepcopy(CONFIG)
        self.now = NOON
        self.s3 = aws.clients("s3")
        self.personalize = aws.clients("personalize")
        self.account = Account.of(aws.clients)
        self.s3.create_bucket(Bucket=BUCKET)
        self.put("train/films/items.csv", "ITEM_ID,GENRES\n" + "".join(_items()))
        self.put_views(1200)
        self.put(
            f"batch/films/{SOLUTION}/job_config.json",
            json.dumps({"itemAttributes": 'ITEMS.genres = "Action"'}),
        )

    def put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())

    def put_views(self, count: int, key: str = "train/films/interactions.csv") -> None:
        self.put(key, "USER_ID,ITEM_ID,TIMESTAMP\n" + "".join(_views(count)))

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What is declared right now.  Each call is a second later: names are stamped."""
        self.now += dt.timedelta(seconds=1)
        file = load(json.dumps(self.config), "config.json")
        head = self.s3.head_object(Bucket=BUCKET, Key=f"batch/films/{SOLUTION}/job_config.json")
        return declared(
            file,
            locate(FILE, self.s3),
            bucket=BUCKET,
            role_arn=ROLE,
            now=self.now,
            inputs_changed={SOLUTION: head["LastModified"]},
        )

    def plan(self, policy: Policy = DEFAULT) -> Plan:
        return plan(self.personalize, self.account, self.resources, policy)

    def actions(self, policy: Policy = DEFAULT) -> dict[str, str]:
        """What would be done, by kind and the first word of the name; what is kept is left out."""
        return {
            f"{it.resource.kind.name} {_short(it.resource.name)}": it.action
            for it in self.plan(policy).changes
        }

    def run(self, policy: Policy = DEFAULT) -> Ledger:
        """Bring everything into being, as the train flow does."""
        made = self.plan(policy)
        ledger = Ledger(made)
        for wave in made.waves():
            ready = ledger.ready(wave)
            pending = ledger.asked(ready, [self._ensure(it, ledger, policy) for it in ready])
            views: dict[str, Callable[[], Any]] = {
                key: (lambda where=where: look(self.personalize, *where))
                for key, where in pending.items()
            }
            for seen in looks(views, lambda it: not it.on_the_way, QUICK):
                ended = seen
            if views:
                ledger.ended(ended)
        return ledger

    def _ensure(self, resource: Resource, ledger: Ledger, policy: Policy) -> Any:
        try:
            return ensure(self.personalize, self.account, resource, ledger.arns, policy)[1]
        except Exception as error:
            return error


def _short(name: str) -> str:
    return (
        name.split("_")[2]
        if name.startswith("dataset_import")
        else name.split("_2026", maxsplit=1)[0]
    )


def _items() -> Iterator[str]:
    genres = ("Action", "Drama", "Comedy|Action", "Horror")
    yield from (f"i{number},{genres[number % 4]}\n" for number in range(40))


def _views(count: int) -> Iterator[str]:
    for number in range(count):
        user = number % 40
        # Users keep to films of their own remainder, so there is something to learn.
        item = (number // 40 * 4 + user % 4) % 40
        yield f"u{user},i{item},{1_600_000_000 + number * 60}\n"


@pytest.fixture
def films() -> Iterator[Films]:
    with LocalAws(pace=Pace(0.0)) as aws:
        yield Films(aws)
