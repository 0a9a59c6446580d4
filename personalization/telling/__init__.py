"""What is told to whom: events, messages, metrics and error reports, as plain data.

What happens to a resource becomes an event for Prefect and for an EventBridge bus, the end of a run
a message for an SNS topic, numbers become CloudWatch metrics, and what is wrong with an upload a
file beside it.  Clients are passed in.
"""

from personalization.telling.bus import put_events
from personalization.telling.facts import facts_of, what_for
from personalization.telling.happening import Happening, assessed, ended, made
from personalization.telling.message import Ended, message_of, publish
from personalization.telling.metrics import counted, created, measured, put_metrics
from personalization.telling.place import Place, place_of, whole_place
from personalization.telling.refusal import (
    Refusal,
    clear_report,
    group_named_in,
    report_path,
    write_report,
)

__all__ = [
    "Ended",
    "Happening",
    "Place",
    "Refusal",
    "assessed",
    "clear_report",
    "counted",
    "created",
    "ended",
    "facts_of",
    "group_named_in",
    "made",
    "measured",
    "message_of",
    "place_of",
    "publish",
    "put_events",
    "put_metrics",
    "report_path",
    "what_for",
    "whole_place",
    "write_report",
]
