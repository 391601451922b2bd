"""What a clock must do."""

from __future__ import annotations

import pickle
from datetime import UTC, timedelta

from mlopus.ports.clock import Clock


class ClockContract:
    """Inherit from this, name the class `Test…`, and give a fixture `clock`."""

    def test_the_time_is_aware_and_in_utc(self, clock: Clock) -> None:
        assert clock.now().tzinfo is UTC

    def test_no_answer_is_earlier_than_one_before_it(self, clock: Clock) -> None:
        answers = [clock.now() for _ in range(100)]

        assert answers == sorted(answers)

    def test_it_waits_as_long_as_it_is_told(self, clock: Clock) -> None:
        before = clock.now()
        clock.sleep(0.02)

        assert clock.now() - before >= timedelta(seconds=0.02)

    def test_it_waits_for_nothing_where_no_time_is_left(self, clock: Clock) -> None:
        clock.sleep(0)
        clock.sleep(-5)

    def test_a_copy_from_another_process_is_not_behind(self, clock: Clock) -> None:
        before = clock.now()

        assert pickle.loads(pickle.dumps(clock)).now() >= before  # noqa: S301 (its own bytes)
