"""`personalize relay` as a process: how it begins, ends and is killed."""

from __future__ import annotations

import json
import os
import signal

import httpx
import pytest
from typer.testing import CliRunner

from deployments.cli import app
from deployments.processes import Program
from tests.deployments.relay.conftest import VISIBILITY_S, until
from tests.deployments.relay.far_prefect import TAKEN, Answer


@pytest.fixture
def program(uploads, prefect, tmp_path):
    """The relay between the test's queue and its Prefect; what was started ends with the test."""
    ready = tmp_path / "relay.url"
    options = ("--queue", uploads.name, "--health-port", "0", "--ready-file", str(ready))
    started = []

    class Started(Program):
        def start(self):
            started.append(super().start())
            return started[-1]

    yield Started(
        "the relay",
        ("-m", "deployments.cli", "relay", *options, "--visibility-s", str(VISIBILITY_S)),
        tmp_path / "relay.log",
        lambda: ready.read_text() if ready.exists() else None,
        {"PREFECT_API_URL": prefect.url, "PREFECT_HOME": str(tmp_path / "prefect")},
        ready,
    )
    # At once: the tests that want to see it end politely have done so.
    for service in started:
        service.child.kill()
        service.child.wait()


def log_of(program) -> list[dict]:
    lines = program.log.read_text().splitlines()
    return [json.loads(it) for it in lines if it.startswith("{")]


def test_sigterm_ends_it_with_0_and_it_loses_nothing(uploads, prefect, program):
    service = program.start()
    url = service.address()
    until(lambda: httpx.get(url).status_code == 200)
    for number in range(40):
        uploads.put(f"{number}.json")
    until(lambda: prefect.taken)
    service.child.send_signal(signal.SIGTERM)

    assert service.child.wait(20) == 0
    waiting, in_hand = uploads.left()
    assert in_hand == 0
    assert len(set(prefect.keys)) + waiting == 40
    assert len(prefect.keys) == len(set(prefect.keys))
    first, *_, last = log_of(program)
    assert (first["said"], first["health"]) == ("begun", url)
    assert (last["said"], last["delivered"]) == ("ended", len(prefect.keys))
    assert f"relay of {uploads.url} to {prefect.url}; health on {url}" in program.log.read_text()


def test_ctrl_c_in_an_outage_ends_it_with_0_and_gives_back_what_it_holds(uploads, prefect, program):
    prefect.policy = lambda _: Answer(503)
    uploads.put("a.json")
    service = program.start()
    url = service.address()
    until(lambda: prefect.offered)
    until(lambda: httpx.get(url).json()["trouble"])

    assert httpx.get(url).status_code == 200
    assert httpx.get(url.replace("/health", "/ready")).status_code == 503

    service.child.send_signal(signal.SIGINT)

    assert service.child.wait(20) == 0
    assert uploads.left() == (1, 0)


def test_killed_between_post_and_delete_it_posts_the_same_event_again(uploads, prefect, program):
    service = program.start()
    service.address()

    def take_and_kill(_):
        os.kill(service.child.pid, signal.SIGKILL)
        service.child.wait()
        return TAKEN

    prefect.policy = take_and_kill
    uploads.put("a.json")
    until(lambda: prefect.taken)

    assert service.child.returncode == -signal.SIGKILL
    assert uploads.left() == (0, 1)

    prefect.policy = lambda _: TAKEN
    program.start().address()
    until(lambda: len(prefect.taken) == 2)
    until(uploads.is_empty)

    assert prefect.keys == ["a.json", "a.json"]
    assert len({it["id"] for it in prefect.taken}) == 1
    assert [it["receives"] for it in log_of(program) if it["said"] == "delivered"] == [2]


def typed(monkeypatch, prefect_url, *words):
    """Type the words in this process; return exit status and all that was said, on one line."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    handlers = {it: signal.getsignal(it) for it in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr("deployments.relay.command.log_as_json", lambda: None)
    try:
        with temporary_settings({PREFECT_API_URL: prefect_url}):
            result = CliRunner().invoke(app, ["relay", *words], env={"COLUMNS": "300"})
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    "name",
    [
        "nowhere",
        "arn:aws:sqs:us-east-1:123456789012:nowhere",
        "http://127.0.0.1:9/123456789012/nowhere",
    ],
    ids=["name", "arn", "url"],
)
def test_a_queue_that_is_not_there_is_named(aws, prefect, monkeypatch, name):
    status, said = typed(monkeypatch, prefect.url, "--queue", name)

    assert status == 1
    assert said == (
        f"error: there is no queue '{name}' in us-east-1; name it by its name, URL or ARN, and set "
        "AWS_DEFAULT_REGION to where it is"
    )


def test_a_fifo_queue_is_refused(aws, prefect, monkeypatch):
    aws.clients("sqs").create_queue(QueueName="a.fifo", Attributes={"FifoQueue": "true"})

    status, said = typed(monkeypatch, prefect.url, "--queue", "a.fifo")

    assert status == 1
    assert "a.fifo is a FIFO queue, which S3 cannot notify; name a standard queue" in said


def test_a_ready_file_that_cannot_be_written_is_named(uploads, prefect, monkeypatch, caplog):
    words = ("--queue", uploads.url, "--health-port", "0", "--ready-file", "/nowhere/ready")

    status, said = typed(monkeypatch, prefect.url, *words)

    assert status == 1
    assert "cannot be written: No such file or directory" in said


def test_a_queue_without_dead_letters_is_warned_of(aws, prefect, monkeypatch, caplog):
    aws.clients("sqs").create_queue(QueueName="plain")
    words = ("--queue", "plain", "--health-port", "0", "--ready-file", "/nowhere/ready")

    typed(monkeypatch, prefect.url, *words)

    assert "the queue has no dead-letter queue; messages that nobody can read will stay in it" in (
        caplog.text
    )


def test_a_server_that_nobody_named_is_asked_for(aws, monkeypatch):
    status, said = typed(monkeypatch, None, "--queue", "uploads")

    assert status == 1
    assert "there is no Prefect server to tell; set PREFECT_API_URL to its API" in said


def test_a_block_in_a_server_that_is_down_is_not_looked_for(aws, prefect, monkeypatch):
    prefect.down()

    status, said = typed(monkeypatch, prefect.url, "--queue", "uploads", "--credentials", "team")

    assert status == 1
    assert said.startswith(f"error: Prefect at {prefect.url} is out of reach: ")
