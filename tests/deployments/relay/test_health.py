"""What the relay says of itself: its page, its log lines, and that it may be stopped."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time

import httpx
import pytest

from deployments.relay.health import Health, answering
from deployments.relay.logs import JsonLines, facts
from deployments.relay.stopping import Stop
from personalization.errors import ConfigError


def page_of(health, path="/health"):
    with answering(health.page, "127.0.0.1", 0) as url:
        return httpx.get(url.replace("/health", path))


def healthy(clock=time.monotonic):
    health = Health("http://sqs/uploads", "http://prefect/api", alive_s=60, clock=clock)
    health.happened("poll")
    health.counts["messages"] += 2
    return health


def test_a_relay_that_polls_answers_200_with_what_there_is_to_know():
    answer = page_of(healthy())

    page = answer.json()
    assert answer.status_code == 200
    assert page.pop("last_poll").endswith("+00:00")
    assert page == {
        "state": "relaying",
        "trouble": None,
        "last_delivery": None,
        "counts": {"messages": 2},
        "queue": "http://sqs/uploads",
        "prefect": "http://prefect/api",
    }


def test_one_that_has_not_begun_is_alive_and_not_ready():
    health = Health("q", "p", alive_s=60)
    answer = page_of(health)

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["trouble"]) == ("waiting", "not yet begun")
    assert page_of(health, "/ready").status_code == 503


def test_one_that_waits_is_alive_and_says_why_it_is_not_ready():
    """Whoever restarts what is not alive would end it during every outage of Prefect."""
    health = healthy()
    assert page_of(health, "/ready").status_code == 200
    health.trouble = "Prefect is away"

    alive, ready = page_of(health), page_of(health, "/ready")

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert alive.json() == ready.json()
    assert (ready.json()["state"], ready.json()["trouble"]) == ("waiting", "Prefect is away")


def test_one_that_gives_no_sign_of_life_is_stuck():
    now = [0.0]
    health = healthy(lambda: now[0])
    now[0] = 61

    assert page_of(health).status_code == page_of(health, "/ready").status_code == 503
    assert page_of(health).json()["state"] == "stuck"

    health.alive()

    assert page_of(health).status_code == page_of(health, "/ready").status_code == 200


def test_there_are_no_other_pages():
    assert page_of(healthy(), "/").status_code == 404
    assert "there are only /health and /ready" in page_of(healthy(), "/").text


def test_a_taken_port_is_named_with_the_way_out():
    with answering(dict, "127.0.0.1", 0) as url:
        port = int(url.split(":")[2].split("/")[0])

        with (
            pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: Address already in use; "),
            answering(dict, "127.0.0.1", port),
        ):
            pass


def test_a_log_line_is_one_json_object():
    logger = logging.getLogger("deployments.relay.test")
    record = logger.makeRecord(
        logger.name, logging.INFO, "f", 1, "sent %d", (2,), None, extra=facts(key="é\n", ms=3)
    )

    line = JsonLines().format(record)

    known = json.loads(line)
    assert "\n" not in line
    assert known.pop("at").endswith("+00:00")
    assert known == {"level": "info", "said": "sent 2", "key": "é\n", "ms": 3}


def test_a_log_line_of_an_exception_carries_its_trace():
    try:
        raise ValueError("odd")
    except ValueError as error:
        record = logging.makeLogRecord(
            {"msg": "broken", "exc_info": (ValueError, error, error.__traceback__)}
        )

    assert "ValueError: odd" in json.loads(JsonLines().format(record))["trace"]


def test_a_signal_ends_a_wait_in_the_thread_that_waits():
    stop = Stop()
    earlier = signal.signal(signal.SIGUSR1, stop.ask)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    began = time.monotonic()
    try:
        stop.wait(20)
    finally:
        signal.signal(signal.SIGUSR1, earlier)

    assert stop
    assert time.monotonic() - began < 10

    stop.wait(20)  # no longer waits

    assert time.monotonic() - began < 10


def test_a_wait_that_nobody_ends_ends_by_itself():
    stop = Stop()

    stop.wait(0.01)

    assert not stop
