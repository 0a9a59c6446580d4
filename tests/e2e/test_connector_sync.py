"""From batch output to profiles, with the real server, the local AWS and local far ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from personalization.delivery.patience import Patience
from personalization.errors import ConfigError, FatalError
from personalization.local.far_ends.braze import Braze
from personalization.local.far_ends.faults import Faults
from personalization.local.far_ends.server import FarEnds
from personalization.local.far_ends.webhook import Webhook
from personalization.local.server import LocalAws
from personalization.parameters import SyncParameters
from tests.e2e.conftest import QUICK, ROOT

pytestmark = [pytest.mark.server, pytest.mark.e2e]

BUCKET = "shop"
KEY = "the-key-of-braze"
GOLDEN = {"105": ["106", "107", "49"], "106": ["105", "107", "49"], "441": []}
IMPATIENT = Patience(attempts=2, first_s=0.01, slowest_s=0.02, give_up_after_s=5)


@dataclass(frozen=True)
class Shop:
    """A bucket with connector jobs, and far ends to deliver to."""

    aws: LocalAws
    ends: FarEnds

    @property
    def braze(self) -> Braze:
        end: Braze = self.ends["braze"]
        return end

    @property
    def requests(self) -> int:
        """How many `/users/track` Braze got."""
        return self.braze.requests["/braze/users/track"]

    def put(self, key: str, body: str) -> None:
        self.aws.clients("s3").put_object(Bucket=BUCKET, Key=key, Body=body.encode())

    def keys(self, prefix: str) -> list[str]:
        found = self.aws.clients("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [it["Key"] for it in found.get("Contents", ())]

    def read(self, key: str) -> str:
        body = self.aws.clients("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return str(body, "utf-8")

    def answered(self, lists: dict[str, list[str]], run: str, ask: str = "itemId") -> None:
        """Lay out a batch inference job's output, complete."""
        lines = [
            {"input": {ask: owner}, "output": {"recommendedItems": ids}, "error": None}
            for owner, ids in lists.items()
        ]
        self.put(f"{run}job_config.json.out", "\n".join(map(json.dumps, lines)))
        self.put(f"{run}_CHECK", "")

    def job(self, type_: str, name: str = "job", **config: Any) -> str:
        """Write a job's config.json; return the job's URI."""
        folder = f"etl_jobs/{type_}/{name}/"
        whole = {
            "batchInferencePath": f"s3://{BUCKET}/batch/",
            "performDeltaCheck": True,
            "connectors": {"braze": {"attributePrefix": "recs_"}},
            **config,
        }
        self.put(f"{folder}config.json", json.dumps(whole))
        return f"s3://{BUCKET}/{folder}"

    def golden(self, **config: Any) -> str:
        """Lay out the job whose result is known."""
        self.answered(GOLDEN, "batch/rel_2026_01_01_00_00_00/")
        job = self.job("related_items", **config)
        self.mapping("123,105", "124,105", "234,106", "235,441")
        fields = [{"id": id_, "name": f"n{id_}"} for id_ in ("106", "107")]
        metadata = "etl_jobs/related_items/job/input/item_metadata/items.json"
        self.put(metadata, "\n".join(map(json.dumps, fields)))
        return job

    def mapping(self, *pairs: str) -> None:
        key = "etl_jobs/related_items/job/input/user_item_mapping/users.csv"
        self.put(key, "\n".join(["USER_ID,ITEM_ID", *pairs]) + "\n")

    def for_users(self, users: int, **config: Any) -> str:
        """Lay out a job of so many users, two items each."""
        lists = {f"u{number}": [f"i{number}", "i0"] for number in range(users)}
        self.answered(lists, "batch/up_2026_01_01_00_00_00/", "userId")
        return self.job("user_personalization", **config)


@pytest.fixture
def shop(
    aws: LocalAws, prefect_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Shop]:
    from blocks.destination import Destination
    from blocks.settings import settings

    monkeypatch.setenv("PERSONALIZE_WORK_DIR", str(tmp_path / "work"))
    settings.cache_clear()

    def refuses(user: dict[str, Any]) -> str:
        return "no" if user["user_id"] == "u1" else ""

    braze = Braze(keys={KEY: frozenset({"users.track"})})
    with FarEnds(ends=(braze, Webhook(secret=KEY, refuses=refuses))) as ends:
        aws.clients("s3").create_bucket(Bucket=BUCKET)
        place = {"kind": "braze", "endpoint": f"{ends.url}/braze"}
        Destination(settings=place, secrets={"api_key": KEY}).save("braze", overwrite=True)
        hook = {"kind": "webhook", "url": f"{ends.url}/webhook/hook"}
        Destination(settings=hook, secrets={"secret": KEY}).save("webhook", overwrite=True)
        yield Shop(aws, ends)
    settings.cache_clear()


