"""Pages of a list, and the tokens between them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from personalization.local.wire import Context, ServiceError

T = TypeVar("T")
PAGE = 100  # the largest maxResults; source: botocore, personalize 2018-05-22, `MaxResults`


def page(
    found: Sequence[T], context: Context, key: Callable[[T], int]
) -> tuple[list[T], str | None]:
    """Return the page of `found` that is asked for, and the token of the next one.

    key  rises along `found`; the token holds the last one shown, so that what comes or goes between
         two pages neither repeats nor hides anything else
    Raises InvalidNextTokenException for a token of another list, or of none.
    """
    asked = {
        name: v for name, v in context.params.items() if name not in ("nextToken", "maxResults")
    }
    after = _after(context, asked)
    rest = [each for each in found if key(each) > after]
    size = context.params.get("maxResults", PAGE)
    shown = rest[:size]
    if len(rest) <= size:
        return shown, None
    document = {"list": context.operation, "asked": asked, "after": key(shown[-1])}
    return shown, base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


def _after(context: Context, asked: dict[str, Any]) -> int:
    token = context.params.get("nextToken")
    if token is None:
        return -1
    try:
        document = json.loads(base64.urlsafe_b64decode(token))
        if document["list"] == context.operation and document["asked"] == asked:
            return int(document["after"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        pass  # one answer for every token that is not one of ours
    raise ServiceError("InvalidNextTokenException", "The token is not valid.")
