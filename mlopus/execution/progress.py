"""How far the execution of a plan is, as values for programs and as one bar for people."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol, TypeAlias

import attrs

TOLD_EVERY_S: Final = 0.1
SMALLEST_SHOWN_BYTES: Final = 8 * 1024 * 1024
"""Transfers below this are over before a bar could be read."""


@attrs.frozen(kw_only=True)
class Progress:
    """A moment in the execution of a plan.

    A transfer that begins anew takes its bytes back, so that numbers may become smaller.

    Attributes:
        title: Of the plan.
        total_bytes: What the plan moves; 0 if its stores do not tell sizes.
        up_bytes: Bytes of artifacts that went to stores so far.
        down_bytes: Bytes of artifacts that came from stores so far.
        resumed_bytes: Bytes that need not move, since an earlier transfer that stopped had brought them.
        finished_files: Files that were transferred, staged or placed so far.
        requests: Requests sent over a network so far, repeats included.
        is_over: Nothing comes after this one, however the execution ended.

    Example:
        >>> Progress(title="cache_run_artifact", total_bytes=10, down_bytes=4, resumed_bytes=5).done_bytes
        9
    """

    title: str
    total_bytes: int
    up_bytes: int = 0
    down_bytes: int = 0
    resumed_bytes: int = 0
    finished_files: int = 0
    requests: int = 0
    is_over: bool = False

    @property
    def done_bytes(self) -> int:
        """How much of the total is done, whichever way."""
        return self.up_bytes + self.down_bytes + self.resumed_bytes


ProgressTold: TypeAlias = Literal["auto", "on", "off"] | Callable[[Progress], object]


class Teller(Protocol):
    """Is told of every change, one at a time."""

    def tell(self, now: Callable[[], Progress]) -> None:
        """Something has changed; what there is now is made when it is wanted."""
        ...

    def end(self, last: Progress) -> None:
        """Nothing changes any more."""
        ...


def teller_of(progress: ProgressTold, first: Progress) -> Teller | None:
    """Who is told, if anybody."""
    if callable(progress):
        return _Caller(progress, first)
    is_shown = progress == "on" or (progress == "auto" and first.total_bytes >= SMALLEST_SHOWN_BYTES)
    return _Bar(first, always=progress == "on") if is_shown else None


class _Caller:
    """Calls a function at the beginning, at most ten times a second, and at the end."""

    def __init__(self, call: Callable[[Progress], object], first: Progress) -> None:
        self._call = call
        self._told_at = time.monotonic()
        call(first)

    def tell(self, now: Callable[[], Progress]) -> None:
        at = time.monotonic()
        if at - self._told_at >= TOLD_EVERY_S:
            self._told_at = at
            self._call(now())

    def end(self, last: Progress) -> None:
        self._call(last)


class _Bar:
    """One bar for all bytes of a plan, on a terminal or in a notebook; elsewhere only if it is asked for."""

    def __init__(self, first: Progress, *, always: bool) -> None:
        from tqdm.auto import tqdm  # noqa: PLC0415 (loaded only when a bar may be seen)

        # a notebook's output is no terminal, and tqdm would draw nothing there if it was to look
        in_notebook = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
        self._bar: Any = tqdm(
            total=first.total_bytes or None,
            desc=first.title,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=False if always or in_notebook else None,
        )
        self._shown_bytes = 0

    def tell(self, now: Callable[[], Progress]) -> None:
        self._show(now())

    def end(self, last: Progress) -> None:
        self._show(last)
        self._bar.close()

    def _show(self, progress: Progress) -> None:
        self._bar.update(progress.done_bytes - self._shown_bytes)
        self._shown_bytes = progress.done_bytes
