from __future__ import annotations

import datetime as dt
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from personalization.errors import FatalError, RetryableError
from personalization.resources import Found, Ledger, Plan, Policy, Resource, deciding, ensure
from personalization.resources.actual import find
from personalization.resources.desired import a_second_later
from personalization.resources.kinds import BATCH_SEGMENT_JOB
from personalization.resources.kinds import SOLUTION as SOLUTION_KIND
from tests.resources.conftest import BUCKET, ROLE, SOLUTION
from tests.resources.lossy import losing_one_answer


def test_everything_is_created_parents_first(films):
    made = films.plan()

    assert [sorted(it.kind.name for it in wave) for wave in made.waves()] == [
        ["datasetGroup", "schema", "schema"],
        ["dataset", "dataset", "solution"],
        ["datasetImportJob", "datasetImportJob"],
        ["solutionVersion"],
        ["batchSegmentJob"],
    ]
    assert {it.action for it in made.steps} == {"create", "import"}
    assert made.importing == ("interactions", "items")
    assert made.batching == (SOLUTION,)


def test_what_was_brought_into_being_is_kept(films):
    ledger = films.run()

    assert ledger.failures == {}
    assert films.actions() == {}
    assert ledger.new_versions == {SOLUTION: ledger.arns[f"solutionVersion/{SOLUTION}"]}
    assert len(ledger.batch_jobs(new=True)) == 1
    assert ledger.batch_jobs(new=False) == {}


def test_the_plan_is_a_table_with_reasons(films):
    films.run()

    rows = films.plan().rows()

    assert {tuple(it) for it in rows} == {("kind", "name", "action", "reason")}
    assert {"kind": "Dataset Group", "name": "films", "action": "keep"}.items() <= rows[0].items()
    assert rows[0]["reason"] == "is as declared"


def test_new_data_is_imported_learned_and_segmented_anew(films):
    films.run()
    films.put_views(1300)

    assert films.actions() == {
        "datasetImportJob interactions": "import",
        f"solutionVersion {SOLUTION}": "retrain",
        f"batchSegmentJob batch_{SOLUTION}": "create",
    }

    films.run()

    assert films.actions() == {}


def test_a_part_file_that_is_gone_counts_as_new_data(films):
    films.put_views(1200, "train/films/interactions/a.csv")
    films.put_views(1200, "train/films/interactions/b.csv")
    films.run()
    films.s3.delete_object(Bucket=BUCKET, Key="train/films/interactions/b.csv")

    assert films.actions()["datasetImportJob interactions"] == "import"


def test_data_that_comes_back_is_imported_again(films):
    films.run()
    films.put_views(1300)
    films.run()
    films.put_views(1200)

    assert films.actions()["datasetImportJob interactions"] == "import"


def test_an_import_that_somebody_else_made_of_these_files_is_kept(films):
    films.config["solutions"] = []
    group = "arn:aws:personalize:us-east-1:123456789012:dataset/films"
    films.put_views(1100)
    imports = [it for it in films.resources if it.kind.name == "datasetImportJob"]
    first = films.run()
    assert first.failures == {}
    time.sleep(1.1)  # S3 tells time in whole seconds
    films.personalize.create_dataset_import_job(
        jobName="dataset_import_interactions_2026_11_22_12_00_00",
        datasetArn=f"{group}/INTERACTIONS",
        dataSource=imports[0].parameters["dataSource"],
        roleArn=ROLE,
    )
    films.run()

    assert films.actions() == {}

    films.put_views(1200)

    assert films.actions() == {"datasetImportJob interactions": "import"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("new-data", "retrain", id="new-data"),
        pytest.param("never", None, id="never"),
    ],
)
def test_new_data_makes_a_new_version_only_where_that_is_wanted(films, policy, expected):
    films.run()
    films.put_views(1300)

    actions = films.actions(Policy(policy))

    assert actions.get(f"solutionVersion {SOLUTION}") == expected


