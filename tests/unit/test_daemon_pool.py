from __future__ import annotations

import threading
import time
import weakref

import pytest

from mlopus.concurrency.daemon_pool import DaemonPool


def test_a_block_left_normally_waits_for_everything() -> None:
    done: list[int] = []

    with DaemonPool(2, "pool") as pool:
        for number in range(20):
            pool.submit(done.append, number)

    assert sorted(done) == list(range(20))


def test_a_thread_that_waits_keeps_no_result() -> None:
    class Large:
        pass

    with DaemonPool(1, "pool") as pool:
        future = pool.submit(Large)
        gone = weakref.ref(future.result())
        del future
        until = time.monotonic() + 10
        while gone() is not None and time.monotonic() < until:
            time.sleep(0.001)

        assert gone() is None


def test_a_block_left_by_an_exception_waits_for_nothing_and_begins_nothing_more() -> None:
    holding, release, futures = threading.Event(), threading.Event(), []

    def hold() -> bool:
        holding.set()
        return release.wait(60)

    def interrupted(pool: DaemonPool) -> None:
        with pool:
            futures.extend((pool.submit(hold), pool.submit(int)))
            holding.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(DaemonPool(1, "pool"))

    held, waiting = futures
    assert not held.done()
    release.set()
    assert held.result(60)
    assert not waiting.done()


def test_what_is_raised_is_raised_for_whoever_asks() -> None:
    with DaemonPool(1, "pool") as pool:
        failed = pool.submit(int, "no number")

        assert isinstance(failed.exception(), ValueError)


def test_a_future_that_was_cancelled_is_not_begun() -> None:
    holding, release, begun = threading.Event(), threading.Event(), []

    def hold() -> None:
        holding.set()
        release.wait(60)

    with DaemonPool(1, "pool") as pool:
        pool.submit(hold)
        holding.wait(60)
        later = pool.submit(begun.append, 1)
        later.cancel()
        release.set()

    assert begun == []


def test_no_more_threads_are_started_than_there_is_work() -> None:
    with DaemonPool(8, "pool-of-its-own") as pool:
        pool.submit(int).result()

        names = [thread.name for thread in threading.enumerate() if "pool-of-its-own" in thread.name]

    assert names == ["pool-of-its-own-0"]
