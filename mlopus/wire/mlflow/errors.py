"""From a reply that is no answer to the error it stands for: by code, by status, by its words.

Servers answer failures with JSON of their own, FastAPI's `detail`, plain text or a page of HTML,
and whatever stands before them with its own. What a table here does not know is judged by the status.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Final, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.errors import (
    AlreadyExists,
    InvalidRequest,
    MlopusError,
    NotFound,
    ServerFailed,
    Unauthorized,
    UnreadableReply,
    Unsupported,
)
from mlopus.plans.changes import PARAM_ALREADY_SET, PARAM_HINT
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import HttpReply, HttpRequest, Named
from mlopus.wire.mlflow.shapes import members, text

EXCERPT_LENGTH: Final = 200

_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_NOT_TAKEN_STATUSES = frozenset({408, 429})

Headers: TypeAlias = immutabledict[str, str]

_CHANGE_IT: Final = "Change what the server names, then call again."
_TAKEN = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
_MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
_PASSING_CODES = frozenset({"CANCELLED", "ABORTED"})
_NOT_DONE_HERE = frozenset({"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED"})
_DISABLED = re.compile(
    r"--no-serve-artifacts|--artifacts-only|[Ww]orkspaces? (?:API )?(?:is|are) not enabled"
)
_UNKNOWN_ALIAS = re.compile(r"Registered model alias .* not found", re.DOTALL)
_PARAM_IS_SET = "Changing param values is not allowed"
_UNKNOWN_MODEL = re.compile(r"Registered Model with name=.* not found", re.DOTALL)
_TOO_LARGE_AN_ID = re.compile(r"\binteger out of range\b")
_UNKNOWN_WORKSPACE = re.compile(r"Workspace '([^']*)' not found")

_SECRETS = (
    (re.compile(r"\b(bearer|basic|digest|negotiate)\s+[^\s\"'<>,;]+", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"(://)[^/\s@\"'<>]+@"), r"\1***@"),
    (
        re.compile(
            r"((?:signature|token|secret|password|passwd|api[_-]?key)\"?\s*[=:]\s*\"?)[^\s&\"'<>,;]+",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@attrs.frozen
class _Said:
    """What a failed reply says: MLflow's code where it has one, and its words."""

    code: str
    words: str
    is_mlflow: bool


def may_pass(reply: HttpReply) -> bool:
    """Whether a failure may pass by itself: the server is busy or broken, and says nothing else.

    Some stores answer 500 to what is wrong with a request.
    """
    return reply.status in _PASSING_STATUSES and not _is_about_the_request(_said(reply))


def was_not_taken(reply: HttpReply) -> bool:
    """Whether the server did not even start on a request, so that any may be sent again."""
    return reply.status in _NOT_TAKEN_STATUSES


def _is_about_the_request(said: _Said) -> bool:
    return (
        said.code in ("INVALID_STATE", *_NOT_DONE_HERE)
        or _PARAM_IS_SET in said.words
        or _UNKNOWN_MODEL.search(said.words) is not None
        or _DISABLED.search(said.words) is not None
    )


def error_from_reply(request: HttpRequest, reply: HttpReply, place: str) -> MlopusError:
    """The error that a reply with a status of failure, or with a redirect, stands for.

    Args:
        request: What was asked.
        reply: What came back, its status 300 or above.
        place: The server, as errors name it.
    """
    said = _said(reply)
    status = reply.status
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _unauthorized(request, reply, place, said)
    if said.code in _TAKEN and request.taken is not None:
        return AlreadyExists(kind=request.taken.kind, key=request.taken.key, place=place)
    if (missing := _missing(request, status, said)) is not None:
        return NotFound(kind=missing.kind, key=missing.key, place=place)
    if said.code in _NOT_DONE_HERE or _DISABLED.search(said.words) or status == HTTPStatus.NOT_IMPLEMENTED:
        return Unsupported(action=request.name, place=place, hint=said.words or None)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED) and not said.is_mlflow:
        return _no_route(request, reply, place)
    passes = (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status in _PASSING_STATUSES
        or said.code in _PASSING_CODES
    )
    if passes and not _is_about_the_request(said):
        return ServerFailed(
            place=place, request=request.name, status=status, code=said.code, reply=said.words
        )
    is_set = _PARAM_IS_SET in said.words
    code, hint = (PARAM_ALREADY_SET, PARAM_HINT) if is_set else (said.code, _CHANGE_IT)
    return InvalidRequest(place=place, request=request.name, code=code, reply=said.words, hint=hint)