def test_a_new_version_can_be_asked_for_and_is_made_once(films):
    films.run()
    always = Policy("always", began=dt.datetime.now(dt.UTC))

    assert films.actions(always) == {
        f"solutionVersion {SOLUTION}": "retrain",
        f"batchSegmentJob batch_{SOLUTION}": "create",
    }
    films.run(always)
    assert films.actions(always) == {}
    versions = films.personalize.list_solution_versions()["solutionVersions"]
    assert len(versions) == 2


def test_a_changed_batch_input_is_answered_anew(films):
    films.run()
    films.put(
        f"batch/films/{SOLUTION}/job_config.json",
        json.dumps({"itemAttributes": 'ITEMS.genres = "Horror"'}),
    )
    job = next(it for it in films.resources if it.kind.name == "batchSegmentJob")
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    changed = [
        it if it.kind.name != "batchSegmentJob" else type(it)(**{**vars(it), "changed_at": later})
        for it in films.resources
    ]
    from personalization.resources import plan

    steps = plan(films.personalize, films.account, changed, Policy()).changes

    assert [(it.resource.kind.name, it.action) for it in steps] == [("batchSegmentJob", "create")]
    assert "its input changed after" in steps[0].reason
    assert job.parameters["jobOutput"]["s3DataDestination"]["path"].startswith(
        f"s3://films/batch/films/{SOLUTION}/batch_{SOLUTION}_2026_11_22_"
    )


def test_a_batch_job_that_is_too_old_is_done_again(films):
    films.run()
    films.config["solutions"][0]["batchSegmentJobs"][0]["workflowConfig"] = {"maxAge": "0.001 days"}
    job = next(it for it in films.resources if it.kind.name == "batchSegmentJob")

    assert job.max_age == dt.timedelta(seconds=86.4)
    assert films.actions() == {}


def test_what_personalize_cannot_change_is_blocked_with_the_way_out(films):
    films.run()
    films.config["solutions"][0]["serviceConfig"]["recipeArn"] = (
        "arn:aws:personalize:::recipe/aws-item-affinity"
    )
    made = films.plan()

    [solution, version, job] = made.blocked
    assert "differs in recipeArn, which Personalize cannot change" in solution.reason
    assert "give it a new name" in solution.reason
    assert version.reason == f"waits for solution/{SOLUTION}, which is blocked"
    assert job.resource.kind.name == "batchSegmentJob"
    with pytest.raises(FatalError, match="differs in recipeArn"):
        ensure(films.personalize, films.account, solution.resource, {}, Policy())


def test_one_blocked_solution_does_not_stop_another(films):
    films.run()
    films.config["solutions"][0]["serviceConfig"]["eventType"] = "watch"
    other = {
        "serviceConfig": {
            "name": "popular",
            "recipeArn": "arn:aws:personalize:::recipe/aws-popularity-count",
        }
    }
    films.config["solutions"].append(other)

    ledger = films.run()

    assert "solutionVersion/popular" in ledger.arns
    assert set(ledger.failures) >= {f"solution/{SOLUTION}", f"solutionVersion/{SOLUTION}"}
    with pytest.raises(FatalError, match=r"films: 3 resource\(s\) could not be brought into being"):
        ledger.close("films")


def test_automatic_training_is_switched_by_an_update(films):
    films.run()
    films.config["solutions"][0]["serviceConfig"]["performAutoTraining"] = True

    assert films.actions() == {f"solution {SOLUTION}": "update"}
    films.run()
    assert films.actions() == {}


def test_a_schema_under_a_new_name_moves_its_dataset(films):
    films.run()
    entry = films.config["datasets"]["items"]["schema"]["serviceConfig"]
    entry["name"] = "films-schema-2"
    entry["schema"]["fields"].append({"name": "YEAR", "type": ["null", "int"]})

    assert films.actions() == {"schema films-schema-2": "create", "dataset films/ITEMS": "update"}
    ledger = films.run()
    assert ledger.failures == {}
    assert films.actions() == {}


