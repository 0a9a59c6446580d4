"""Column names.  They live here and nowhere else.

AWS's spelling (`USER_ID`) is for files that Personalize or Pinpoint reads; ours (`user_id`) is for
frames of our own.
"""

from __future__ import annotations

from typing import Final

# Personalize's datasets.
# Source: Personalize developer guide, "Dataset schema requirements" (reserved keywords).
AWS_USER_ID: Final = "USER_ID"
AWS_ITEM_ID: Final = "ITEM_ID"
AWS_TIMESTAMP: Final = "TIMESTAMP"
AWS_EVENT_TYPE: Final = "EVENT_TYPE"
AWS_EVENT_VALUE: Final = "EVENT_VALUE"
AWS_CREATION_TIMESTAMP: Final = "CREATION_TIMESTAMP"

# Pinpoint's endpoint files.  Source: Pinpoint user guide, "Importing segments".
PINPOINT_USER_ID: Final = "User.UserId"
PINPOINT_ENDPOINT_ID: Final = "Id"
PINPOINT_CHANNEL: Final = "ChannelType"
PINPOINT_ADDRESS: Final = "Address"
PINPOINT_OPT_OUT: Final = "OptOut"
PINPOINT_STATUS: Final = "EndpointStatus"

# Our own frames.
USER_ID: Final = "user_id"
ITEM_ID: Final = "item_id"
TIMESTAMP: Final = "timestamp"
EVENT_TYPE: Final = "event_type"
EVENT_VALUE: Final = "event_value"
RANK: Final = "rank"
ENDPOINT_ID: Final = "endpoint_id"
CHANNEL: Final = "channel"
REASON: Final = "reason"

# What is sent of a user: the recommended ids as JSON text without the outer quotes and brackets
# (`a","b`), XXH3-64 of that text, and whether it is a removal.
IDS: Final = "ids"
HASH: Final = "hash"
REMOVED: Final = "removed"
LINE: Final = "line"
VERSION: Final = "version"
ACTIVE: Final = "active"
OPTED_OUT: Final = "opted_out"
ATTRIBUTE_VALUE: Final = "attribute_value"
AUDIENCE_SHARE: Final = "audience_share"
EVERYONE_SHARE: Final = "everyone_share"
LIFT: Final = "lift"
