"""A run that comes back to its work: what it has asked for is told, and not repeated."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from personalization.resources import Found, Policy
from personalization.resources.deciding import decide
from personalization.resources.kinds import SOLUTION, SOLUTION_VERSION
from tests.resources.conftest import NOON, Films

FIRST = Policy()


def at(hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, 22, hour, minute, tzinfo=dt.UTC)


def version(**more: object) -> Found:
    return Found(
        SOLUTION_VERSION, "arn:v", {"status": "ACTIVE", "creationDateTime": at(12), **more}
    )


def test_what_failed_counts_as_a_runs_own_from_the_moment_it_was_asked_for():
    failed = version(status="CREATE FAILED")

    assert failed.failed_since(at(11))
    assert not failed.failed_since(at(13))
    assert not failed.failed_since(None)
    assert not version().failed_since(at(11))


def test_an_update_is_asked_for_later_than_what_it_changes():
    update = {"status": "CREATE FAILED", "creationDateTime": at(14)}
    found = Found(
        SOLUTION,
        "arn:s",
        {"status": "ACTIVE", "creationDateTime": at(12), "latestSolutionUpdate": update},
    )

    assert found.asked_at == at(14)
    assert found.failed_since(at(13))
    assert not found.failed_since(at(15))


def comes_back(films: Films, policy: Policy) -> Policy:
    """The policy of the same run in a later process."""
    films.now -= dt.timedelta(seconds=1)  # its names are the ones it began with
    return replace(policy, resumed=policy.began)


def begins(films: Films) -> Policy:
    films.now = NOON
    return Policy(began=dt.datetime.now(dt.UTC))


def test_a_failed_import_is_a_runs_own_until_the_next_run(films):
    films.put("train/films/items.csv", "ITEM_ID,TITLE\ni1,x\n")
    policy = begins(films)
    first = films.run(policy)

    again = films.run(comes_back(films, policy))

    jobs = films.personalize.list_dataset_import_jobs()["datasetImportJobs"]
    assert len(jobs) == 2  # interactions and items, once each
    said = [why for key, why in first.failures.items() if key.startswith("datasetImportJob")]
    assert said == [w for key, w in again.failures.items() if key.startswith("datasetImportJob")]
    films.run()
    assert len(films.personalize.list_dataset_import_jobs()["datasetImportJobs"]) == 3


def test_a_job_that_became_too_old_while_it_was_waited_for_is_not_made_again(films):
    films.run()
    [job] = [it for it in films.resources if it.max_age or "batch" in it.kind.name]
    arns = films.run().arns
    began = dt.datetime.now(dt.UTC)
    old = replace(job, max_age=dt.timedelta(microseconds=1))

    def action(policy: Policy) -> str:
        return decide(films.personalize, films.account, old, arns, policy).action

    assert action(FIRST) == "create"
    assert action(Policy(began=began - dt.timedelta(hours=1))) == "keep"


def test_a_plan_is_told_as_it_was_told_first_also_where_data_has_changed_since(films):
    first = films.plan()
    rows = first.rows()
    films.run()
    films.now = NOON
    films.put_views(1201)

    again = films.plan()
    told = again.as_told(rows)

    assert {it.action for it in again.steps} > {"keep", "import"}
    assert [it.action for it in told.steps] == [it.action for it in first.steps]
    assert [it.reason for it in told.steps] == [it.reason for it in first.steps]
    assert told.as_told([]) == told
