"""The README says nothing that is not so."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web
from typer.main import get_command

from deployments.cli import app
from flows import FLOWS
from personalization.aws import S3Path
from personalization.connectors import build, connector_class, kinds, registry
from personalization.connectors.tuning import secret, tunable
from personalization.delivery import Patience, deliver
from personalization.errors import FatalError
from personalization.local.far_ends.end import End, answer
from personalization.local.far_ends.faults import Faults
from personalization.local.far_ends.server import FarEnds
from personalization.sync.inputs import Inputs
from personalization.sync.job import ConnectorSettings, Job, check, load
from personalization.sync.layout import JobPath
from personalization.sync.prepare import prepare_recommendations, rendering_of
from personalization.sync.runs import BatchRun
from tests.delivery.conftest import no_clients

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
        assert named == set(connector.config_class.model_fields) - {"kind"}
        secrets = re.findall(r"`(\w+)` \(secret\)", settings)
        assert set(secrets) == set(secret(connector.config_class))
        of_jobs = re.findall(r"`(\w+)`", settings.partition(";")[2])
        assert set(of_jobs) == set(tunable(connector.config_class))
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

    named = {it for row in table("With AWS") for it in re.findall(r"`(\w+)`", row[0])}

    assert named == {f"PERSONALIZE_{name.upper()}" for name in Settings.model_fields}


[CRM] = [body for _, body in BLOCKS if "class Crm(" in body]


class Contacts(End):
    """The far end of the destination that the README shows how to write."""

    name = "crm"

    def __init__(self):
        super().__init__()
        self.contacts = {}

    def routes(self):
        return [web.get("/me", self._me), web.patch("/contacts", self._patch)]

    def holds(self, user):
        return self.contacts.get(user)

    def users(self):
        return list(self.contacts)

    def throttled(self, wait_s):
        return answer({}, 429, {"Retry-After": f"{wait_s:g}"})

    async def _me(self, request):
        known = request.headers.get("Authorization") == "Bearer t0ken"
        return answer({}, 200 if known else 401)

    async def _patch(self, request):
        for each in await request.json():
            self.note(each["id"], request)
            self.contacts.setdefault(each.pop("id"), {}).update(each)
        return answer({})


@pytest.fixture
def crm(monkeypatch):
    """The destination that the README shows how to write, in a module of its own."""
    module = ModuleType("crm_example")
    monkeypatch.setitem(sys.modules, "crm_example", module)
    exec(compile(CRM, "README.md", "exec"), module.__dict__)
    yield "crm_example:Crm"
    registry._registered.pop("crm", None)


def test_a_destination_is_written_in_less_than_forty_lines():
    assert len(CRM.splitlines()) < 40


def test_the_destination_that_the_readme_shows_takes_recommendations(crm, tmp_path):
    with FarEnds(ends=[Contacts()]) as ends:
        settings = {"kind": crm, "endpoint": f"{ends.url}/crm"}
        connector = build({**settings, "token": "t0ken"}, no_clients)
        ends.set_faults(Faults(error=0.2, lost=0.2, seed=3))
        receipt = deliver(
            connector,
            prepared(connector, tmp_path),
            run="r1",
            patience=Patience(attempts=50, first_s=0.01, slowest_s=0.02, give_up_after_s=30),
        )
        ends.set_faults(Faults())
        connector.check()
        with pytest.raises(FatalError, match="refused the key with 401"):
            build({**settings, "token": "another"}, no_clients).check()

        assert (receipt.accepted, receipt.rejected, receipt.requests >= 3) == (250, 0, True)
        assert ends["crm"].holds("u7") == {"recs_itemId": ["i7", "i0"], "from": "personalize"}
        assert len(ends["crm"].users()) == 250


def prepared(connector, folder):
    """The outbox of a user_personalization job of 250 users."""
    lines = [
        {"input": {"userId": f"u{n}"}, "output": {"recommendedItems": [f"i{n}", "i0"]}}
        for n in range(250)
    ]
    output = folder / "job.json.out"
    output.write_text("\n".join(json.dumps(line) for line in lines))
    settings = {"attributePrefix": "recs_", "otherAttributes": {"from": "personalize", "id": "x"}}
    given = {"batchInferencePath": "s3://b/batch/", "connectors": {"crm": settings}}
    job = load(json.dumps(given), "config.json")
    path = JobPath.parse("s3://b/etl_jobs/user_personalization/job/")
    inputs = Inputs(BatchRun(S3Path("b", "batch/"), (), dt.datetime.now(dt.UTC)), (output,))
    prepare_recommendations(
        path,
        job,
        "crm",
        rendering_of(connector, job.connectors["crm"]),
        inputs,
        state=folder / "state",
        target=folder / "outbox",
    )
    return folder / "outbox"
