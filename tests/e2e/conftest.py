"""The Bingewatch sample in a local AWS, with a destination to import into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from personalization.local.server import LocalAws
from personalization.parameters import Waiting

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "bingewatch"
BUCKET = "bingewatch"
DOMAIN = "bingewatch"
SOLUTION = "bw_aws-item-attribute-affinity"
ROLE = "arn:aws:iam::123456789012:role/PersonalizeRole"
QUICK = Waiting(first_look_s=0.1, slowest_look_s=0.3, give_up_after_s=120)


@dataclass(frozen=True)
class Place:
    """Where the sample lies and how it is reached."""

    aws: LocalAws

    def client(self, service: str) -> Any:
        return self.aws.clients(service)

    @property
    def file(self) -> str:
        return f"s3://{BUCKET}/train/bingewatch/config.json"

    def put(self, key: str, body: bytes | str) -> None:
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)

    def read(self, key: str) -> bytes:
        body: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def count(self, listing: str, under: str, **narrow: str) -> int:
        """How many resources a List… operation names."""
        pages = self.client("personalize").get_paginator(listing).paginate(**narrow)
        return sum(len(page[under]) for page in pages)


@pytest.fixture
def bingewatch(aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """The sample uploaded, and an empty Customer Profiles domain."""
    from blocks.settings import settings

    monkeypatch.setenv("PERSONALIZE_ROLE_ARN", ROLE)
    monkeypatch.setenv("PERSONALIZE_WORK_DIR", str(tmp_path / "work"))
    settings.cache_clear()
    place = Place(aws)
    place.client("s3").create_bucket(Bucket=BUCKET)
    for file in sorted(SAMPLE.rglob("*.*")):
        place.put(str(file.relative_to(SAMPLE)), file.read_bytes())
    place.client("customer-profiles").create_domain(DomainName=DOMAIN, DefaultExpirationDays=366)
    yield place
    settings.cache_clear()


@pytest.fixture
def customer_profiles(prefect_server: str) -> str:
    """The name of a saved Destination block for the domain."""
    from blocks.destination import Destination

    settings = {"kind": "customer_profiles", "domain": DOMAIN}
    Destination(settings=settings).save("customer-profiles", overwrite=True)
    return "customer-profiles"
