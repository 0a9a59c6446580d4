"""Dead letters go back to the kind of destination that rejected them, and to no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deployments.replaying import refuse_foreign
from personalization.connectors import build
from personalization.connectors.base import Rendering
from personalization.errors import ConfigError
from tests.delivery.conftest import no_clients

BRAZE = {"kind": "braze", "endpoint": "https://rest.test", "api_key": "k"}
HOOK = {"kind": "webhook", "url": "https://crm.test/x", "secret": "s" * 16}
KLAVIYO = {"kind": "klaviyo", "api_key": "k"}


def rendering(settings: dict[str, Any]) -> Rendering:
    connector: Any = build(settings, no_clients)
    found: Rendering = connector.rendering()
    return found


def letters(folder: Path, settings: dict[str, Any]) -> Path:
    """A letter as it is written: what is known of it first, then the line as it was sent."""
    before, between, after = rendering(settings).pieces
    head = json.dumps({"file": "00000", "row": 1, "user_id": "u1"}, separators=(",", ":"))[:-1]
    path = folder / "dead-letters.jsonl"
    path.write_text(f'{head},"object":{before}"u1"{between}"a":1{after}}}\n')
    return path


@pytest.mark.parametrize("settings", [BRAZE, HOOK, KLAVIYO], ids=lambda it: it["kind"])
def test_letters_go_back_to_where_they_came_from(tmp_path: Path, settings: dict[str, Any]):
    refuse_foreign(letters(tmp_path, settings), rendering(settings), "it", "letters")


@pytest.mark.parametrize(
    ("came_from", "to"),
    [(HOOK, BRAZE), (BRAZE, HOOK), (BRAZE, KLAVIYO), (KLAVIYO, HOOK)],
    ids=["webhook-braze", "braze-webhook", "braze-klaviyo", "klaviyo-webhook"],
)
def test_letters_of_another_kind_are_refused(
    tmp_path: Path, came_from: dict[str, Any], to: dict[str, Any]
):
    with pytest.raises(ConfigError) as caught:
        refuse_foreign(letters(tmp_path, came_from), rendering(to), "crm", "letters")

    assert str(caught.value) == (
        "letters:1 was written for another kind of destination than 'crm'; replay it to the one "
        "that rejected it"
    )