def test_a_schema_that_changed_under_its_name_is_blocked(films):
    films.run()
    entry = films.config["datasets"]["items"]["schema"]["serviceConfig"]
    entry["schema"]["fields"].append({"name": "YEAR", "type": ["null", "int"]})

    blocked = {it.resource.key for it in films.plan().blocked}

    assert "schema/films-schema" in blocked


def test_a_failed_import_is_told_and_tried_again(films):
    films.put("train/films/items.csv", "ITEM_ID,TITLE\ni1,x\n")
    ledger = films.run()

    [why] = [said for key, said in ledger.failures.items() if key.startswith("datasetImportJob")]
    assert "CREATE FAILED" in why
    assert "GENRES" in why
    assert f"solutionVersion/{SOLUTION}" in ledger.failures
    actions = films.plan().changes
    again = next(it for it in actions if it.resource.name.startswith("dataset_import_items"))
    assert (again.action, again.reason[:22]) == ("import", "the last import failed")


def test_a_training_that_failed_is_told(films):
    films.config["datasets"]["interactions"]["schema"]["serviceConfig"]["name"] = "few"
    films.put_views(30)
    ledger = films.run()

    assert any("1000" in why or "25 users" in why for why in ledger.failures.values())


def test_two_runs_at_once_make_one_resource(films):
    group, *_ = films.resources

    def make(_: int) -> str:
        return ensure(films.personalize, films.account, group, {}, Policy())[1]

    with ThreadPoolExecutor(8) as pool:
        arns = set(pool.map(make, range(8)))

    assert arns == {"arn:aws:personalize:us-east-1:123456789012:dataset-group/films"}


def test_two_jobs_of_one_second_get_names_of_their_own(films):
    ledger = films.run()
    job = next(it for it in films.resources if it.kind.name == "batchSegmentJob")
    taken = next(iter(ledger.batch_jobs(new=True))).rpartition("/")[2]
    more = replace(
        job, name=taken, parameters={**job.parameters, "numResults": 5, "jobName": taken}
    )

    decision, arn = ensure(films.personalize, films.account, more, ledger.arns, Policy())

    name = arn.rpartition("/")[2]
    made = films.personalize.describe_batch_segment_job(batchSegmentJobArn=arn)["batchSegmentJob"]
    assert decision.action == "create"
    assert name == a_second_later(more).name != taken
    assert made["jobOutput"]["s3DataDestination"]["path"].endswith(f"_{name.rpartition('_')[2]}/")


def test_a_stamp_moves_over_the_edge_of_a_year():
    job = Resource(BATCH_SEGMENT_JOB, "batch_x_2026_12_31_23_59_59")

    assert a_second_later(job).name == "batch_x_2027_01_01_00_00_00"


def test_a_name_that_stays_taken_may_be_free_later(films):
    films.run()
    group = films.resources[0]
    # An account that is not ours: the name is taken, and nothing is found under it.
    elsewhere = replace(films.account, account_id="210987654321")

    with pytest.raises(RetryableError, match="Dataset Group films exists but cannot be found yet"):
        ensure(films.personalize, elsewhere, group, {}, Policy())


def test_kinds_that_are_not_managed_yet_are_left_out_and_said_so(films):
    films.config["filters"] = [
        {
            "serviceConfig": {
                "name": "f",
                "filterExpression": 'INCLUDE ItemID WHERE Items.GENRES IN ("Action")',
            }
        }
    ]
    films.config["eventTracker"] = {"serviceConfig": {"name": "clicks"}}
    made = films.plan()

    left = {it.resource.key: it.reason for it in made.steps if it.action == "leave out"}
    assert set(left) == {"filter/f", "eventTracker/clicks"}
    assert left["filter/f"] == "this version does not manage a Filter yet"
    assert not any(it.kind.name == "filter" for wave in made.waves() for it in wave)


