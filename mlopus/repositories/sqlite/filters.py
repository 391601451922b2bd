"""Conditions of a statement, joined: text with its parameters, how exact it is and how much it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Filter:
    """A condition on a row.

    Attributes:
        sql: Never NULL where it matters: only `AND` and `OR` stand above it.
        parameters: For its question marks, in order.
        is_exact: It holds for no other rows than those asked for; else also for some others.
        estimate: About how many rows it finds; None for many.
    """

    sql: str
    parameters: tuple[object, ...] = ()
    is_exact: bool = True
    estimate: int | None = None


ALL: Final = Filter(sql="1")
NONE: Final = Filter(sql="0", estimate=0)
UNSURE: Final = Filter(sql="1", is_exact=False)


def every(filters: Sequence[Filter]) -> Filter:
    """The rows that all filters find; the one that finds least is first."""
    if any(one.sql == NONE.sql for one in filters):
        return NONE
    telling = sorted((one for one in filters if one.sql != ALL.sql), key=_many_last)
    return Filter(
        sql=_joined([one.sql for one in telling], "AND") or ALL.sql,
        parameters=tuple(value for one in telling for value in one.parameters),
        is_exact=all(one.is_exact for one in filters),
        estimate=telling[0].estimate if telling else None,
    )


def some(filters: Sequence[Filter]) -> Filter:
    """The rows that one of the filters finds."""
    if any(one.sql == ALL.sql and one.is_exact for one in filters):
        return ALL
    if any(one.sql == ALL.sql for one in filters):
        return UNSURE
    telling = [one for one in filters if one.sql != NONE.sql]
    estimates = [one.estimate for one in telling]
    return Filter(
        sql=_joined([one.sql for one in telling], "OR") or NONE.sql,
        parameters=tuple(value for one in telling for value in one.parameters),
        is_exact=all(one.is_exact for one in telling),
        estimate=None if None in estimates else sum(filter(None, estimates)),
    )


def _many_last(one: Filter) -> tuple[bool, int]:
    return one.estimate is None, one.estimate or 0


def _joined(parts: list[str], word: str) -> str:
    """Joined as a balanced tree: SQLite limits how deep an expression is."""
    if len(parts) <= 1:
        return "".join(parts)
    middle = len(parts) // 2
    return f"({_joined(parts[:middle], word)} {word} {_joined(parts[middle:], word)})"
