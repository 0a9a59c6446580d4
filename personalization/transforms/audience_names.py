"""Names for audiences: readable, the same for the same query, never the same for two.

Two names, both made from the query alone, so no run has to know what an earlier one did:

logical   `ITEMSgenresAction`: what a destination keeps; the next run's answer updates it
stamped   `ITEMSgenresAction_20220512-161047`: one run's file, stamped in UTC

The stem is the one people know from the AWS sample: of an expression only its letters, of an item
`item_<id>`.  It forgets digits and punctuation, so `year = 1995` and `year = 2005` would share it.
A stem stands alone only where the query can be read back from it without doubt: one condition
`ITEMS.<column> = "<Capitalised>"` with a column in one case, or an item id of letters and digits.
Every other query gets `-` and 60 bits of its SHA-256, which no bare stem can look like.

Audiences of the same query under other than the default options are other audiences: their names
say the options after `__`, as in `ITEMSgenresAction__endpoints-EMAIL`.

Source of the stem: aws-samples "Contextual targeting with Amazon Pinpoint and Amazon Personalize".
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from personalization.errors import ConfigError

# Customer Profiles is the strictest destination: 64 of these characters name a segment.  A file
# `<64>_<15>.csv` also stays far below the 255 bytes of a file name and the 1,024 of an S3 key.
# Source: botocore, customer-profiles 2020-08-15, shape `name` (^[a-zA-Z0-9_-]+$, 1 to 64).
NAME_LIMIT: Final = 64
# Leaves room for `_` and the longest channel, so one query has one stem on every channel.
STEM_LIMIT: Final = NAME_LIMIT - len("_APNS_VOIP_SANDBOX")

_DIGEST_LENGTH: Final = 12
_READABLE_EXPRESSION: Final = re.compile(
    r'ITEMS\.(?:[a-z]+ = "[A-Z][a-z]*"|[A-Z]+ = "[A-Z][a-z]+")', re.ASCII
)
_READABLE_ITEM: Final = re.compile(r"[A-Za-z0-9]+", re.ASCII)


def logical_name(query: Mapping[str, Any], channel: str | None = None) -> str:
    """Name the audience of a query, on one channel or on all: at most 64 of `[A-Za-z0-9_-]`.

    query  the line's input: {"itemAttributes": …} or {"itemId": …}, and whatever else came with it
    """
    stem, readable = _stem(query)
    if not (readable and len(query) == 1 and len(stem) <= STEM_LIMIT):
        stem = f"{stem[: STEM_LIMIT - _DIGEST_LENGTH - 1].rstrip('_-')}-{_digest(query)}"
    return stem if channel is None else f"{stem}_{channel}"


def variant_name(logical: str, variant: str) -> str:
    """Return the name of an audience under options with this `variant`: the logical name, if none.

    It keeps within the same limit; what is cut off is told by 60 bits of the whole.
    """
    name = f"{logical}__{variant}" if variant else logical
    if len(name) <= NAME_LIMIT:
        return name
    return f"{name[: NAME_LIMIT - _DIGEST_LENGTH - 1].rstrip('_-')}-{_digest({'name': name})}"


def stamped_name(logical: str, stamp: dt.datetime) -> str:
    """Return the logical name with the run's moment in UTC; ConfigError without a time zone."""
    if stamp.tzinfo is None:
        raise ConfigError(
            f"the stamp {stamp} has no time zone; pass one, as in datetime.now(timezone.utc)"
        )
    return f"{logical}_{stamp.astimezone(dt.UTC):%Y%m%d-%H%M%S}"


def _stem(query: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the sample's stem, and whether it tells everything the query says."""
    if "itemAttributes" in query:
        expression = query["itemAttributes"]
        letters = re.sub("[^A-Za-z]", "", expression) or "audience"
        return letters, bool(_READABLE_EXPRESSION.fullmatch(expression))
    item = query["itemId"]
    return f"item_{re.sub('[^A-Za-z0-9_-]+', '-', item)}", bool(_READABLE_ITEM.fullmatch(item))


def _digest(query: Mapping[str, Any]) -> str:
    text = json.dumps(query, sort_keys=True, separators=(",", ":"))
    return (
        base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:_DIGEST_LENGTH].lower()
    )
