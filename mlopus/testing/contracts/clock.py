"""What a clock must do."""

from __future__ import annotations

import pickle
from datetime import UTC

from mlopus.ports.clock import Clock


class ClockContract:
    """Inherit from this, name the class `Test…`, and give a fixture `clock`."""

    def test_the_time_is_aware_and_in_utc(self, clock: Clock) -> None:
        assert clock.now().tzinfo is UTC

    def test_no_answer_is_earlier_than_one_before_it(self, clock: Clock) -> None:
        answers = [clock.now() for _ in range(100)]

        assert answers == sorted(answers)

    def test_a_copy_from_another_process_is_not_behind(self, clock: Clock) -> None:
        before = clock.now()

        assert pickle.loads(pickle.dumps(clock)).now() >= before  # noqa: S301 (its own bytes)
