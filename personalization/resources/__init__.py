"""Desired state against actual state: what the parameter file declares, and what Personalize has.

Names, not memory, are the state.  Nothing here remembers anything between two calls: what exists is
found by its name or its parent, compared, and then kept, changed or made.  So every call may be
repeated, and a run that was killed is finished by running it again.
"""

from personalization.resources.account import Account
from personalization.resources.actual import Found, imported_before, look
from personalization.resources.deciding import Policy
from personalization.resources.desired import Resource, batch_job, declared
from personalization.resources.ledger import Ledger
from personalization.resources.plan import Plan, Step, plan
from personalization.resources.reconcile import ensure
from personalization.resources.report import TrainReport

__all__ = [
    "Account",
    "Found",
    "Ledger",
    "Plan",
    "Policy",
    "Resource",
    "Step",
    "TrainReport",
    "batch_job",
    "declared",
    "ensure",
    "imported_before",
    "look",
    "plan",
]
