"""Counting the sockets that this process opens, so that a test can assert that there are none."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

_EVENTS = frozenset({"socket.__new__", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname"})
_listening: list[list[str]] = []


def _hear(event: str, _args: tuple[Any, ...]) -> None:
    if _listening and event in _EVENTS:
        for events in _listening:
            events.append(event)


# An audit hook cannot be taken out again, so one is put in for good and does nothing between tests.
sys.addaudithook(_hear)


@contextlib.contextmanager
def watching_sockets() -> Generator[list[str]]:
    """Give a list that fills with what this process does about sockets, on any of its threads."""
    events: list[str] = []
    _listening.append(events)
    try:
        yield events
    finally:
        _listening.remove(events)
