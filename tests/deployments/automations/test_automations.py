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

from blocks.settings import settings
from deployments.cli import app
from tests.flow_runs import runs_of

pytestmark = pytest.mark.server

# What an automation does about an absence it does ten seconds later, and a look later still.
SOON_S = 90.0
# A busy server learns of events in another order than they came in, when they came close together.
_ORDER_S = 4.0


def command(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["automations", *words])
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def clean(prefect_server: str) -> Iterator[Any]:
    """A client, and none of our automations before and after."""
    from prefect.client.orchestration import get_client

    command("delete", "--all")
    with get_client(sync_client=True) as client:
        yield client
    # On SQLite the server may answer nobody for a minute while automations come and go.
    seen(lambda: CliRunner().invoke(app, ["automations", "delete", "--all"]).exit_code == 0)


@pytest.fixture
def films(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The bucket whose data is waited for."""
    monkeypatch.setenv("PERSONALIZE_BUCKET", "films")
    settings.cache_clear()
    yield
    settings.cache_clear()


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

    clean.pause_automation(made["personalize/resume-suspended-runs"].id)
    # Whoever is told is remembered.
    third = command("apply", "--resume-every-s", "60", "--zombie-after-s", "600")
    after = by_name(clean)

    assert (third.count(" changed "), third.count(" kept ")) == (2, 4)
    assert {name: it.id for name, it in after.items()} == {name: it.id for name, it in made.items()}
    timer = after["personalize/resume-suspended-runs"]
    assert (timer.enabled, timer.trigger.within) == (False, dt.timedelta(seconds=60))
    command("apply", "--resume-every-s", "60", "--reset")
    assert by_name(clean)["personalize/resume-suspended-runs"].enabled


def test_a_deployment_that_is_made_again_leaves_them_alone_and_they_it(clean):
    from prefect import flow
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

    @flow(name="redeployed")
    def redeployed() -> None:
        pass

    trigger = DeploymentEventTrigger(name="personalize: its own", expect={"never"})
    command("apply")
    before = by_name(clean)
    for _ in range(2):
        redeployed.to_deployment("it", triggers=[trigger]).apply()

    assert by_name(clean) == before
    command("delete", "--all")
    assert len(clean.read_automations_by_name("personalize: its own")) == 1


def test_what_is_there_is_listed_and_deleted_by_name(clean):
    assert "there are none; `personalize automations apply` makes them" in command("list")
    assert "nobody is told what goes wrong: save a notification block" in command("apply")
    listed = command("list")
    assert "personalize/end-runs-without-heartbeat" in listed
    assert "enabled" in listed

    wrong = command("delete", "resume", status=1)
    assert "there is no automation 'personalize/resume'; there are: 'personalize/end-" in wrong
    command("delete", "end-runs-without-heartbeat")
    assert list(by_name(clean)) == ["personalize/resume-suspended-runs"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--notify", "ops"], "'ops' names no block; write BLOCK_TYPE/NAME", id="form"),
        pytest.param(["--notify", "webhook/x"], "there is no block webhook/x", id="missing-block"),
        pytest.param(["--notify", "secret/it"], "block secret/it can tell nobody", id="mute"),
        pytest.param(["--too-long", "train"], "'train' is no budget", id="budget"),
        pytest.param(["--resume-every-s", "5"], "resume=5: an automation waits 10 s", id="short"),
        pytest.param(["--zombie-after-s", "300"], "before a suspended run, which", id="zombie"),
        pytest.param(
            ["--train-when-data-quiet-for", "30"], "there is no deployment train/train", id="train"
        ),
    ],
)
def test_what_cannot_be_applied_is_refused_with_the_way_out(clean, films, words, message):
    from prefect.blocks.system import Secret

    Secret(value="x").save("it", overwrite=True)
    for it in clean.read_deployments():
        if it.name == "train":
            clean.delete_deployment(it.id)

    assert message in command("apply", *words, status=1)
    assert by_name(clean) == {}


def test_without_a_bucket_no_data_is_waited_for(clean, monkeypatch):
    monkeypatch.setenv("PERSONALIZE_BUCKET", "")
    settings.cache_clear()
    refused = command("apply", "--train-when-data-quiet-for", "30", status=1)
    settings.cache_clear()

    assert "no bucket is named whose data to wait for; set PERSONALIZE_BUCKET" in refused
    assert by_name(clean) == {}


class Runs:
    """Flow runs of a deployment, put into states as their processes would."""

    def __init__(self, client: Any) -> None:
        from tasks.suspending import TAG

        self.client, self.tag = client, TAG
        self.deployment = self.deploy("watched")

    def deploy(self, name: str) -> Any:
        flow = self.client.create_flow_from_name(name)
        return self.client.create_deployment(flow_id=flow, name=name, tags=[self.tag])

    def in_state(self, *states: Any) -> Any:
        run = self.client.create_flow_run_from_deployment(self.deployment, tags=[self.tag])
        for state in states:
            self.client.set_flow_run_state(run.id, state, force=True)
        return run.id

    def state(self, run: Any) -> str:
        return str(self.client.read_flow_run(run).state_name)

    def heartbeat(self, *runs: Any) -> None:
        self.post(
            {
                "event": "prefect.flow-run.heartbeat",
                "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
                "related": [
                    {
                        "prefect.resource.id": f"prefect.tag.{self.tag}",
                        "prefect.resource.role": "tag",
                    }
                ],
            }
            for run in runs
        )

    def post(self, events: Any) -> None:
        common = {"occurred": dt.datetime.now(dt.UTC).isoformat(), "payload": {}, "related": []}
        body = [{"id": str(uuid4()), **common, **it} for it in events]
        self.client.request("POST", "/events", json=body).raise_for_status()

    def of_train(self) -> list[Any]:
        """The parameters of the runs of train/train."""
        train = self.client.read_deployment_by_name("train/train").id
        return [it.parameters["parameters"] for it in runs_of(self.client, train)]


def test_each_does_its_work(clean, films, listener, told):
    """Failures, zombies, long runs and quiet data; a suspended run without a timer stays so."""
    from prefect.automations import Automation
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.states import Failed, Running, Suspended

    runs = Runs(clean)
    train = runs.deploy("train")
    quick = ["--resume-every-s", "10", "--zombie-after-s", "20", "--too-long", "others=10"]
    command("apply", *told, *quick, "--train-when-data-quiet-for", "10")
    command("delete", "resume-suspended-runs")
    broken = Automation(
        name="broken",
        trigger=EventTrigger(expect={"it.broke"}, posture=Posture.Reactive, threshold=1),
        actions=[RunDeployment(deployment_id=train, parameters={"x": "{{ event.payload.none }}"})],
    ).create()

    failed = runs.in_state(Failed(message="401 for https://me:hunter2@crm.test"))
    zombie, suspended = runs.in_state(Running()), runs.in_state(Running())
    runs.heartbeat(zombie, suspended)
    runs.post([{"event": "it.broke", "resource": {"prefect.resource.id": "it"}}])
    for number in range(3):
        runs.post(uploaded(f"train/films/interactions/part-{number}.csv"))
    runs.post(uploaded("train/films/items.csv"))
    runs.post(uploaded("train/films/config.json", "audiences/films/x.csv", "x/train/y/z.csv"))
    runs.post(uploaded("train/films/items.csv", bucket="books"))

    def heard(path: str, **facts: str) -> list[Any]:
        alike = (it for it in listener.heard.get(path, []))
        return [it for it in alike if facts.items() <= {k: str(v) for k, v in it.items()}.items()]

    time.sleep(_ORDER_S)
    clean.set_flow_run_state(suspended, Suspended(timeout_seconds=600), force=True)
    [call] = seen(lambda: heard("/webhook", flow="watched", state="Failed"))
    assert str(failed) in call["url"]
    name = clean.read_flow_run(failed).name
    [note] = seen(lambda: heard("/notify", subject=f"watched Failed: {name}"))
    assert note["text"].startswith("Its log says why.")
    assert str(failed) in note["text"]
    [call] = seen(lambda: heard("/webhook", automation="broken"))
    assert call["action"] == "run-deployment"
    assert call["reason"].startswith("Unable to create flow run")

    seen(lambda: runs.state(zombie) == "Crashed")
    [call] = seen(lambda: heard("/webhook", state="Crashed"))
    assert str(zombie) in call["url"]
    assert "hunter2" not in str(listener.heard)
    # Both were running for ten seconds.
    seen(lambda: len(heard("/webhook", budget_s="10")) == 2)
    seen(lambda: len(runs.of_train()) == 2)
    assert runs.of_train() == [{"file": "s3://films/train/films/config.json"}] * 2
    assert runs.state(suspended) == "Suspended"
    assert heard("/webhook", automation="personalize/end-runs-without-heartbeat") == []

    # A timer that is new, or has changed, does not forget those that wait already.
    command("apply", *quick)
    assert runs.state(suspended) == "Resuming"
    broken.delete()
    clean.delete_deployment(train)


def uploaded(*keys: str, bucket: str = "films") -> list[dict[str, Any]]:
    """What the relay tells Prefect of uploads."""
    from personalization.s3_events import ObjectCreated

    now = dt.datetime.now(dt.UTC)
    return [ObjectCreated(bucket, key, 1, uuid4().hex, None, None, now).event() for key in keys]


def test_the_timer_resumes_what_is_suspended_and_nothing_else(clean, listener, told):
    from prefect.states import Cancelled, Running, Suspended

    # Long enough for the server to have learned of what happens before it does anything.
    command("apply", *told, "--resume-every-s", "20")
    runs = Runs(clean)
    waiting = Suspended(timeout_seconds=600)
    suspended, cancelled, twice = (runs.in_state(Running(), waiting) for _ in range(3))
    time.sleep(_ORDER_S)
    clean.set_flow_run_state(cancelled, Cancelled(), force=True)
    time.sleep(1)  # on SQLite Prefect's automations may miss one of two events of the same moment
    # Resumed by a person at once, and suspended again: that is a wait of its own.
    clean.set_flow_run_state(twice, Running(), force=True)
    time.sleep(_ORDER_S)
    clean.set_flow_run_state(twice, waiting, force=True)

    seen(lambda: runs.state(suspended) == "Resuming")
    assert runs.state(twice) == "Suspended"
    seen(lambda: runs.state(twice) == "Resuming")

    assert runs.state(cancelled) == "Cancelled"
    assert listener.heard == {}
