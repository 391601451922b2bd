"""Doing once on a server that knows no idempotency: what a lost reply left behind is looked for."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import attrs

from mlopus.errors import MlopusError, ServerFailed, TimedOut, Unreachable, UnreadableReply
from mlopus.repositories.mlflow.asking import Asking
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import HttpRequest, WrongShape

if TYPE_CHECKING:
    import tenacity

R = TypeVar("R")

Look: TypeAlias = Callable[[], Result[R | None, MlopusError]]
"""What this very operation created before, if anything."""

TRIES: Final = 4
"""How often a create is sent whose reply is lost each time, and which turns out not to have happened."""


@attrs.frozen
class _Lost:
    """A create of which nobody knows whether it happened: why, and whether it may happen yet."""

    error: MlopusError
    may_happen_yet: bool


def created_once(
    asking: Asking,
    request: HttpRequest,
    read: Callable[[object], Result[R, WrongShape]],
    look: Look[R],
    mark: str,
) -> Result[R, MlopusError]:
    """What a request creates; after a lost reply it is looked for before it is sent again.

    It is not sent again if the server may still be at it, or cannot be asked. The hint of the error
    then says what to look for.

    Args:
        asking: Who creates.
        request: What creates; not one that is sent again by itself.
        read: What a reply says was created.
        look: Finds what this very operation created before.
        mark: What tells the new entity from others, in words.
    """
    import tenacity  # noqa: PLC0415 (it takes time to load, and the first create is early enough)

    lost: list[_Lost] = []

    def look_before_create() -> Result[R, MlopusError] | _Lost:
        if lost:
            seen = _seen(look, lost[-1], mark)
            if not isinstance(seen, _Lost) or seen.may_happen_yet:
                return seen
        outcome = _sent(asking, request, read)
        if isinstance(outcome, _Lost):
            lost.append(outcome)
        return outcome

    tries = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda outcome: isinstance(outcome, _Lost)),
        wait=asking.policy.pauses,
        stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_after_delay(asking.policy.retry_for_s),
        retry_error_callback=_last,
    )
    outcome: Result[R, MlopusError] | _Lost = tries(look_before_create)
    if isinstance(outcome, _Lost):
        outcome = _seen(look, outcome, mark)
    if not isinstance(outcome, _Lost):
        return outcome
    return Failure(_unknown(outcome.error, mark) if outcome.may_happen_yet else outcome.error)


def done_once(
    asking: Asking, request: HttpRequest, is_done: Callable[[], Result[bool, MlopusError]], mark: str
) -> Result[None, MlopusError]:
    """Do what cannot be done twice; after a lost reply it is looked whether it is done.

    Args:
        asking: Who does it.
        request: Not one that is sent again by itself.
        is_done: Looks.
        mark: What to look for, in words.
    """

    def look() -> Result[bool | None, MlopusError]:
        found = is_done()
        return found if isinstance(found, Failure) else Success(found.unwrap() or None)

    done = created_once(asking, request, lambda _: Success(True), look, mark)
    return done if isinstance(done, Failure) else Success(None)


def _sent(
    asking: Asking, request: HttpRequest, read: Callable[[object], Result[R, WrongShape]]
) -> Result[R, MlopusError] | _Lost:
    replied = asking.ask(request)
    if isinstance(replied, Failure):
        fault = replied.failure()
        return _Lost(fault.error, _may_happen_yet(fault.error)) if fault.maybe_done else Failure(fault.error)
    created = asking.read(request, replied.unwrap(), read)
    if isinstance(created, Failure) and isinstance(error := created.failure(), UnreadableReply):
        return _Lost(error, may_happen_yet=True)
    return created


def _seen(look: Look[R], lost: _Lost, mark: str) -> Result[R, MlopusError] | _Lost:
    found = look()
    if isinstance(found, Failure):
        return Failure(_unknown(lost.error, mark))
    record = found.unwrap()
    return lost if record is None else Success(record)


def _may_happen_yet(error: MlopusError) -> bool:
    """Whether somebody gave up waiting, rather than working."""
    is_gateways = isinstance(error, ServerFailed) and error.status == HTTPStatus.GATEWAY_TIMEOUT
    return is_gateways or isinstance(error, TimedOut | UnreadableReply)


def _unknown(error: MlopusError, mark: str) -> MlopusError:
    """The error, saying that the entity may be there."""
    hint = f"The server may have done it all the same: look for {mark} before you call again."
    match error:
        case TimedOut():
            return attrs.evolve(error, hint=f"{hint} A longer timeout_s waits for slow answers.")
        case Unreachable() | ServerFailed() | UnreadableReply():
            return attrs.evolve(error, hint=hint)
        case _:
            return error


def _last(state: tenacity.RetryCallState) -> object:
    assert state.outcome is not None  # noqa: S101 (tenacity asks after an attempt)
    return state.outcome.result()
