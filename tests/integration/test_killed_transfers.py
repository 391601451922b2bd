"""Fetches from a server and publishes to one, killed at their points and at random moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.kill_transfers import TRANSFER_SCENARIOS
from tests.integration.killing import killed


@pytest.mark.parametrize("scenario", TRANSFER_SCENARIOS)
def test_a_killed_transfer_leaves_the_old_state_or_the_new_one_and_the_next_call_goes_well(
    fast_disk: Path, scenario: str
) -> None:
    report = killed(fast_disk, scenario, random_kills=5, most_points=50)

    assert report["points"] == 50
    assert report["old"] > 0
    assert report["old"] + report["new"] == report["kills"] == 55


@pytest.mark.slow
@pytest.mark.parametrize("scenario", TRANSFER_SCENARIOS)
def test_a_thousand_killed_transfers_leave_the_old_state_or_the_new_one(
    fast_disk: Path, scenario: str
) -> None:
    report = killed(fast_disk, scenario, random_kills=900)

    assert report["old"] + report["new"] == report["kills"] >= 900 + 50
