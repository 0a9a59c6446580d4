from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from personalization.local.pace import Pace
from personalization.local.server import LocalAws

ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen, str]]:
    """The server as a process of its own, and its address."""
    ready = tmp_path_factory.mktemp("local") / "ready"
    command = [sys.executable, "-m", "personalization.local", "--port", "0"]
    with subprocess.Popen(
        [*command, "--ready-file", str(ready)], stdout=subprocess.PIPE, text=True
    ) as running:
        deadline = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.05)
        try:
            yield running, ready.read_text()
        finally:
            running.kill()


def aws_cli(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("aws")), *arguments]
    environment = {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_ours_and_motos_services_answer_on_one_address():
    with LocalAws(pace=Pace(0)) as aws:
        aws.clients("sqs").create_queue(QueueName="films")
        arn = aws.clients("personalize").create_dataset_group(name="films")["datasetGroupArn"]
        identity = aws.clients("sts").get_caller_identity()
        queues = aws.clients("sqs").list_queues()["QueueUrls"]

    assert arn == "arn:aws:personalize:us-east-1:123456789012:dataset-group/films"
    assert identity["Account"] == "123456789012"
    assert [url.rpartition("/")[2] for url in queues] == ["films"]


def test_the_users_own_aws_settings_and_proxies_do_not_matter(monkeypatch, tmp_path):
    (tmp_path / "config").write_text(
        "[default]\nregion = nowhere\nendpoint_url = http://127.0.0.1:9\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with LocalAws(pace=Pace(0)) as aws:
        assert aws.clients("personalize").list_schemas()["schemas"] == []


def test_health_answers_without_credentials():
    with (
        LocalAws(pace=Pace(0)) as aws,
        urllib.request.urlopen(f"{aws.endpoint_url}/health", timeout=10) as answer,
    ):
        assert (answer.status, answer.read()) == (200, b"ok\n")


def test_closing_leaves_no_thread_no_connection_and_no_state():
    before = set(threading.enumerate())
    aws = LocalAws(pace=Pace(0))
    client = aws.clients("s3")
    client.create_bucket(Bucket="films")
    port = int(aws.endpoint_url.rpartition(":")[2])
    threads = threading.active_count()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as idle:
        idle.sendall(b"GET /hea")  # and no more: its thread waits
        deadline = time.monotonic() + 5
        while threading.active_count() <= threads and time.monotonic() < deadline:
            time.sleep(0.01)

        aws.close()
        aws.close()  # twice is once

        assert idle.recv(1) == b""  # hung up on
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()
    with LocalAws(pace=Pace(0)) as again:
        assert again.clients("s3").list_buckets()["Buckets"] == []
        assert again.clients("personalize").list_dataset_groups()["datasetGroups"] == []


def test_the_first_of_two_servers_to_close_does_not_take_the_others_buckets():
    with LocalAws(pace=Pace(0)) as one:
        with LocalAws(pace=Pace(0)) as other:
            other.clients("s3").create_bucket(Bucket="films")
        buckets = one.clients("s3").list_buckets()["Buckets"]

    assert [bucket["Name"] for bucket in buckets] == ["films"]


def test_a_port_that_is_taken_is_an_error_and_not_an_exit():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="Address already in use"),
    ):
        LocalAws(port=taken.getsockname()[1])


def test_the_process_says_where_it_answers_and_the_aws_command_line_finds_it(process):
    running, url = process
    said = running.stdout.readline()

    made = aws_cli(url, "personalize", "create-dataset-group", "--name", "films")
    bucket = aws_cli(url, "s3", "mb", "s3://films")
    unknown = aws_cli(
        url, "personalize", "describe-schema", "--schema-arn", "arn:aws:personalize:us-east-1:1:x"
    )

    assert said == f"local AWS answers on {url} (AWS_ENDPOINT_URL)\n"
    assert json.loads(made.stdout)["datasetGroupArn"].endswith("dataset-group/films")
    assert bucket.stdout == "make_bucket: films\n"
    assert "(ResourceNotFoundException)" in unknown.stderr


def test_a_second_process_on_the_same_port_says_so(process):
    _, url = process
    port = url.rpartition(":")[2]
    command = [sys.executable, "-m", "personalization.local", "--port", port]

    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert second.returncode == 1
    assert second.stderr == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port, "
        "or 0 for any free one\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_the_process_cleanly(number, tmp_path):
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "personalization.local", "--port", "0"]
    with subprocess.Popen(
        [*command, "--ready-file", str(ready)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        deadline = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(number)
        _, errors = running.communicate(timeout=30)

    assert running.returncode == 0
    assert errors == ""
