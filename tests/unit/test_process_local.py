"""What a holder of per-process resources promises."""

from __future__ import annotations

import gc
import os
import pickle
import threading
from typing import Any

import pytest

from mlopus.repositories.process_local import PerProcess

# Newer Pythons warn of any fork while threads run, and test runners have threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (made in this line)


def _ask_child(question: object) -> str:
    """Give what a forked child answers, from a pipe."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(question()).encode())  # type: ignore[operator]
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return answer.read()


def test_threads_share_one_resource() -> None:
    opened: list[int] = []
    holder = PerProcess(lambda: opened.append(1) or object())
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(holder.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == len(opened) == 1


def test_a_forked_child_opens_its_own() -> None:
    holder = PerProcess(os.getpid)
    assert holder.get() == os.getpid()
    assert _ask_child(lambda: holder.get() == os.getpid()) == "True"


def test_a_forked_child_does_not_close_what_it_inherited() -> None:
    closed: list[object] = []
    holder = PerProcess(object, closed.append)
    holder.get()
    assert _ask_child(lambda: (holder.close(), len(closed))[1]) == "0"


def test_a_lock_held_while_forking_does_not_block_the_child() -> None:
    release = threading.Event()
    entered = threading.Event()

    def open_slowly() -> int:
        if threading.current_thread() is not threading.main_thread():
            entered.set()
            release.wait()
        return os.getpid()

    holder = PerProcess(open_slowly)
    opener = threading.Thread(target=holder.get)
    opener.start()
    entered.wait()
    answer = _ask_child(lambda: holder.get() == os.getpid())
    release.set()
    opener.join()
    assert answer == "True"


def test_unpickled_it_opens_anew() -> None:
    holder = PerProcess(list)
    holder.get().append("here")
    assert _pickled(holder).get() == []


def test_copies_in_one_pickle_stay_one_holder() -> None:
    holder = PerProcess(list)
    one, other = _pickled((holder, holder))
    assert one is other


def test_after_close_it_opens_again() -> None:
    closed: list[object] = []
    holder = PerProcess(object, closed.append)
    first = holder.get()
    holder.close()
    assert (closed, holder.get() is first) == ([first], False)


def test_a_forgotten_holder_closes_what_it_opened() -> None:
    closed: list[str] = []
    holder = PerProcess(lambda: "resource", closed.append)
    holder.get()
    del holder
    gc.collect()
    assert closed == ["resource"]


def test_what_opening_raises_passes_through_and_is_tried_again() -> None:
    answers = [OSError("no"), "yes"]

    def open_or_raise() -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    holder = PerProcess(open_or_raise)
    with pytest.raises(OSError, match="no"):
        holder.get()
    assert holder.get() == "yes"