def test_a_training_whose_answer_was_lost_is_not_paid_for_twice(films, monkeypatch):
    from blocks.aws import clients

    films.run()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    always = Policy("always", began=dt.datetime.now(dt.UTC))
    with losing_one_answer(films.aws.endpoint_url, "CreateSolutionVersion") as (url, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        films.personalize = clients()("personalize")
        ledger = films.run(always)
        assert f"solutionVersion/{SOLUTION}" in ledger.failures  # the task tries again, later
        films.run(always)

    films.personalize = films.aws.clients("personalize")
    versions = films.personalize.list_solution_versions()["solutionVersions"]
    assert asked.count("CreateSolutionVersion") == 1
    assert len(versions) == 2


def test_a_batch_job_with_other_settings_is_another_job(films):
    films.config["solutions"][0]["batchSegmentJobs"].append({"serviceConfig": {}})
    first = films.run()
    assert first.failures == {}
    assert len(first.batch_jobs(new=True)) == 2
    assert films.actions() == {}

    films.config["solutions"][0]["batchSegmentJobs"] = [{"serviceConfig": {"numResults": 25}}]
    assert films.actions() == {}  # 25 is what a job gets that does not say

    films.config["solutions"][0]["batchSegmentJobs"] = [{"serviceConfig": {"numResults": 24}}]
    assert films.actions() == {f"batchSegmentJob batch_{SOLUTION}": "create"}


def test_a_running_job_that_read_an_older_input_is_not_waited_for(films):
    films.run()
    job = next(it for it in films.resources if it.kind.name == "batchSegmentJob")
    found = find(films.personalize, films.account, job, films.run().arns)
    running = Found(found.kind, found.arn, {**found.description, "status": "CREATE IN_PROGRESS"})
    edited = replace(job, changed_at=found.created_at + dt.timedelta(seconds=5))

    assert deciding._batch_job(job, running, Policy()).action == "wait"
    assert deciding._batch_job(edited, running, Policy()).action == "create"


def test_declared_tags_are_set_and_others_stay(films):
    films.config["tags"] = [{"tagKey": "team", "tagValue": "a"}]
    ledger = films.run()
    arn = ledger.arns["datasetGroup/films"]
    films.personalize.tag_resource(resourceArn=arn, tags=[{"tagKey": "cost", "tagValue": "7"}])
    assert films.actions() == {}

    films.config["tags"] = [{"tagKey": "team", "tagValue": "b"}]
    actions = films.actions()
    assert actions["datasetGroup films"] == "update"
    assert set(actions.values()) == {"update"}
    films.run()

    tags = films.personalize.list_tags_for_resource(resourceArn=arn)["tags"]
    assert {it["tagKey"]: it["tagValue"] for it in tags} == {"team": "b", "cost": "7"}
    assert films.actions() == {}


def test_a_full_quota_is_told_at_once(films):
    for number in range(5):
        films.personalize.create_dataset_group(name=f"other-{number}")

    ledger = films.run()

    assert "ask for more in Service Quotas" in ledger.failures["datasetGroup/films"]


def test_why_an_update_failed_is_told():
    update = {"status": "CREATE FAILED", "failureReason": "no such schedule"}
    found = Found(SOLUTION_KIND, "arn:x", {"status": "ACTIVE", "latestSolutionUpdate": update})
    ledger = Ledger(Plan(()))

    ledger.ended({"solution/x": found, "solution/y": None})

    assert ledger.failures == {
        "solution/x": "arn:x is CREATE FAILED: no such schedule",
        "solution/y": "vanished while it was waited for; run again to make it anew",
    }


def test_an_answer_that_failed_is_told_with_the_rest():
    ledger = Ledger(Plan(()))

    assert ledger.told("metrics", ("fine",), ()) == ("fine",)
    assert ledger.told("outputs", FatalError("nothing there"), ()) == ()
    with pytest.raises(FatalError, match="outputs: nothing there"):
        ledger.close("films")


def test_an_import_named_like_ours_is_not_ours(films):
    assert deciding._ours("dataset_import_items_2026_11_22_12_00_00_0123456789")
    assert not deciding._ours("dataset_import_x_0123456789")
