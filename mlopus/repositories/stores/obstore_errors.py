"""What obstore raises, as errors of ours. Most of it is one class, so its text has to tell."""

from __future__ import annotations

import re
from typing import Final

from mlopus.domain.paths import base_name
from mlopus.errors import (
    IllegalPath,
    MlopusError,
    NotFound,
    ServerFailed,
    StalePlan,
    StoreFailed,
    TimedOut,
    Unauthorized,
    Unreachable,
    Unsupported,
)

_STATUS = re.compile(r"status code: (?P<status>\d{3})\s*(?P<name>[A-Za-z ]*)")
_CODE = re.compile(r"<Code>(?P<code>[^<]+)</Code>")
_QUERY = re.compile(r"(?P<base>https?://[^\s?'\"()]+)\?[^\s'\"()]*")
_USER = re.compile(r"(?P<scheme>https?://)[^\s/@]+@")
_NO_CREDENTIALS: Final = ("169.254.169.254", "metadata.google.internal", "/oauth2/", "MissingAccessKey")
_LIMIT: Final = 500
_SERVER_FAULT, _TOO_MANY = 500, 429
_LETS_NOBODY_IN = (401, 403)
_CREDENTIALS_HINT = (
    "Check the credentials of this store (storage_options, the environment) and what they allow."
)


def object_error(error: Exception, place: str, action: str, timeout_s: float) -> MlopusError | None:
    """The error of ours that an exception of obstore means; None for one that is not obstore's.

    Args:
        error: What was raised.
        place: The store, for messages.
        action: What was asked of it, such as `listing`.
        timeout_s: How long an answer was waited for.
    """
    is_known = type(error).__module__.startswith("obstore") or type(error) in (FileNotFoundError, ValueError)
    if not is_known:
        return None
    text = plain_text(error)
    if "non-partial response" in text:
        return Unsupported(action="reading a part of a file", place=place)
    status = _STATUS.search(text)
    if status is not None:
        return _answered(int(status["status"]), status["name"].strip(), text, place, action)
    return _by_class(error, text, place, action) or _not_answered(error, text, place, action, timeout_s)


def _by_class(error: Exception, text: str, place: str, action: str) -> MlopusError | None:
    name = type(error).__name__
    if name == "InvalidPathError" or text.startswith("Could not parse path"):
        return IllegalPath(path=place, reason=f"has a name that is no plain path: {text}")
    if name == "PreconditionError":
        return StalePlan(thing=place, expected="the version that was listed", found="another version")
    if name == "NotSupportedError":
        return Unsupported(action=action, place=place)
    if name in ("PermissionDeniedError", "UnauthenticatedError"):
        return Unauthorized(place=place, request=action, status=403, reply=text, hint=_CREDENTIALS_HINT)
    return _gone(text, place) if isinstance(error, FileNotFoundError) else None


def _not_answered(error: Exception, text: str, place: str, action: str, timeout_s: float) -> MlopusError:
    if any(sign in text for sign in _NO_CREDENTIALS):
        hint = "Give credentials: in storage_options, or by the variables and files of that store."
        return Unauthorized(place=place, request=action, status=401, reply=text, hint=hint)
    if "timed out" in text or "TimedOut" in str(error):
        return TimedOut(place=place, request=action, timeout_s=timeout_s)
    if "HTTP error" in text or "error sending request" in text:
        return Unreachable(place=place, reason=text, hint="Check the endpoint of the store and the network.")
    return StoreFailed(place=place, action=action, reason=text)


def plain_text(error: Exception) -> str:
    """The text of an error without its inner structure, and without what URLs carry that is secret."""
    text = str(error).partition("\n\nDebug source")[0].strip()
    text = _USER.sub(r"\g<scheme>", _QUERY.sub(r"\g<base>", text))
    return text if len(text) <= _LIMIT else f"{text[:_LIMIT]}…"


def _answered(status: int, name: str, text: str, place: str, action: str) -> MlopusError:
    told = _CODE.search(text)
    code = told["code"] if told is not None else name or str(status)
    if status == 404:  # noqa: PLR2004 (known by this number)
        return _gone(text, place)
    if status in _LETS_NOBODY_IN:
        return Unauthorized(place=place, request=action, status=status, reply=code, hint=_CREDENTIALS_HINT)
    if status == 412:  # noqa: PLR2004 (known by this number)
        return StalePlan(thing=place, expected="the version that was listed", found="another version")
    if status >= _SERVER_FAULT or status == _TOO_MANY:
        return ServerFailed(place=place, request=action, status=status, code=code, reply=text)
    return StoreFailed(place=place, action=action, reason=text)


def _gone(text: str, place: str) -> NotFound:
    if "NoSuchBucket" in text or "ContainerNotFound" in text:
        hint = "Check the name of the bucket and the endpoint: credentials may be of another place."
        return NotFound(kind="bucket", key=place, place="the store", hint=hint)
    return NotFound(kind="artifact", key=base_name(place) or place, place=place)
