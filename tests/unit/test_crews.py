from __future__ import annotations

import signal
import threading
import time

import pytest

from mlopus.concurrency.crews import WorkStoppedError, for_each, stop_if_told
from mlopus.errors import StoreFailed
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


def test_items_that_raise_are_not_asked_again_by_a_thread_that_waits() -> None:
    asked = []

    class Broken:
        def __iter__(self):
            return self

        def __next__(self):
            asked.append(threading.current_thread().name)
            time.sleep(0.05)
            raise LookupError(len(asked))

    with pytest.raises(LookupError, match="1"):
        for_each(Success, Broken(), 4)

    assert len(asked) == 1


def test_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)

    def work(item: int):
        together.wait()
        return Success(item)

    assert for_each(work, range(3), 3) == Success((0, 1, 2))


def test_work_that_is_under_way_when_the_items_end_is_done_to_its_end() -> None:
    slow_goes_on = threading.Event()

    def work(item: int):
        if item == 0:
            slow_goes_on.wait(10)
            stop_if_told()
        return Success(item)

    def items():
        yield from range(3)
        slow_goes_on.set()

    assert for_each(work, items(), 2) == Success((0, 1, 2))


def test_work_under_way_ends_at_its_next_chunk_after_a_failure() -> None:
    has_failed = threading.Event()
    ended_early = []

    def work(item: int):
        if item == 0:
            has_failed.wait(10)
            while True:
                try:
                    stop_if_told()
                except WorkStoppedError:
                    ended_early.append(item)
                    raise
        has_failed.set()
        return Failure(FULL)

    assert for_each(work, range(2), 2) == Failure(FULL)
    assert ended_early == [0]


def test_a_failure_stops_what_its_work_has_done_by_others() -> None:
    inner_runs = threading.Event()

    def inner(_: int):
        inner_runs.set()
        while True:
            stop_if_told()

    def work(item: int):
        if item == 0:
            return for_each(inner, range(2), 2)
        inner_runs.wait(10)
        return Failure(FULL)

    assert for_each(work, range(2), 2) == Failure(FULL)


@pytest.fixture
def ctrl_c():
    """SIGINT as a terminal has it: who is started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_for_no_thread_that_hears_nothing() -> None:
    is_deaf, goes_on = threading.Event(), threading.Event()

    def work(item: int):
        is_deaf.set()
        goes_on.wait(60)
        return Success(item)

    def interrupt() -> None:
        is_deaf.wait(10)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for_each(work, range(2), 2)
    waited_s = time.monotonic() - began
    goes_on.set()

    assert waited_s < 30
