"""A destination whose answers are scripted, and outboxes small enough to read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import pytest

from personalization.connectors import (
    BatchRefused,
    Connector,
    ConnectorConfig,
    Delivered,
    Limits,
    Membership,
    Rejected,
    Rendering,
    RequestLimits,
    Takes,
    TakesAttributes,
)
from personalization.delivery import Patience

QUICK = Patience(attempts=4, first_s=0.001, slowest_s=0.002, give_up_after_s=5)


def no_clients(service: str) -> Any:
    raise AssertionError(f"nobody asked for {service}")


class ScriptedConfig(ConnectorConfig):
    kind: Literal["scripted"] = "scripted"
    name: str = "one"


class Scripted(Connector[ScriptedConfig], TakesAttributes):
    """Answers as `script` says; remembers every batch, and how many were in flight at once."""

    kind: ClassVar[str] = "scripted"
    config_class: ClassVar[type[ConnectorConfig]] = ScriptedConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"attributes"})
    limits: ClassVar[Limits] = Limits()

    def __init__(self, script: Callable[[list[str]], Any] = lambda _: None, **limits: Any) -> None:
        super().__init__(ScriptedConfig(), no_clients)
        self.script = script
        defaults: dict[str, Any] = {
            "max_rows": 3,
            "max_bytes": 1000,
            "per_second": 10_000,
            "in_flight": 2,
        }
        self._limits = RequestLimits(**(defaults | limits))
        self.batches: list[list[str]] = []
        self.keys: list[str] = []
        self.most_at_once = self._at_once = 0
        self.closed: list[bool] = []

    @property
    def attribute_limits(self) -> RequestLimits:
        return self._limits

    def check(self) -> None:
        pass

    def rendering(self, *, prefix: Any = None, constants: Any = None) -> Rendering:
        return Rendering("user_id", prefix or "", constants=constants or {})

    def membership(self, audience: str) -> Membership:
        return Membership(f'"{audience}":true', f'"{audience}":null')

    async def close(self, *, complete: bool) -> None:
        self.closed.append(complete)

    async def deliver(self, lines: Sequence[bytes], *, key: str) -> Delivered:
        users = [json.loads(line)["user_id"] for line in lines]
        self.batches.append(users)
        self.keys.append(key)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0.001)
        self._at_once -= 1
        said = self.script(users)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Delivered):
            return said
        return Delivered(len(lines))

    @property
    def users(self) -> list[str]:
        return [user for batch in self.batches for user in batch]


def refusing(*bad: str) -> Callable[[list[str]], Any]:
    """Batches with one of these users are refused as a whole."""
    return lambda users: BatchRefused("crm.test refused") if set(bad) & set(users) else None


def rejecting(*bad: str, later: bool = False) -> Callable[[list[str]], Any]:
    """These users are rejected one by one."""

    def script(users: list[str]) -> Delivered:
        found = tuple(
            Rejected(index, "unknown", later) for index, user in enumerate(users) if user in bad
        )
        return Delivered(len(users) - len(found), found)

    return script


def line(user: str) -> bytes:
    return json.dumps({"user_id": user, "recs": ["tea"]}).encode()


def write_outbox(folder: Path, files: Sequence[Sequence[str]], removed: Sequence[str] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, users in enumerate(files):
        text = b"".join(line(user) + b"\n" for user in users)
        (folder / f"{number:05d}.jsonl").write_bytes(text)
        rows = [
            {"user_id": user, "hash": 0 if user in removed else 7, "removed": user in removed}
            for user in users
        ]
        schema = {"user_id": pl.String, "hash": pl.UInt64, "removed": pl.Boolean}
        pl.DataFrame(rows, schema=schema).write_parquet(folder / f"{number:05d}.parquet")
    return folder


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """Two files: a b c d e and f g, of which e is removed."""
    return write_outbox(tmp_path / "outbox", ["abcde", "fg"], removed="e")
