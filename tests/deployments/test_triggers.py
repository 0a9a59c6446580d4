"""prefect.yaml's triggers, judged by Prefect's own code."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from personalization.parameters import Upload
from personalization.routes import route
from personalization.s3_events import ObjectCreated
from tests.test_routes import UPLOADS

ROOT = Path(__file__).parents[2]
BUCKET = "films"
FILE = (ROOT / "prefect.yaml").read_text().replace("{{ here.bucket }}", BUCKET)
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(FILE)["deployments"]

# Keys that look like what is routed, and what almost does.
PARTS = st.sampled_from(
    [
        *("train", "batch", "etl_jobs", "import", "claims", "a", "", "*", "[a]", "train*", "é"),
        *("config.json", "job_config.json", "x.errors.json", ".errors.json", ".json", "a.JSON"),
        *("a.out", ".out", "a.csv", "_CHECK", "config.json.out", "{{ a }}", '"', "!a"),
    ]
)
KEYS = st.lists(PARTS | st.text(max_size=5), min_size=1, max_size=6).map("/".join)


def created(key: str, **more: Any) -> ObjectCreated:
    now = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    given = {"size": 2, "etag": "e", "version_id": "v", "sequencer": "1", "occurred": now}
    return ObjectCreated(**{"bucket": BUCKET, "key": key, **given, **more})


def triggered(key: str, bucket: str = BUCKET) -> list[str]:
    """The deployments whose triggers match; the server and the client judge alike."""
    from prefect.events.schemas.events import Resource, ResourceSpecification
    from prefect.server.events.schemas.events import Resource as TheirResource
    from prefect.server.events.schemas.events import ResourceSpecification as Theirs

    event = created(key, bucket=bucket).event()
    found: dict[Any, list[str]] = {ResourceSpecification: [], Theirs: []}
    for kind, resource in (
        (ResourceSpecification, Resource(event["resource"])),
        (Theirs, TheirResource(event["resource"])),
    ):
        for deployment in DEPLOYMENTS:
            for trigger in deployment.get("triggers", ()):
                heard = trigger["expect"] == [event["event"]]
                if heard and kind(trigger["match"]).matches(resource):
                    found[kind].append(deployment["name"])
    assert found[Theirs] == found[ResourceSpecification]
    return found[Theirs]


@settings(deadline=None, max_examples=500)
@given(KEYS)
@example("import//a.csv")
@example("train/.json")
@example("train//.errors.json")
def test_triggers_and_routes_agree_on_any_key(key):
    found = route(key)

    assert triggered(key) == ([found.flow] if found else [])


@pytest.mark.parametrize(("key", "flow"), [it for it in UPLOADS if it[0]])
def test_an_upload_triggers_the_flow_of_its_place_and_name(key, flow):
    assert triggered(key) == ([flow] if flow else [])


def test_uploads_to_other_buckets_trigger_nothing():
    assert triggered("train/films/config.json", "films-of-others") == []


def rendered(value: Any, context: dict[str, Any]) -> Any:
    """What the server makes of a trigger's parameters."""
    from prefect.server.utilities.user_templates import render_user_template_sync

    if isinstance(value, dict):
        return {key: rendered(it, context) for key, it in value.items()}
    return render_user_template_sync(value, context) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "key",
    [
        "train/films/config.json",
        'train/a "b" {{ c }}/{% d %}.json',
        "batch/films/genres/job_config.json",
        "batch/films/genres/run/é+ü.out",
        "etl_jobs/related_items/mail/config.json",
        "import/pinpoint/a'b\\c.csv",
    ],
)
def test_a_triggered_run_gets_what_a_swept_one_gets(key):
    from prefect.server.events.schemas.events import ReceivedEvent

    found = route(key)
    assert found
    event = ReceivedEvent.model_validate(created(key).event())
    templates = [
        trigger["parameters"]
        for deployment in DEPLOYMENTS
        for trigger in deployment.get("triggers", ())
        if deployment["name"] == found.flow
    ]

    upload = Upload(bucket=BUCKET, key=key, version_id="v", etag="e")
    for template in templates:
        assert rendered(template, {"event": event}) == found.parameters(upload)


def test_every_dead_run_is_looked_after_and_a_dead_sweep_does_not_call_itself():
    from prefect.events.schemas.events import RelatedResource, ResourceSpecification

    [trigger] = [
        trigger
        for deployment in DEPLOYMENTS
        for trigger in deployment.get("triggers", ())
        if trigger["expect"] == ["prefect.flow-run.Crashed"]
    ]
    matched = {
        it["name"]
        for it in DEPLOYMENTS
        if ResourceSpecification(trigger["match_related"]).matches(
            RelatedResource(
                {
                    "prefect.resource.id": "prefect.flow.1",
                    "prefect.resource.role": "flow",
                    "prefect.resource.name": it["name"],
                }
            )
        )
    }

    assert matched == {it["name"] for it in DEPLOYMENTS} - {"sweep"}


def test_deployments_say_all_that_they_should():
    from flows import FLOWS
    from tasks.suspending import TAG

    for it in DEPLOYMENTS:
        name = it["name"]
        function = name.replace("-", "_")
        assert it["entrypoint"] == f"flows/{function}.py:{function}"
        assert it["description"].endswith(".")
        assert TAG in it["tags"]
        assert it["concurrency_limit"]["collision_strategy"] == "ENQUEUE"
        assert it["concurrency_limit"]["limit"] >= 1
        assert it["work_pool"]["name"] == "{{ $PERSONALIZE_WORK_POOL }}"
    assert {it["name"] for it in DEPLOYMENTS} == set(FLOWS)


def test_prefect_knows_every_key():
    """Its own models pass over keys that they do not know, and so would Prefect Cloud."""
    from prefect.cli.deploy._models import (
        ConcurrencyLimitSpec,
        DeploymentConfig,
        PrefectYamlModel,
        RawScheduleConfig,
        WorkPoolConfig,
    )
    from prefect.cli.deploy._triggers import DeploymentTriggerAdapter

    def known(model: Any, value: dict[str, Any]) -> None:
        names = {field.alias or name for name, field in model.model_fields.items()}
        assert set(value) <= names, model
        model.model_validate(value)

    whole = yaml.safe_load(FILE)
    assert set(whole) - {"definitions"} <= {
        field.alias or name for name, field in PrefectYamlModel.model_fields.items()
    }
    PrefectYamlModel.model_validate(whole)
    for it in DEPLOYMENTS:
        known(DeploymentConfig, it)
        known(WorkPoolConfig, it["work_pool"])
        known(ConcurrencyLimitSpec, it["concurrency_limit"])
        assert "sla" not in it, "only Prefect Cloud knows it"
        for schedule in it.get("schedules", ()):
            known(RawScheduleConfig, schedule)
        for trigger in it.get("triggers", ()):
            made = DeploymentTriggerAdapter.validate_python(trigger)
            assert set(trigger) <= {*type(made).model_fields, "type"}
