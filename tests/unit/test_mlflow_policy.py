"""When a server that asks to wait is asked again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from immutabledict import immutabledict

from mlopus.repositories.mlflow.policy import Policy, retry_after_s
from mlopus.wire.mlflow.http import HttpReply
from mlopus.wire.mlflow.runs import get_run_request
from mlopus.wire.mlflow.server import server_info_request

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "expected_s"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Mon, 99 Nov 99999 12:00:30 GMT", None),
    ],
)
def test_a_server_says_when_in_seconds_or_by_a_date(header: str, expected_s: float | None) -> None:
    reply = HttpReply(status=429, headers=immutabledict({"retry-after": header}))
    assert retry_after_s(reply, NOON) == expected_s


def test_what_can_be_done_without_is_not_waited_for_long() -> None:
    policy = Policy(timeout_s=120.0)
    assert policy.timeout_of(server_info_request()) < policy.timeout_of(get_run_request("r1")) == 120.0
