"""Threads for the pieces of one transfer, which hold up neither Ctrl-C nor the end of the interpreter."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class DaemonPool(Executor):
    """An executor whose block, left by an exception, waits for nothing that is under way.

    Threads of `ThreadPoolExecutor` are waited for by its block and by the interpreter's end, so a request
    that hears nothing would hold up both for its whole time-out. These are daemons. Left normally, the
    block waits for all of them.

    Args:
        workers: Threads, each started when there is work for it.
        name: What the threads are called.

    Example:
        >>> with DaemonPool(2, "example") as pool:
        ...     [pool.submit(pow, 2, n).result() for n in range(4)]
        [1, 2, 4, 8]
    """

    def __init__(self, workers: int, name: str) -> None:
        self._workers = workers
        self._name = name
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have something done; a future that was cancelled before its turn is not."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 (raised again for whoever asks for the result)
                future.set_exception(error)

        with self._lock:
            self._waiting.put(run)
            if len(self._threads) < self._workers:
                name = f"{self._name}-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
                self._threads[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end: after all that waits, or, with `cancel_futures`, after what they do now."""
        with self._lock:
            while cancel_futures and not self._waiting.empty():
                self._waiting.get()
            for _ in self._threads:
                self._waiting.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def _work(self) -> None:
        while (run := self._waiting.get()) is not None:
            run()
            del run  # its result, which may be large, lives as long as somebody else wants it