def sync(job: str, **more: Any) -> Any:
    from flows.connector_sync import connector_sync

    return connector_sync(parameters(job, **more))


def parameters(job: str, **more: Any) -> SyncParameters:
    return SyncParameters(job=job, waiting=QUICK, patience=IMPATIENT, **more)


def artifact(key: str) -> str:
    from prefect.artifacts import Artifact

    found = Artifact.get(key)
    assert found, key
    return str(found.data)


def test_the_golden_job_ends_in_profiles_and_a_second_run_sends_nothing(shop, caplog):
    job = shop.golden()
    shop.braze.start_with([{"external_id": "123", "plan": "gold"}, {"external_id": "235"}])

    first = sync(job)
    requests = shop.requests
    second = sync(job)

    assert shop.braze.holds("123") == {
        "plan": "gold",
        "recs_itemId": ["106", "107", "49"],
        "recs_id": ["106", "107", None],
        "recs_name": ["n106", "n107", None],
    }
    assert shop.braze.holds("124")["recs_itemId"] == ["106", "107", "49"]
    assert shop.braze.holds("234")["recs_name"] == [None, "n107"]  # a set: not None once more
    assert shop.braze.holds("235") == {}
    assert dict(shop.braze.taken) == {"123": 1, "124": 1, "234": 1}
    assert (first.total("accepted"), requests) == (3, 1)
    assert (second.total("sent"), second.total("skipped_unchanged")) == (0, 3)
    assert shop.requests == requests
    assert float(artifact("delivery-job-braze-recommendations")) == 100
    [receipt] = json.loads(artifact("sync-receipts-job"))
    assert (receipt["connector"], receipt["skipped unchanged"]) == ("braze", 3)
    assert KEY not in caplog.text
    assert "n106" not in caplog.text


def test_the_output_of_a_run_is_kept_where_the_job_says(shop):
    shop.answered({}, "batch/rel_2025_01_01_00_00_00/")
    job = shop.golden(saveBatchInferenceErrors=True)
    broken = '{"input": {"itemId": "9"}, "output": null, "error": "no such item"}'
    shop.put("batch/rel_2026_01_01_00_00_00/more.json.out", broken)

    report = sync(job)

    output = report.outputs["braze"]
    assert output.key.startswith("etl_jobs/related_items/job/output/braze/year=")
    names = [key.removeprefix(output.key) for key in shop.keys(output.key)]
    assert names == ["00000.jsonl", "00000.parquet", "receipts.json"]
    lines = [json.loads(line) for line in shop.read(f"{output.key}00000.jsonl").splitlines()]
    assert {line["external_id"] for line in lines} == {"123", "124", "234"}
    [errors] = shop.keys("etl_jobs/related_items/job/errors/")
    assert shop.read(errors) == f"{broken}\n"
    assert len(shop.keys("etl_jobs/related_items/job/output/braze/state/")) == 3


def test_who_has_no_recommendations_any_more_is_cleared(shop):
    job = shop.golden()
    sync(job)
    shop.mapping("123,105", "124,105")

    with pytest.raises(FatalError, match="1 of the 3 users that the destination holds"):
        sync(job)
    held = dict(shop.braze.holds("234"))
    report = sync(job, clear_anyway=True)

    assert held["recs_itemId"] == ["105", "107", "49"]
    assert shop.braze.holds("234") == {}
    assert (report.total("sent"), report.total("cleared")) == (1, 1)
    assert sync(job).total("sent") == 0


def test_who_is_rejected_is_in_the_dead_letters_and_can_be_replayed(shop, monkeypatch):
    from deployments.cli import app

    job = shop.for_users(5, connectors={"webhook": {}})
    hook = shop.ends["webhook"]

    report = sync(job)
    letters = f"s3://{BUCKET}/{report.outputs['webhook'].key}dead-letters.jsonl"
    refused = CliRunner().invoke(app, ["replay", letters, "--to", "webhook"])
    hook._refuses = lambda _: ""
    replayed = CliRunner().invoke(app, ["replay", letters, "--to", "webhook", "--again"])

    assert (report.total("accepted"), report.total("rejected")) == (4, 1)
    assert refused.exit_code == 1
    assert "1 rejected" in refused.output
    assert replayed.exit_code == 0, replayed.output
    assert "1 accepted" in replayed.output
    assert hook.holds("u1")["itemId"] == ["i1", "i0"]
    assert sync(job).total("sent") == 1


