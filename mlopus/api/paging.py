"""The pages of one search, in turn: the next one may be on its way while one is used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeAlias

from mlopus.concurrency.daemon_pool import DaemonPool
from mlopus.errors import MlopusError
from mlopus.plans.search import Page, PageToken
from mlopus.repositories.process_local import PerProcess
from mlopus.result import Failure, Result

PageResult: TypeAlias = Result[Page, MlopusError]
Ask: TypeAlias = Callable[[PageToken], PageResult]


class Pages:
    """Asks for pages until there are no more, or one fails.

    At most one page is asked for before it is wanted, on a thread that ends with it; leaving the
    context waits for that, but not on Ctrl-C. A forked process asks anew for what its parent is waiting for.

    Args:
        ask: Gives the page of a token.
        crosses_network: Whether it is worth a thread to ask early.
    """

    def __init__(self, ask: Ask, *, crosses_network: bool) -> None:
        self._ask = ask
        self._crosses_network = crosses_network
        self._token: PageToken = None
        self._has_more = True
        self._coming: PerProcess[list[_Coming]] = PerProcess(list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not KeyboardInterrupt:
            for coming in self._coming.get():
                coming.wait()

    def next(self) -> PageResult | None:
        """The next page, or why there is none; None after the last."""
        if not self._has_more:
            return None
        coming = self._coming.get()
        page = coming.pop().result() if coming else self._ask(self._token)
        self._token = None if isinstance(page, Failure) else page.unwrap().next_token
        self._has_more = self._token is not None
        return page

    def ask_ahead(self) -> None:
        """Ask for the next page now, if there is one, and it is not yet asked for."""
        coming = self._coming.get()
        if self._crosses_network and self._has_more and not coming:
            coming.append(_Coming(self._ask, self._token))


class _Coming:
    """A page that is on its way."""

    def __init__(self, ask: Ask, token: PageToken) -> None:
        self._thread = DaemonPool(1, "mlopus-page")
        self._page: Future[PageResult] = self._thread.submit(ask, token)
        self._thread.shutdown(wait=False)  # nothing else is asked for on it

    def result(self) -> PageResult:
        """The page, once it is here."""
        try:
            return self._page.result()
        finally:
            self.wait()

    def wait(self) -> None:
        """Wait until the thread has ended, whatever came of it."""
        self._thread.shutdown(wait=True)
