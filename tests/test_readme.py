"""The README says nothing that is not so."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr
from typer.main import get_command

from deployments.cli import FLOWS, app
from personalization.aws import S3Path
from personalization.connectors import Audience, build, connector_class, kinds
from personalization.errors import FatalError
from personalization.sync.job import ConnectorSettings, Job, check

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def shell_lines() -> list[str]:
    text = "\n".join(body for language, body in BLOCKS if language == "bash")
    return [line.partition("#")[0].split() for line in text.replace("\\\n", " ").splitlines()]


def test_the_table_of_flows_is_complete():
    assert {row[0].strip("`") for row in table("Flows")} == set(FLOWS)


def test_the_table_of_destinations_is_complete_and_names_real_settings():
    rows = {row[0].strip("`"): row for row in table("Destinations")}

    assert set(rows) == set(kinds())
    for kind, (_, attributes, _, addresses, settings) in rows.items():
        connector = connector_class(kind)
        named = set(re.findall(r"`(\w+)`", settings))
        secret = set(re.findall(r"`(\w+)` \(secret\)", settings))
        fields = connector.config_class.model_fields
        assert named == set(fields) - {"kind"}
        assert secret == {name for name, it in fields.items() if it.annotation is SecretStr}
        takes_files = "audience" in connector.takes
        assert addresses == (f"{connector.addresses} ids" if takes_files else "–")
        assert (attributes != "–") == ("attributes" in connector.takes)


def test_the_table_of_a_jobs_keys_is_complete():
    named = {it for row in table("Connector jobs") for it in re.findall(r"`(\w+)`", row[0])}

    models = (Job, ConnectorSettings)
    assert named == {it.alias for model in models for it in model.model_fields.values()}


def test_the_job_that_the_readme_shows_is_a_job():
    [shown] = [body for language, body in BLOCKS if language == "json"]

    assert check(shown, "README.md", job_type="user_personalization", kinds=kinds()).findings == ()


def test_every_make_target_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    named = {words[1] for words in shell_lines() if words[:1] == ["make"]}
    named |= set(re.findall(r"`make (\w+)`", README))
    assert named <= targets
    assert {"demo", "test", "check", "lock"} <= named


def test_every_command_of_personalize_exists():
    command = get_command(app)
    groups = {name: getattr(it, "commands", {}) for name, it in command.commands.items()}

    typed = [words[1:] for words in shell_lines() if words[:1] == ["personalize"]]
    assert len(typed) >= 7
    for first, *rest in typed:
        assert first in groups
        if groups[first]:
            assert rest[0] in groups[first]
        if first == "run":
            assert rest[0] in FLOWS


def test_every_module_that_is_run_exists():
    named = set(re.findall(r"python -m ([\w.]+)", README))

    places = {it: ROOT / it.replace(".", "/") for it in named}
    there = {
        it
        for it, place in places.items()
        if place.with_suffix(".py").exists() or (place / "__main__.py").exists()
    }
    assert named == there != set()


def test_every_file_that_is_named_exists():
    named = re.findall(r"`((?:data|tests|docs)/[\w./-]*)`|\]\((docs/[\w./-]+)\)", README)

    assert named
    assert [it for pair in named for it in pair if it and not (ROOT / it).exists()] == []


def test_the_settings_are_those_that_are_read():
    from blocks.settings import Settings

    named = {row[0].strip("`") for row in table("With AWS")}

    assert named == {f"PERSONALIZE_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture
def partner(monkeypatch):
    """The destination that the README shows how to write, in a module of its own."""
    [source] = [body for language, body in BLOCKS if "class PartnerBucket(" in body]
    module = ModuleType("partner_example")
    monkeypatch.setitem(sys.modules, "partner_example", module)
    exec(compile(source, "README.md", "exec"), module.__dict__)
    yield "partner_example:PartnerBucket"
    from personalization.connectors import registry

    registry._registered.pop("partner_bucket", None)


def test_the_destination_that_the_readme_shows_works(partner, aws):
    s3 = aws.clients("s3")
    for bucket in ("ours", "partners"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="ours", Key="a_1.csv", Body=b"Id\n1\n2\n")
    connector = build({"kind": partner, "bucket": "partners"}, aws.clients)
    audience = Audience("action", S3Path("ours", "a_1.csv"), 2)

    connector.check()
    progress = connector.look(connector.start_import(audience))

    assert (progress.state, progress.accepted) == ("succeeded", 2)
    assert s3.get_object(Bucket="partners", Key="action.csv")["Body"].read() == b"Id\n1\n2\n"
    with pytest.raises(FatalError, match="looking at bucket elsewhere failed"):
        build({"kind": partner, "bucket": "elsewhere"}, aws.clients).check()
