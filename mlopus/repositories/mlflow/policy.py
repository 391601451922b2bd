"""How long answers may take, what is tried again, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import attrs

from mlopus.errors import MlopusError
from mlopus.wire.mlflow.errors import may_pass, was_not_taken
from mlopus.wire.mlflow.http import HttpReply, HttpRequest

if TYPE_CHECKING:
    import tenacity

LONGEST_WAIT_S: Final = 30.0
REFUSED_FOR_S: Final = 1.0
"""How long a server that refuses connections is tried: it may be restarting, it is more likely not there."""
SHORT_PATIENCE_S: Final = 10.0


@attrs.frozen(kw_only=True)
class Policy:
    """The bounds of a request, all of its tries together.

    No try begins later than `retry_for_s` after the first, and each ends within `timeout_s`.
    """

    timeout_s: float = 120.0
    connect_timeout_s: float = 5.0
    max_retries: int = 5
    backoff_s: float = 0.5
    retry_for_s: float = 60.0
    jitter_s: float | None = None
    respects_retry_after: bool = True

    @property
    def pauses(self) -> tenacity.wait.wait_base:
        """How long to wait between tries: it doubles, and is never quite the same."""
        import tenacity  # noqa: PLC0415 (it takes time to load, and the first request is early enough)

        jitter_s = self.backoff_s if self.jitter_s is None else self.jitter_s
        doubling = tenacity.wait_exponential(multiplier=self.backoff_s, max=LONGEST_WAIT_S)
        return doubling + tenacity.wait_random(0, jitter_s)

    def hurried(self, timeout_s: float) -> Policy:
        """One try, within that time."""
        return attrs.evolve(
            self,
            timeout_s=min(self.timeout_s, timeout_s),
            connect_timeout_s=min(self.connect_timeout_s, timeout_s),
            max_retries=0,
        )

    def timeout_of(self, request: HttpRequest) -> float:
        """How long the answer to one try may take."""
        return self.timeout_s if request.patience == "normal" else min(self.timeout_s, SHORT_PATIENCE_S)


@attrs.frozen(kw_only=True)
class Fault:
    """Why there is no answer.

    `maybe_done`: the server may have carried the request out all the same. `was_refused`: nobody
    listens there. `is_final`: it would be the same next time.
    """

    error: MlopusError
    maybe_done: bool = False
    was_refused: bool = False
    is_final: bool = False


def answer(
    request: HttpRequest, policy: Policy, attempt: Callable[[], HttpReply | Fault]
) -> HttpReply | Fault:
    """What came of a request, tried again where that is safe and may help.

    What may have been carried out is repeated only if that changes nothing more.
    """
    import tenacity  # noqa: PLC0415 (it takes time to load, and the first request is early enough)

    def is_tried_again(outcome: HttpReply | Fault) -> bool:
        if isinstance(outcome, HttpReply):
            return was_not_taken(outcome) or (request.replay_safe and may_pass(outcome))
        return not outcome.is_final and (request.replay_safe or not outcome.maybe_done)

    pauses = policy.pauses

    def wait(state: tenacity.RetryCallState) -> float:
        outcome = _outcome(state)
        asked: float | None = None
        if isinstance(outcome, HttpReply) and policy.respects_retry_after:
            asked = retry_after_s(outcome, datetime.now(UTC))
        return pauses(state) if asked is None else asked

    def is_enough(state: tenacity.RetryCallState) -> bool:
        outcome = _outcome(state)
        was_refused = isinstance(outcome, Fault) and outcome.was_refused
        bound = min(REFUSED_FOR_S, policy.retry_for_s) if was_refused else policy.retry_for_s
        spent = (state.seconds_since_start or 0.0) + state.upcoming_sleep
        return state.attempt_number > policy.max_retries or spent > bound

    tries = tenacity.Retrying(
        retry=tenacity.retry_if_result(is_tried_again),
        wait=wait,
        stop=is_enough,
        retry_error_callback=_outcome,
    )
    return tries(attempt)


def retry_after_s(reply: HttpReply, now: datetime) -> float | None:
    """How many seconds the server asks to wait; None if it does not say.

    Example:
        >>> from immutabledict import immutabledict
        >>> reply = HttpReply(status=429, headers=immutabledict({"retry-after": "3"}))
        >>> retry_after_s(reply, datetime.now(UTC))
        3.0
    """
    asked = reply.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())


def _outcome(state: tenacity.RetryCallState) -> HttpReply | Fault:
    assert state.outcome is not None  # noqa: S101 (tenacity asks after an attempt)
    outcome: HttpReply | Fault = state.outcome.result()
    return outcome
