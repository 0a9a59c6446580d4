from __future__ import annotations

import io

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from rich.console import Console
from typer.testing import CliRunner

from blocks.settings import settings
from deployments.cli import app
from deployments.doctor.command import show
from deployments.doctor.outcome import Outcome
from tests.deployments.aws.cloudformation import made

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")


@pytest.fixture
def environment(aws, monkeypatch, tmp_path):
    """The local AWS, a folder, and settings that are read again."""
    monkeypatch.setenv("PERSONALIZE_WORK_DIR", str(tmp_path / "work"))
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def test_every_outcome_is_a_row_with_its_advice_below():
    screen = Console(file=io.StringIO(), width=60)
    show(
        [
            Outcome("ok", "us-east-1", "", "region"),
            Outcome("bad", "there is no bucket [films]", "correct its name", "bucket"),
            Outcome("unknown", "not checked: no permission", "", "role"),
        ],
        screen,
    )
    lines = [line.split() for line in screen.file.getvalue().splitlines() if line.strip()]

    assert lines == [
        ["✔", "region", "us-east-1"],
        ["✖", "bucket", "there", "is", "no", "bucket", "[films]"],
        ["→", "correct", "its", "name"],
        ["?", "role", "not", "checked:", "no", "permission"],
        ["1", "fine,", "1", "to", "mend,", "1", "not", "checked"],
    ]


def test_a_stack_of_the_template_has_nothing_wrong_with_its_bucket_and_role(aws, environment):
    stack = made(aws)
    environment.setenv("PERSONALIZE_ROLE_ARN", stack.outputs["PersonalizeRoleArn"])
    environment.setenv("PERSONALIZE_SNS_TOPIC", stack.outputs["TopicArn"])
    environment.setenv("PERSONALIZE_METRICS_NAMESPACE", stack.outputs["MetricsNamespace"])
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        result = CliRunner().invoke(app, ["doctor", "--bucket", stack.outputs["Bucket"]])
    marks = {
        line.split()[1]: line.split()[0]
        for line in result.output.splitlines()
        if line[2:3] in "✔✖?" and line.strip()
    }

    for name in ("Python", "dependencies", "work", "credentials", "region", "quotas", "role"):
        assert marks[name] == "✔", result.output
    for name in ("bucket", "versioning", "topic", "event", "metrics"):
        assert marks[name] == "✔", result.output
    assert marks["our"] == "?"  # moto simulates no policies
    # There is no server here; and moto forgets that it was to tell EventBridge of uploads.
    assert marks["Prefect"] == marks["uploads"] == "✖"
    assert result.exit_code == 1


def test_without_anything_it_says_what_to_do_first(environment, aws):
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        result = CliRunner().invoke(app, ["doctor"])

    assert result.exit_code == 1
    assert "PREFECT_API_URL is not set" in result.output
    assert "asking STS whose credentials these are failed" in result.output
    assert "not checked: the credentials do not work" in result.output


def test_a_bucket_that_is_missing_ends_the_questions_about_it(environment):
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        result = CliRunner().invoke(app, ["doctor", "--bucket", "no-such-bucket"])

    assert "there is no bucket no-such-bucket" in result.output
    assert "versioning" not in result.output
    assert result.exit_code == 1


PREFECTS = ("Prefect versions", "work pool", "deployments", "sweep", "automations", "destinations")


@pytest.mark.server
def test_with_a_server_prefect_and_destinations_are_asked_for_too(prefect_server, environment):
    result = CliRunner().invoke(app, ["doctor", "--bucket", "films"])

    for name in PREFECTS:
        assert name in result.output
    assert f"{prefect_server}/ answers" in result.output