def test_a_run_of_which_a_destination_took_nobody_has_failed_and_keeps_the_letters(shop):
    job = shop.for_users(5, connectors={"webhook": {}, "braze": {}})
    shop.ends["webhook"]._refuses = lambda _: "no such user"

    with pytest.raises(FatalError) as caught:
        sync(job)
    letters = [key for key in shop.keys("etl_jobs/") if key.endswith("dead-letters.jsonl")]
    shop.ends["webhook"]._refuses = lambda _: ""
    again = sync(job)

    said = (
        "failed: webhook: accepted none of the 5 user(s) that it was sent, the first because: no "
    )
    assert said in str(caught.value)
    assert len(shop.braze.users()) == 5
    assert len(shop.read(letters[0]).splitlines()) == 5
    assert {it.connector: it.receipt.accepted for it in again.receipts} == {
        "webhook": 5,
        "braze": 0,
    }


def test_a_key_that_is_refused_stops_its_connector_and_no_other(shop):
    both = {"braze": {}, "webhook": {}}
    job = shop.for_users(300, connectors=both)
    shop.braze.revoke(KEY)

    with pytest.raises(FatalError, match=r"1 connector\(s\) of .* failed: braze: .*401"):
        sync(job)

    assert shop.requests <= 16
    assert shop.braze.users() == []
    assert len(shop.ends["webhook"].users()) == 299
    assert shop.keys("etl_jobs/user_personalization/job/output/braze/") == []
    shop.braze._keys[KEY] = frozenset({"users.track"})
    assert sync(job, connectors=("braze",)).total("accepted") == 300


def test_trouble_that_passes_is_waited_for_under_the_same_run(shop, monkeypatch):
    import tasks.deliver
    import tasks.reading

    for module, name in ((tasks.deliver, "deliver_part"), (tasks.reading, "check_connector")):
        quick = getattr(module, name).with_options(retries=20, retry_delay_seconds=0)
        monkeypatch.setattr(module, name, quick)
    job = shop.for_users(1500, connectors={"braze": {}})
    shop.ends.set_faults(Faults(unavailable=0.3, half=0.1, seed=4))

    report = sync(job)

    assert report.total("accepted") == len(shop.braze.users()) == 1500
    assert sum(shop.braze.faults.values()) > 0
    assert sum(shop.braze.repeated.values()) == 0


def test_a_dry_run_shows_and_sends_nothing(shop, tmp_path):
    job = shop.golden()

    report = sync(job, dry_run=True)

    assert report.receipts == []
    assert shop.requests == 0
    assert shop.keys("etl_jobs/related_items/job/output/") == []
    shown = artifact("dry-run-job-braze-recommendations")
    assert "| users in the outbox | 3 |" in shown
    assert list((tmp_path / "work" / "dry-run").rglob("*.jsonl")) == []
    assert '{"attributes":[{"external_id":"123","recs_id":["106","107",null]' in shown
    assert sync(job).total("accepted") == 3


def test_everything_wrong_in_a_job_is_said_at_once(shop):
    job = shop.golden(connectors={"braze": {"kind": "webhook"}, "crm": {}, "files": {}})

    with pytest.raises(ConfigError) as caught:
        sync(job, connectors=("braze", "crm", "files", "sms"))

    said = {it.where: it.problem for it in caught.value.findings}
    assert said["connectors"] == "the job has no connector 'sms'"
    assert said["connectors.braze"] == "is of kind 'webhook', and block 'braze' of kind 'braze'"
    assert said["connectors.crm"].startswith("connector kind 'crm' is unknown; there are: ")
    assert "there is no Destination block named 'files'" in said["connectors.files"]
    with pytest.raises(ConfigError, match="there is no s3://shop/etl_jobs/related_items/x/config"):
        sync(f"s3://{BUCKET}/etl_jobs/related_items/x/")
    with pytest.raises(ConfigError) as caught:
        sync(shop.golden(), destinations={"braze": "braze-eu"})
    [finding] = caught.value.findings
    assert finding.problem == (
        "there is no Destination block named 'braze-eu'; save one (letters, digits and dashes), or "
        "leave the connector out of destinations"
    )


