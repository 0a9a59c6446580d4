"""Delivery of an outbox to a destination: batches, pacing, retries, accounting, dead letters."""

from personalization.delivery.dead_letters import first_reason, origin_of, replayed, users_of
from personalization.delivery.delivering import acknowledged, deliver
from personalization.delivery.outbox import Outbox
from personalization.delivery.pacing import TokenBucket, shared_bucket
from personalization.delivery.patience import Patience
from personalization.delivery.preview import Preview, preview
from personalization.delivery.receipt import Progress, Receipt

__all__ = [
    "Outbox",
    "Patience",
    "Preview",
    "Progress",
    "Receipt",
    "TokenBucket",
    "acknowledged",
    "deliver",
    "first_reason",
    "origin_of",
    "preview",
    "replayed",
    "shared_bucket",
    "users_of",
]
