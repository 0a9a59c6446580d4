"""The command `personalize`, as typed."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from flows import FLOWS

SAMPLE = Path(__file__).parents[2] / "data" / "bingewatch" / "train" / "bingewatch"
CONFIG = str(SAMPLE / "config.json")


def typed(*words: str) -> tuple[int, str]:
    """Type the words; return the exit status and all that was printed, on one line."""
    result = CliRunner().invoke(app, list(words), terminal_width=200)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, re.sub(r"\s+", " ", result.output)


def test_a_sound_parameter_file_gets_its_warnings_and_status_0():
    status, said = typed("config", "check", str(SAMPLE / "config.json"))

    assert status == 0
    assert "TITLE is a string and neither categorical nor textual" in said


def test_findings_name_path_line_and_the_way_out(tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"datasetGroup":\n  {"serviceConfig": {"name": "a b"}}}')

    status, said = typed("config", "check", str(file))

    assert status == 1
    assert "error: datasetGroup.serviceConfig.name: is 'a b'" in said
    assert 'config.json:2 | {"serviceConfig"' in said
    assert "must match ^[a-zA-Z0-9]" in said
    assert "1 error(s)" in said


def test_a_file_that_is_not_there_is_named():
    status, said = typed("config", "check", "nowhere.json")

    assert (status, said.strip()) == (
        1,
        "error: nowhere.json cannot be read: No such file or directory",
    )


def test_sound_data_get_status_0_and_faulty_ones_are_cleaned(tmp_path):
    for file in SAMPLE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = str(tmp_path / "config.json")
    assert typed("data", "check", config)[0] == 0

    interactions = tmp_path / "interactions.csv"
    lines = interactions.read_text().splitlines()
    lines[4] = lines[4].replace(lines[4].rpartition(",")[2], "yesterday")
    interactions.write_text("\n".join(lines))
    status, said = typed("data", "check", config)
    assert status == 1
    assert "interactions.TIMESTAMP: is 'yesterday'" in said
    assert "interactions.csv:5" in said

    cleaned = tmp_path / "cleaned"
    status, said = typed("data", "check", config, "--cleaned", str(cleaned))

    assert status == 0
    assert len((cleaned / "interactions.csv").read_text().splitlines()) == len(lines) - 1
    assert "yesterday" in (cleaned / "rejects.csv").read_text()


def test_data_are_generated_and_pass_their_own_check(tmp_path):
    sizes = ("--users", "60", "--items", "50", "--interactions", "3000", "--seed", "7")
    status, said = typed("data", "generate", str(tmp_path), *sizes)

    assert status == 0
    assert re.search(r"interactions of 60 users in ", said)
    (tmp_path / "config.json").write_bytes((SAMPLE / "config.json").read_bytes())
    assert typed("data", "check", str(tmp_path / "config.json"))[0] == 0


@pytest.mark.parametrize("words", [("generate",), ("check", CONFIG, "--cleaned")])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, words):
    file = tmp_path / "file"
    file.touch()

    status, said = typed("data", *words, str(file / "folder"))

    assert (status, said.strip()) == (
        1,
        f"error: {file}/folder cannot be {'read or ' * (len(words) > 1)}written: Not a directory",
    )


def test_an_s3_uri_works_wherever_a_file_does(aws):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="films")
    for file in SAMPLE.iterdir():
        s3.put_object(Bucket="films", Key=f"train/x/{file.name}", Body=file.read_bytes())

    assert typed("config", "check", "s3://films/train/x/config.json")[0] == 0
    assert typed("data", "check", "s3://films/train/x/config.json")[0] == 0
    status, said = typed("config", "check", "s3://films/train/y.json")
    assert (status, "NoSuchKey" in said) == (1, True)


def test_without_credentials_the_way_out_is_said(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    status, said = typed("config", "check", "s3://b/train/x/config.json")

    assert status == 1
    assert "no usable AWS credentials were found; set AWS_PROFILE" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("run", "trian"), "there is no flow 'trian'; there are: train", id="flow"),
        pytest.param(("run", "train", "file"), "'file' is not a setting; write KEY=VALUE", id="="),
        pytest.param(("run", "train", "flie=x"), "= did you mean file?", id="misspelt"),
        pytest.param(("run", "train", "file=x"), "'x' is not an S3 URI", id="invalid"),
        pytest.param(
            ("run", "train", "file=s3://b/k", 'waiting={"slowest_look_s": 1}'),
            "slowest_look_s=1 is below first_look_s=5; raise it",
            id="json",
        ),
    ],
)
def test_a_flow_is_not_started_with_wrong_parameters(words, message):
    status, said = typed(*words)

    assert status == 1
    assert message in said


def test_every_flow_module_can_be_run():
    folder = Path(__file__).parents[2] / "flows"

    modules = {path.stem.replace("_", "-") for path in folder.glob("[!_]*.py")}

    assert modules == set(FLOWS)


def test_the_samples_job_input_is_one_query():
    text = (
        SAMPLE.parents[1] / "batch/bingewatch/bw_aws-item-attribute-affinity/job_config.json"
    ).read_text()

    assert [json.loads(line) for line in text.splitlines()] == [
        {"itemAttributes": 'ITEMS.genres = "Action"'}
    ]


def test_dead_letters_that_are_not_there_are_named():
    status, said = typed("replay", "nowhere.jsonl", "--to", "braze")

    assert (status, said.strip()) == (1, "error: nowhere.jsonl is not a file")


def test_a_port_that_is_taken_is_named_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = typed("local", "--far-ends", port)

    assert status == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "choose another --far-ends" in said