def test_configuration_destinations_and_inputs_are_looked_at_together(shop, caplog):
    doubtful = {"listName": "mine", "itemMetadataFields": ["name"]}
    job = shop.job(
        "related_items", connectors={"crm": {}, "braze": doubtful, "eu": {"maxItems": 0}}
    )

    with pytest.raises(ConfigError) as caught:
        sync(job)

    errors = [it for it in caught.value.findings if it.severity == "error"]
    said = [f"{it.where}: {it.problem}" for it in errors]
    assert said[0] == "connectors.eu.maxItems: is 0"
    assert said[1].startswith("connectors.crm: connector kind 'crm' is unknown")
    assert said[2].startswith("batchInferencePath: s3://shop/batch/ holds no output of a batch job")
    assert said[3] == ": holds no .csv"
    assert said[4].startswith("connectors.braze.itemMetadataFields: names fields, and ")
    assert len(said) == 5
    assert "connectors.braze.listName: is not used: only style objects has one list" in caplog.text
    assert "only style objects has one list" in artifact("findings-job")


def test_a_jobs_settings_cannot_send_the_blocks_key_elsewhere(shop):
    from blocks.destination import Destination

    ssm = shop.aws.clients("ssm")
    folder = "/prod/personalize-connectors/braze/"
    for name, value in (("rest-endpoint-url", f"{shop.ends.url}/braze"), ("api-key", KEY)):
        ssm.put_parameter(Name=f"{folder}{name}", Value=value, Type="String")
    kept = {"kind": "braze", "stored": f"ssm:{folder}"}
    Destination(settings=kept).save("kept", overwrite=True)
    Destination(settings={"kind": "klaviyo"}, secrets={"api_key": KEY}).save(
        "klaviyo", overwrite=True
    )
    with FarEnds() as alien:
        elsewhere = {"rest_endpoint_url": f"{alien.url}/braze"}
        job = shop.for_users(
            3,
            connectors={
                "klaviyo": {"settings": {"endpoint": f"{alien.url}/klaviyo"}},
                "kept": {"kind": "braze", "settings": elsewhere},
                "own": {"kind": "braze", "settings": {"stored": f"ssm:{folder}", **elsewhere}},
                "this:X": {},
                "files": {"settings": {"location": "/tmp/anywhere"}},
            },
        )
        with pytest.raises(ConfigError) as caught:
            sync(job)
        asked = [dict(end.requests) for end in alien.ends.values()]

    said = {it.where: it.problem for it in caught.value.findings}
    assert asked == [{}] * len(asked)
    assert said.pop("connectors.this:X").startswith("kind 'this:X' names a class by its place")
    assert "a folder on disk is only for a saved" in said.pop("connectors.files")
    assert said == {
        "connectors.klaviyo.settings.endpoint": "is the saved block's, not the job's to say",
        "connectors.kept.settings.rest_endpoint_url": "is the saved block's, not the job's to say",
        "connectors.own.settings.rest_endpoint_url": (
            "is to be kept beside the key, in `stored`, not the job's to say"
        ),
    }


def test_what_is_stored_in_aws_is_enough(shop):
    ssm = shop.aws.clients("ssm")
    for name, value in (("rest-endpoint-url", f"{shop.ends.url}/braze"), ("api-key", KEY)):
        ssm.put_parameter(Name=f"/prod/personalize/{name}", Value=value, Type="String")
    settings = {"stored": "ssm:/prod/personalize/", "batch_size": 2}
    job = shop.for_users(4, connectors={"own": {"kind": "braze", "settings": settings}})

    assert sync(job).total("requests") == 2
    assert len(shop.braze.users()) == 4


def test_a_connector_finds_the_block_of_its_name_with_dashes(shop):
    from blocks.destination import Destination

    place = {"kind": "braze", "endpoint": f"{shop.ends.url}/braze"}
    Destination(settings=place, secrets={"api_key": KEY}).save("our-crm", overwrite=True)
    job = shop.for_users(2, connectors={"our_crm": {}})

    assert sync(job).total("accepted") == 2
    with pytest.raises(ConfigError) as caught:
        sync(shop.for_users(2, connectors={"not_saved": {"kind": "customer_profiles"}}))
    assert "there is no Destination block named 'not-saved'" in str(caught.value)


def test_a_wrong_key_is_found_before_anything_is_prepared_and_in_a_dry_run_too(shop, tmp_path):
    job = shop.for_users(5, connectors={"braze": {}})
    shop.braze.revoke(KEY)

    for dry in (False, True):
        with pytest.raises(FatalError, match=r"braze: .* refused the key with 401"):
            sync(job, dry_run=dry)

    assert list((tmp_path / "work").rglob("*.jsonl")) == []
    assert shop.requests == 0


