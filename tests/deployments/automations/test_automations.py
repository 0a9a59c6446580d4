"""The automations on a real server: made once, kept, and fired."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from deployments.cli import app

pytestmark = pytest.mark.server

# What an automation does about an absence it does ten seconds later, and a look later still.
SOON_S = 40.0


def command(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["automations", *words], env={"COLUMNS": "200"})
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def clean(prefect_server: str) -> Iterator[Any]:
    """A client, and none of our automations before and after."""
    from prefect.client.orchestration import get_client

    command("delete", "--all")
    with get_client(sync_client=True) as client:
        yield client
    command("delete", "--all")


@pytest.fixture
def listener() -> Iterator[Any]:
    """Who is told: an HTTP server that keeps what it gets, by path."""
    heard: dict[str, list[Any]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.setdefault(self.path, []).append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.heard = heard  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield server
        server.shutdown()


@pytest.fixture
def told(listener: Any, prefect_server: str) -> list[str]:
    """The options that name a notification block and a webhook, both of the listener's."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.blocks.webhook import Webhook

    Webhook(url=f"{listener.url}/webhook").save("listener", overwrite=True)
    CustomWebhookNotificationBlock(
        name="listener",
        url=f"{listener.url}/notify",
        json_data={"subject": "{{subject}}", "text": "{{body}}"},
    ).save("listener", overwrite=True)
    return ["--notify", "webhook/listener", "--notify", "custom-webhook/listener"]


def seen(look: Callable[[], Any], within_s: float = SOON_S) -> Any:
    """Look until there is something to see."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, "nothing was seen in time"
        time.sleep(0.3)
    return found


def by_name(client: Any) -> dict[str, Any]:
    from deployments.automations.applying import existing

    return existing(client)


def test_applying_twice_changes_nothing_and_a_change_is_made_in_place(clean, told):
    first = command("apply", *told)
    made = by_name(clean)
    second = command("apply", *told)

    assert first.count(" made ") == len(made) == 6
    assert second.count(" kept ") == 6
    assert {it.id for it in by_name(clean).values()} == {it.id for it in made.values()}

    clean.pause_automation(made["personalize: resume suspended runs"].id)
    # Whoever is told is remembered.
    third = command("apply", "--resume-every-s", "60", "--zombie-after-s", "600")
    after = by_name(clean)

    assert (third.count(" changed "), third.count(" kept ")) == (2, 4)
    assert {name: it.id for name, it in after.items()} == {name: it.id for name, it in made.items()}
    timer = after["personalize: resume suspended runs"]
    assert (timer.enabled, timer.trigger.within) == (False, dt.timedelta(seconds=60))
    command("apply", "--resume-every-s", "60", "--reset")
    assert by_name(clean)["personalize: resume suspended runs"].enabled


def test_a_deployment_that_is_made_again_leaves_them_alone(clean):
    from prefect import flow
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

    @flow(name="redeployed")
    def redeployed() -> None:
        pass

    clean.create_work_pool(pool()) if not pools(clean) else None
    trigger = DeploymentEventTrigger(name="its own", expect={"never"})
    command("apply")
    before = by_name(clean)
    for _ in range(2):
        redeployed.to_deployment("it", triggers=[trigger], work_pool_name="it").apply()

    assert by_name(clean) == before
    assert len(clean.read_automations_by_name("its own")) == 1


def pool() -> Any:
    from prefect.client.schemas.actions import WorkPoolCreate

    return WorkPoolCreate(name="it", type="process")


def pools(client: Any) -> list[Any]:
    return [it for it in client.read_work_pools() if it.name == "it"]
