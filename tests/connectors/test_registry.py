"""How a connector is found and built, and what mistakes are answered with."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from personalization.connectors import (
    Connector,
    ConnectorConfig,
    Limits,
    Takes,
    build,
    kinds,
    register,
)
from personalization.connectors.importing import outcome
from personalization.errors import ConfigError

OURS = ("braze", "customer_profiles", "customerio", "files", "klaviyo", "pinpoint", "webhook")

PLUGIN = """
from typing import ClassVar, Literal
from pydantic import Field
from personalization.connectors import Connector, ConnectorConfig, Limits


class HallConfig(ConnectorConfig):
    kind: Literal["hall"] = "hall"
    board: str = Field(description="Where the names are pinned.")


class Hall(Connector[HallConfig]):
    kind = "hall"
    config_class = HallConfig
    takes = frozenset({"attributes"})
    limits = Limits()

    def check(self):
        pass


class NotOne:
    pass
"""


def no_clients(service: str) -> Any:
    raise AssertionError(f"nobody asked for {service}")


class EchoConfig(ConnectorConfig):
    kind: Literal["echo"] = "echo"
    volume: int


class Echo(Connector[EchoConfig]):
    kind: ClassVar[str] = "echo"
    config_class: ClassVar[type[ConnectorConfig]] = EchoConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"attributes"})
    limits: ClassVar[Limits] = Limits(max_bytes=4_000_000)

    def check(self) -> None:
        pass


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution as pip would leave it: a module, and metadata with an entry point."""
    (tmp_path / "town_hall.py").write_text(PLUGIN)
    about = tmp_path / "town_hall-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: town-hall\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[personalize_flows.connectors]\nhall = town_hall:Hall\nruin = town_hall:Nothing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("town_hall", None)


def test_ours_are_known_without_asking():
    assert kinds() == OURS


@pytest.mark.parametrize("kind", ["hall", "town_hall:Hall"], ids=["by-entry-point", "by-name"])
def test_a_connector_of_others_is_found(plugin: Path, kind: str):
    connector = build({"kind": kind, "board": "left"}, no_clients)

    assert type(connector).__name__ == "Hall"
    assert connector.config.board == "left"
    assert connector.config.kind == "hall"


def test_entry_points_are_listed_with_ours(plugin: Path):
    assert set(kinds()) == {*OURS, "hall", "ruin"}


def test_an_unknown_kind_is_answered_with_those_there_are():
    with pytest.raises(ConfigError) as caught:
        build({"kind": "pigeon"}, no_clients)

    assert str(caught.value) == (
        f"connector kind 'pigeon' is unknown; there are: {', '.join(OURS)}"
    )


@pytest.mark.parametrize("settings", [{}, {"kind": ""}, {"kind": 3}], ids=["no", "empty", "number"])
def test_settings_without_a_kind_are_answered_with_those_there_are(settings: dict[str, Any]):
    with pytest.raises(ConfigError, match=r"^connector settings need a kind; there are: braze, "):
        build(settings, no_clients)


def test_wrong_settings_are_all_named_on_one_line_and_their_values_are_not():
    with pytest.raises(ConfigError) as caught:
        build({"kind": "pinpoint", "role_arn": "s3cret", "retries": "s3cret"}, no_clients)

    said = str(caught.value)
    assert said.startswith("connector 'pinpoint' is misconfigured: application_id: Field required;")
    assert "; role_arn: String should match pattern" in said
    assert said.endswith("; retries: Extra inputs are not permitted")
    assert "s3cret" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "braze", "api_key": "REAL-KEY"},
        {"kind": "braze", "endpoint": "https://rest.test", "apikey": "REAL-KEY"},
        {"kind": "webhook", "url": "https://crm.test", "secret": "KEY"},
        {"kind": "webhook", "url": "https://crm.test", "secret": "s" * 9, "query": "?code=KEY"},
    ],
    ids=["something-else-missing", "misspelt", "too-short", "no-query"],
)
def test_a_secret_is_not_in_the_traceback_of_a_mistake_either(settings: dict[str, Any]):
    with pytest.raises(ConfigError, match="is misconfigured") as caught:
        build(settings, no_clients)

    assert "KEY" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("town_hall:Nobody", "connector 'town_hall:Nobody' cannot be loaded: module 'town_hall'"),
        ("no.such:Class", "connector 'no.such:Class' cannot be loaded: No module named 'no'"),
        (":Class", "connector ':Class' cannot be loaded: Empty module name"),
        ("town_hall:NotOne", "connector 'town_hall:NotOne' is not a subclass of Connector"),
        ("ruin", "connector 'town_hall:Nothing' cannot be loaded: module 'town_hall'"),
    ],
    ids=["no-class", "no-module", "no-name", "another-class", "broken-entry-point"],
)
def test_a_class_that_cannot_be_had_is_a_mistake_in_the_settings(
    plugin: Path, kind: str, said: str
):
    with pytest.raises(ConfigError, match=f"^{said}"):
        build({"kind": kind}, no_clients)


def test_settings_are_frozen():
    config = EchoConfig(volume=3)

    with pytest.raises(ValueError, match="frozen"):
        config.volume = 4


def test_two_connectors_cannot_share_a_kind():
    class Pretender(Echo):
        kind: ClassVar[str] = "pinpoint"

    with pytest.raises(
        ConfigError, match=r"kind 'pinpoint' is taken by personalization\.connectors\.pinpoint:Pin"
    ):
        register(Pretender)


@pytest.mark.parametrize(
    ("accepted", "rejected", "state"),
    [(3, 0, "succeeded"), (0, 0, "succeeded"), (3, 1, "partly"), (0, 1, "failed")],
)
def test_an_import_that_ended_is_judged_by_its_counts(accepted: int, rejected: int, state: str):
    assert outcome(accepted, rejected) == state
