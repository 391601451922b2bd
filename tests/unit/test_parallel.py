from __future__ import annotations

import threading

import pytest

from mlopus.errors import StoreFailed
from mlopus.repositories.parallel import for_each
from mlopus.result import Failure, Success

FULL = StoreFailed(place="disk", action="writing", reason="No space left on device")


@pytest.mark.parametrize("workers", [1, 3])
def test_outcomes_come_in_the_order_of_the_items(workers) -> None:
    done = for_each(lambda item: Success(item * 10), range(100), workers)

    assert done == Success(tuple(range(0, 1000, 10)))


@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_is_begun_after_a_failure(workers) -> None:
    begun = []

    def work(item: int):
        begun.append(item)
        return Failure(FULL) if item == 2 else Success(item)

    failed = for_each(work, range(1000), workers)

    assert failed == Failure(FULL)
    assert len(begun) < 1000


@pytest.mark.parametrize("workers", [1, 3])
def test_what_the_work_raises_passes_through(workers) -> None:
    def work(item: int):
        raise LookupError(item)

    with pytest.raises(LookupError):
        for_each(work, range(1000), workers)


def test_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)

    def work(item: int):
        together.wait()
        return Success(item)

    assert for_each(work, range(3), 3) == Success((0, 1, 2))
