"""A search as a value, and what an evaluator says it will do with it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import attrs

from mlopus.domain.records import Record
from mlopus.domain.status import EntityKind, View

if TYPE_CHECKING:  # a search is made by whoever has loaded the query language
    from mlopus.query import Query, Sorting


@attrs.frozen(kw_only=True)
class SearchSpec:
    """What to find. `exp_ids` restricts runs to experiments and is required for them.

    `page_size` is how many rows a page should have, not more; an evaluator may give fewer.
    `with_aliases`: whether versions have to tell their aliases, for which some servers are asked extra.
    """

    kind: EntityKind
    query: Query
    sorting: Sorting
    view: View = "active"
    exp_ids: tuple[str, ...] = ()
    page_size: int = 1000
    with_aliases: bool = True


@attrs.frozen(kw_only=True)
class PushDown:
    """How an evaluator answers a search.

    Attributes:
        is_exact: Every row of the pages matches; else the rows are a superset, re-checked here.
        is_sorted: Pages come in the asked order, ties by id; else all rows are needed to sort them.
        evaluated: What the server or SQLite evaluates, in its own language.
        rechecked: What is re-checked here, with the reason.
        searches: How many searches that takes over a network, each of at least one page; 0 where no
            request is made.
        comes_once: No row comes in two pages, whatever is changed while they are read; else callers
            have to remember which they had.
    """

    is_exact: bool
    is_sorted: bool
    evaluated: tuple[str, ...]
    rechecked: tuple[str, ...]
    searches: int = 0
    comes_once: bool = False


@attrs.frozen(kw_only=True)
class Page:
    """Some rows of a search, in order, and where to go on; `next_token` None is the end.

    `taken_at`: when each row was taken, from a cache; empty from a tracking store. `beside`: parents of
    rows that were read on the way, and need not be asked for again.
    """

    records: tuple[Record, ...]
    next_token: str | None = None
    taken_at: tuple[datetime, ...] = ()
    beside: tuple[Record, ...] = ()


PageToken: TypeAlias = str | None
