"""What a check has found, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from personalization.aws import error_code, translated
from personalization.errors import PersonalizeFlowsError, shortened

Status = Literal["ok", "bad", "unknown"]

_NO_LEAVE: Final = frozenset(
    {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
)


@dataclass(frozen=True)
class Seen:
    """What a check says.

    text    what was seen
    advice  what to do, empty where there is nothing to do
    """

    status: Status
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Outcome(Seen):
    """The same, with the name of what was looked at."""

    name: str = ""


Check = Callable[[], Seen]


def good(text: str, advice: str = "") -> Seen:
    """Return that all is well; advice, if any, would make it better still."""
    return Seen("ok", text, advice)


def bad(text: str, advice: str) -> Seen:
    """Return that something has to be done."""
    return Seen("bad", text, advice)


def not_checked(why: str, advice: str = "") -> Seen:
    """Return that nobody knows."""
    return Seen("unknown", f"not checked: {why}", advice)


def examined(name: str, check: Check) -> Outcome:
    """Return what the check says.  Never raises: a check that fails itself has found out nothing.

    This is the one place where any exception is caught, so that one surprise does not hide what the
    other checks have found; its text is shown.
    """
    try:
        seen = check()
    except (ClientError, BotoCoreError) as error:
        seen = refused(error, name)
    except PersonalizeFlowsError as error:
        seen = not_checked(shortened(error))
    except ResponseParserError:
        seen = not_checked("what answered is not AWS, or does not know this question")
    except Exception as error:
        seen = not_checked(f"{type(error).__name__}: {shortened(error)}")
    return Outcome(seen.status, seen.text, seen.advice, name)


def refused(error: ClientError | BotoCoreError, doing: str) -> Seen:
    """Return that AWS did not answer: for want of a permission, or for another reason."""
    if isinstance(error, ClientError) and error_code(error) in _NO_LEAVE:
        return not_checked(f"no permission for {error.operation_name}")
    return not_checked(shortened(translated(error, doing)))