def test_a_key_that_may_not_read_may_deliver_all_the_same(shop, caplog):
    job = shop.for_users(5, connectors={"braze": {}})

    assert sync(job).total("accepted") == 5
    assert "braze: its check needs a permission that its key has not got" in caplog.text


@pytest.mark.parametrize(
    ("job_type", "ask", "said"),
    [
        ("user_personalization", "itemId", "it looks like one that was asked by itemId"),
        ("user_segmentation", "userId", "it looks like one that was asked by userId"),
    ],
    ids=["items-for-users", "no-segments"],
)
def test_an_output_of_another_kind_is_no_reason_to_call_it_done(shop, job_type, ask, said):
    shop.answered({"a": ["b"], "c": ["d"]}, "batch/x_2026_01_01_00_00_00/", ask)

    with pytest.raises(ConfigError, match=said):
        sync(shop.job(job_type, connectors={"braze": {}}))

    assert shop.braze.users() == []


def test_an_audience_becomes_the_manual_segment_with_its_number(shop):
    from blocks.destination import Destination

    def members(*users: str) -> None:
        query = {"itemAttributes": 'ITEMS.genres = "Action"'}
        line = json.dumps({"input": query, "output": {"usersList": users}})
        shop.put(f"batch/seg_2026_01_0{len(users)}_00_00_00/job.json.out", line)
        shop.put(f"batch/seg_2026_01_0{len(users)}_00_00_00/_CHECK", "")

    with FarEnds() as ends:
        place = {"kind": "customerio", "endpoint": f"{ends.url}/customerio"}
        secrets = {"site_id": "local", "api_key": "local"}
        Destination(settings=place, secrets=secrets).save("customerio", overwrite=True)
        numbers = {"segments": {"ITEMSgenresAction": 7}}
        given = {"customerio": {"settings": numbers, "maxClearedFraction": 1}}
        job = shop.job("user_segmentation", connectors=given)
        members("ana", "bo")
        sync(job)
        first = set(ends["customerio"].segments[7])
        members("cy", "bo", "di")
        sync(job)

        assert first == {"ana", "bo"}
        assert ends["customerio"].segments[7] == {"bo", "cy", "di"}