def _unauthorized(request: HttpRequest, reply: HttpReply, place: str, said: _Said) -> MlopusError:
    if "Invalid Host header" in said.words:
        hint = "Use a name of the server that its --allowed-hosts holds."
        return InvalidRequest(place=place, request=request.name, code=said.code, reply=said.words, hint=hint)
    return Unauthorized(place=place, request=request.name, status=reply.status, reply=said.words)


def _missing(request: HttpRequest, status: int, said: _Said) -> Named | None:
    """What is not there, if that is what the server says."""
    if not said.is_mlflow:
        return None
    if (match := _UNKNOWN_WORKSPACE.search(said.words)) is not None:
        return Named("workspace", match[1])
    if said.code in _MISSING or (status == HTTPStatus.NOT_FOUND and said.code not in _NOT_DONE_HERE):
        return request.missing
    if _UNKNOWN_MODEL.search(said.words) is not None:
        return request.missing
    if _TOO_LARGE_AN_ID.search(said.words) is not None:  # PostgreSQL, of a number that is no id
        return request.missing
    if said.code == "INVALID_PARAMETER_VALUE" and (
        request.is_lookup or _UNKNOWN_ALIAS.fullmatch(said.words) is not None
    ):
        return request.missing
    return None


def _no_route(request: HttpRequest, reply: HttpReply, place: str) -> MlopusError:
    if request.is_optional or request.since is not None:
        what_can = "" if request.since is None else f": servers do it since MLflow {request.since}"
        hint = f"Its version of MLflow may be too old for this{what_can}."
        return Unsupported(action=request.name, place=place, hint=hint)
    reason = f"status {reply.status}, and no error of MLflow's"
    return UnreadableReply(place=place, request=request.name, reason=reason, excerpt=excerpt(reply.body))


def _said(reply: HttpReply) -> _Said:
    standard = _standard_name(reply.status)
    parsed = _json_or_none(reply.body)
    object_ = members(parsed)
    if (code := object_.get("error_code")) and isinstance(code, str):
        return _Said(code, clean(text(object_.get("message"))), is_mlflow=True)
    if (detail := object_.get("detail")) is not None:
        return _Said(
            standard, clean(detail if isinstance(detail, str) else json.dumps(detail)), is_mlflow=False
        )
    return _Said(standard, excerpt(reply.body), is_mlflow=False)


def json_from_reply(request: HttpRequest, reply: HttpReply, place: str) -> Result[object, UnreadableReply]:
    """The JSON of a reply with a status of success. An empty body is an empty object.

    Fails with:
        UnreadableReply: It is no JSON: a login page, a part of an answer, another service.
    """
    if not reply.body.strip():
        return Success({})
    try:
        return Success(json.loads(reply.body))
    except (ValueError, RecursionError):
        reason = "HTML instead of JSON" if _is_html(reply) else "it is not JSON"
        return Failure(
            UnreadableReply(place=place, request=request.name, reason=reason, excerpt=excerpt(reply.body))
        )


def excerpt(body: bytes) -> str:
    """The beginning of a body as one line of words, with what looks like a secret left out."""
    return clean(body[:4000].decode("utf-8", "replace"))


def clean(words: str) -> str:
    """Foreign words as one short line, without markup, with what looks like a secret left out."""
    if "<" in words:
        words = _TAGS.sub(" ", words)
    line = " ".join("".join(char if char.isprintable() else " " for char in words).split())
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    return line if len(line) <= EXCERPT_LENGTH else f"{line[: EXCERPT_LENGTH - 1]}…"


def _json_or_none(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _is_html(reply: HttpReply) -> bool:
    return "html" in reply.headers.get("content-type", "") or reply.body.lstrip()[:1] == b"<"


def _standard_name(status: int) -> str:
    try:
        return HTTPStatus(status).name
    except ValueError:
        return "STATUS"
