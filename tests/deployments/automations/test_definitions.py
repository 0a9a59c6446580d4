"""What the automations say, without a server."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from uuid import uuid4

from prefect.server.utilities.user_templates import render_user_template_sync

from deployments.automations.definitions import (
    _UNIT,
    ENDS,
    QUIET_DATA,
    Quiet,
    Wanted,
    automations,
)
from deployments.automations.recipients import Message, Recipient

ROOT = Path(__file__).parents[3]


def test_every_way_in_which_our_runs_end_is_known():
    """A state's name is its event's name: an end that is not known would look like none."""
    named: set[str] = set()
    for path in (it for folder in ("flows", "tasks") for it in (ROOT / folder).glob("*.py")):
        module = import_module(f"{path.parent.name}.{path.stem}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Completed":
                given = [it.value for it in node.keywords if it.arg == "name"]
                parts = [part for it in given for part in ast.walk(it)]
                named |= {it.value for it in parts if isinstance(it, ast.Constant)}
                named |= {getattr(module, it.id, "") for it in parts if isinstance(it, ast.Name)}
    named = {it for it in named if isinstance(it, str) and it}

    assert {"Duplicate", "Skipped"} <= named <= set(ENDS)


def test_without_anybody_to_tell_nothing_tells():
    assert [it.name for it in automations(Wanted())] == [
        "personalize/resume-suspended-runs",
        "personalize/end-runs-without-heartbeat",
    ]


def test_flows_without_a_budget_of_their_own_share_one():
    somebody = Recipient(uuid4(), called=True)
    wanted = Wanted(notify=[somebody], too_long={"train": 60, "dispatch": 70, "others": 80})
    long = {it.name.rpartition("-")[2]: it for it in automations(wanted) if "long-runs" in it.name}

    def flows(name: str) -> list[str]:
        related = long[name].trigger.model_dump()["match_related"]
        return [it["prefect.resource.name"] for it in related[1:]]

    assert flows("train") == ["train"]
    assert flows("others") == ["!train", "!dispatch"]


def test_a_webhook_gets_json_whatever_is_said():
    message = Message("", "", {"message": "said", "link": "said | upper"})
    rendered = render_user_template_sync(message.payload, {"said": 'a "quoted" \n word'})

    assert rendered == ('{"message": "a \\"quoted\\" \\n word", "link": "A \\"QUOTED\\" \\n WORD"}')


def test_a_dataset_in_parts_belongs_to_the_file_one_folder_up():
    def unit(key: str) -> str:
        event = {"payload": {"bucket": "b", "key": key}}
        return render_user_template_sync(_UNIT, {"event": event})

    assert unit("train/x/interactions.csv") == "s3://b/train/x/config.json"
    assert unit("train/x/interactions/part 1.csv") == "s3://b/train/x/config.json"
    assert unit("train/a/b/users/2026/x.csv") == "s3://b/train/a/b/users/2026/config.json"
    assert unit("train/items.csv") == "s3://b/train/config.json"


def test_nobody_outside_hears_what_an_error_said():
    """It may be any library's, with an address and a password in it; the log has it."""
    said = "ValueError: 401 for https://user:hunter2@crm.test"
    state = {"name": "Failed", "message": said}
    payload = {"action_type": "call-webhook", "reason": said}
    context = {
        "flow": {"name": "train"},
        "flow_run": {"name": "gray-shrimp", "state": state},
        "event": {"resource": {"name": "broken"}, "payload": payload},
    }
    wanted = Wanted(notify=[Recipient(uuid4(), called=True), Recipient(uuid4(), called=False)])
    texts = [
        text.replace(" | ui_url", ".name")
        for it in automations(wanted)
        for action in it.actions
        for text in (getattr(action, name, "") for name in ("payload", "subject", "body"))
        if text
    ]
    rendered = [render_user_template_sync(it, context) for it in texts]

    assert len(rendered) == 12
    assert not [it for it in rendered if "hunter2" in it]
    assert "train Failed: gray-shrimp" in rendered
    assert "call-webhook: see the automation in Prefect" in rendered

    payload["action_type"] = "run-deployment"

    assert f"run-deployment: {said}" in [render_user_template_sync(it, context) for it in texts]


def test_only_data_of_our_bucket_is_waited_for():
    wanted = Wanted(quiet=Quiet(30, "films", uuid4()))
    [trigger] = [it.trigger for it in automations(wanted) if it.name == QUIET_DATA]

    assert trigger.model_dump()["match"]["prefect.resource.id"] == "aws.s3.object.films/train/*"
