"""What came of a run, in a few lines."""

from __future__ import annotations

from personalization.connectors import ImportProgress
from personalization.delivery import Receipt
from personalization.resources import Plan, Resource, Step, TrainReport
from personalization.resources.kinds import SCHEMA, SOLUTION
from personalization.segments import PostprocessReport
from personalization.sync.report import PartReceipt, SyncReport
from personalization.telling import facts_of


def test_a_training_counts_its_steps_and_names_its_output():
    steps = [Step(Resource(SOLUTION, "s"), "create", "new")]
    steps += [Step(Resource(SCHEMA, f"x{it}"), "keep", "as declared") for it in range(2)]

    assert facts_of(TrainReport(Plan(tuple(steps)), {}, ("s3://b/x.out",))) == (
        "Resources: 1 create, 2 keep",
        "Batch output: s3://b/x.out",
    )


def test_audiences_are_counted_with_what_was_rejected_and_imported():
    done = ImportProgress("succeeded", 3, 1, (), "vip", "COMPLETED")

    assert facts_of(PostprocessReport((), 5, 2, imports={"vip": done})) == (
        "Audiences: 0 with 0 members",
        "Lines without an audience: 2 of 5",
        "Imported: vip: 3 accepted, 1 rejected",
    )
    assert facts_of(done) == ("Imported: 3 accepted, 1 rejected",)


def test_deliveries_are_told_part_by_part_and_not_for_ever():
    receipt = Receipt(2, 2, 0, 0, 0, 0.5, 1, None)
    report = SyncReport([PartReceipt("braze", f"p{it}", receipt) for it in range(25)])

    facts = facts_of(report)

    assert facts[0] == "Delivered: braze p0: 2 accepted, 0 rejected"
    assert (len(facts), facts[-1]) == (21, "… and 5 more")


def test_places_are_told_and_what_is_unknown_is_not():
    assert facts_of(("s3://b/x.out",)) == ("Batch output: s3://b/x.out",)
    assert facts_of(object()) == ()
