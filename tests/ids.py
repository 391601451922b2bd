"""Ids of parametrized tests. Those that run in several processes must be the same in each."""

from __future__ import annotations

from collections.abc import Set as AbstractSet


def stable_repr(given: object) -> str | None:
    """What a value looks like; None, for an id by number, if that differs from process to process."""
    text = repr(given)
    return None if " at 0x" in text or isinstance(given, AbstractSet) else text
