"""Plans and requests as JSON and back, equal to what was written.

An object of a class that is one of several has its name under "type"; fields at their default are
left out; roots are not written. What was changed by hand is checked as if it came from a stranger:
types, fields, and that no path leaves its root.
"""

from __future__ import annotations

import contextlib
import json
from functools import cache
from typing import Any, TypeVar, cast

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

from mlopus.errors import UnreadablePlan
from mlopus.plans.plan import Plan
from mlopus.plans.requests import Request
from mlopus.plans.serial_classes import converter
from mlopus.plans.unsafe import unsafe_path
from mlopus.result import Failure, Result, Success, mapped

FORMAT = 1
"""Number of this format; a change that older readers would misread raises it."""
_MAX_REASONS = 3

T = TypeVar("T")


def plan_to_json(plan: Plan) -> str:
    """The plan as text, without its roots."""
    return _dump("plan", _converter().unstructure(plan, Plan))


def plan_from_json(text: str) -> Result[Plan, UnreadablePlan]:
    """The plan that `plan_to_json` wrote.

    Fails with:
        UnreadablePlan: It is no JSON, of another format, no plan, or has a path that leaves its root.
    """
    read = _load("plan", text, Plan)
    if isinstance(read, Failure):
        return read
    plan = cast("Plan", read.unwrap())
    fault = unsafe_path(plan)
    return Success(plan) if fault is None else Failure(UnreadablePlan(reason=str(fault)))


def request_to_json(request: Request) -> str:
    """The request as text."""
    return _dump("request", _converter().unstructure(request, Request))


def request_from_json(text: str) -> Result[Request, UnreadablePlan]:
    """The request that `request_to_json` wrote.

    Fails with:
        UnreadablePlan: It is no JSON, of another format, or no request.
    """
    return mapped(_load("request", text, Request), lambda found: cast("Request", found))


@cache
def _converter() -> Converter:
    return converter()


@cache
def _quick_converter() -> Converter:
    """Reads the same twice as fast, and does not say where something is wrong."""
    return converter(explains=False)


def _dump(what: str, content: Any) -> str:
    return json.dumps({"format": FORMAT, what: content}, allow_nan=False, separators=(",", ":"))


def _load(what: str, text: str, kind: Any) -> Result[Any, UnreadablePlan]:
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Failure(UnreadablePlan(reason=f"it is no JSON: {error}"))
    found = cast("dict[str, object]", document) if isinstance(document, dict) else {}
    number = found.get("format")
    if not isinstance(number, int):
        return Failure(UnreadablePlan(reason="it has no format number"))
    if number != FORMAT:
        age = "newer" if number > FORMAT else "older"
        hint = f"Read it with a {age} version of mlopus, or make the plan again with this one."
        reason = f"its format {number} is {age} than the one read here, {FORMAT}"
        return Failure(UnreadablePlan(reason=reason, hint=hint))
    if what not in found:
        return Failure(UnreadablePlan(reason=f"it holds no {what}"))
    with contextlib.suppress(
        ValueError, TypeError, KeyError, AttributeError, RecursionError, ForbiddenExtraKeysError
    ):
        return Success(_quick_converter().structure(found[what], kind))
    try:
        return Success(_converter().structure(found[what], kind))
    except BaseValidationError as error:
        reasons = transform_error(error, format_exception=_in_words)
        return Failure(UnreadablePlan(reason="; ".join(reasons[:_MAX_REASONS])))
    except (ValueError, TypeError, RecursionError) as error:
        return Failure(UnreadablePlan(reason=f"{error} @ $"))


def _in_words(error: BaseException, kind: type | None) -> str:
    """What is wrong with one part of a text."""
    match error:
        case KeyError():
            return f"it lacks the field {error.args[0]!r}"
        case ForbiddenExtraKeysError():
            return f"it has fields that are not known: {', '.join(sorted(error.extra_fields))}"
        case ValueError() | TypeError():
            return str(error)
        case _:
            return f"it is no {getattr(kind, '__name__', kind)}"