def test_a_replay_reads_the_letters_with_the_credentials_of_the_block(shop, monkeypatch):
    from prefect_aws import AwsCredentials
    from prefect_aws.client_parameters import AwsClientParameters

    from deployments.cli import app

    report = sync(shop.for_users(5, connectors={"webhook": {}}))
    letters = f"s3://{BUCKET}/{report.outputs['webhook'].key}dead-letters.jsonl"
    AwsCredentials(
        aws_access_key_id="local",
        aws_secret_access_key="local",
        region_name="us-east-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=os.environ["AWS_ENDPOINT_URL"]),
    ).save("replaying", overwrite=True)
    for name in [it for it in os.environ if it.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    told = ["replay", letters, "--to", "webhook", "--credentials", "replaying"]
    replayed = CliRunner().invoke(app, told)
    foreign = CliRunner().invoke(app, [*told[:3], "braze", *told[4:]])

    assert "1 rejected" in replayed.output
    assert foreign.exit_code != 0
    assert "replay it to the one that rejected it" in " ".join(foreign.output.split())


def test_a_destination_of_files_only_cannot_take_a_job(shop, monkeypatch):
    from personalization.connectors import Connector, ConnectorConfig, registry

    class Shelf(Connector[ConnectorConfig]):
        kind = "shelf"
        config_class = type("ShelfConfig", (ConnectorConfig,), {"__annotations__": {"kind": str}})
        takes = frozenset({"audience"})

        def check(self) -> None: ...

    monkeypatch.setitem(registry._registered, "shelf", Shelf)

    with pytest.raises(ConfigError) as caught:
        sync(shop.golden(connectors={"shelf": {}}))

    [finding] = caught.value.findings
    assert finding.problem == "a destination of kind 'shelf' takes no attributes of users"


def test_audiences_become_attributes_of_their_members(shop):
    def segments(action: list[str], drama: list[str], stamp: str) -> None:
        lines = [
            {"input": {"itemAttributes": f'ITEMS.genres = "{genre}"'}, "output": {"usersList": it}}
            for genre, it in (("Action", action), ("Drama", drama))
        ]
        shop.put(f"batch/seg_{stamp}/job.json.out", "\n".join(map(json.dumps, lines)))
        shop.put(f"batch/seg_{stamp}/_CHECK", "")

    settings = {"braze": {"maxClearedFraction": 0.5}}
    job = shop.job("user_segmentation", connectors=settings)
    segments(["ana", "bo"], ["bo", "cy"], "2026_01_01_00_00_00")
    first = sync(job)
    before = dict(shop.braze.holds("bo"))
    segments(["ana"], ["bo", "cy", "di"], "2026_01_02_00_00_00")
    second = sync(job)

    assert before == {"ITEMSgenresAction": True, "ITEMSgenresDrama": True}
    assert [it.part for it in first.receipts] == ["ITEMSgenresAction", "ITEMSgenresDrama"]
    assert shop.braze.holds("bo") == {"ITEMSgenresDrama": True}
    assert shop.braze.holds("di") == {"ITEMSgenresDrama": True}
    assert [it.receipt.sent for it in second.receipts] == [1, 1]
    assert sync(job).total("sent") == 0


def test_shards_on_a_dask_cluster_send_the_same_as_one(shop):
    job = shop.for_users(400, connectors={"braze": {}})

    one = sync(job)
    many = sync(job, shards=3, dask="local", full_refresh=True)

    lines = [
        sorted(
            line
            for key in shop.keys(report.outputs["braze"].key)
            if key.endswith(".jsonl")
            for line in shop.read(key).splitlines()
        )
        for report in (one, many)
    ]
    assert len(lines[0]) == 400
    assert lines[0] == lines[1]
    assert set(shop.braze.taken.values()) == {2}
    assert sync(job, shards=2).total("skipped_unchanged") == 400


def killed_while_delivering(shop: Shop, job: str, address: str) -> int:
    """Run the flow in a process of its own and kill it mid-delivery; return how many were told."""
    command = [sys.executable, "-m", "deployments.cli", "run", "connector-sync", f"job={job}"]
    shop.ends.set_faults(Faults(delay=1.0, delay_s=0.4))
    environment = {**os.environ, "PREFECT_API_URL": address}
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    end = time.monotonic() + 90
    while len(shop.braze.users()) < 3 * 75:
        assert child.poll() is None, child.stderr and child.stderr.read().decode()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    shop.ends.set_faults(Faults())
    return len(shop.braze.users())


@pytest.fixture
def slow_braze(shop: Shop) -> Shop:
    """Braze takes one batch at a time."""
    from blocks.destination import Destination

    place = {"kind": "braze", "endpoint": f"{shop.ends.url}/braze", "in_flight": 1}
    Destination(settings=place, secrets={"api_key": KEY}).save("braze", overwrite=True)
    return shop


def test_a_killed_run_goes_on_where_the_last_answer_was(slow_braze, prefect_server):
    shop = slow_braze
    job = shop.for_users(1000, connectors={"braze": {}})

    told = killed_while_delivering(shop, job, prefect_server)
    report = sync(job)

    assert 225 <= told < 1000
    assert len(shop.braze.users()) == report.total("accepted") == 1000
    # What was under way when the process died may be sent twice, and nothing else.
    again = [user for user, times in shop.braze.taken.items() if times > 1]
    assert len(again) <= 75
    assert sync(job).total("skipped_unchanged") == 1000


def test_what_a_killed_run_delivered_counts_though_its_job_has_changed(slow_braze, prefect_server):
    shop = slow_braze
    job = shop.for_users(1000, connectors={"braze": {}})
    told = killed_while_delivering(shop, job, prefect_server)
    lists = {f"u{number}": [f"i{number}", "i0"] for number in range(1, 1000)}
    shop.answered(lists, "batch/up_2026_01_02_00_00_00/", "userId")

    report = sync(job)

    assert shop.braze.holds("u0") == {}
    assert report.total("cleared") == 1
    assert 999 - told <= report.total("sent") - 1 <= 999 - told + 75 + 1
    assert sync(job).total("sent") == 0


def test_two_runs_at_once_send_everything_once(slow_braze, prefect_server):
    shop = slow_braze
    job = shop.for_users(300, connectors={"braze": {}})
    command = [sys.executable, "-m", "deployments.cli", "run", "connector-sync", f"job={job}"]
    environment = {**os.environ, "PREFECT_API_URL": prefect_server}
    children = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    said = [child.communicate(timeout=120)[0].decode() for child in children]

    assert [child.returncode for child in children] == [0, 0], said
    assert set(shop.braze.taken.values()) == {1}
    assert len(shop.braze.users()) == 300
