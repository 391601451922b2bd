"""Ways to go through the rows of a search, a batch at a time, each from where the last one ended.

Few rows are sorted at once. Many are walked along an index that has them in order, so that a page
costs about what is on it. Rows without a value at the sort key are no part of such an index: they
are a stretch of their own, before or after.
"""

# ruff: noqa: S608 (statements are put together from words of this package; values are parameters)

from __future__ import annotations

import sqlite3
from typing import Any, Protocol, TypeAlias

import attrs

from mlopus.repositories.sqlite.attributes import NULL
from mlopus.repositories.sqlite.filters import Filter
from mlopus.repositories.sqlite.ordering import INDEXES, TIES, Term

Position: TypeAlias = list[Any]
"""Where a reader is after a row; [] at the start. JSON."""

Batch: TypeAlias = list[tuple[int, Position]]
"""Ids of rows, each with the position after it."""


class Reader(Protocol):
    """Gives rows in order; fewer than asked for at the end."""

    def read(self, connection: sqlite3.Connection, position: Position, limit: int) -> Batch:
        """The rows that follow a position."""
        ...


@attrs.frozen(kw_only=True)
class Unsorted:
    """Rows in the order in which they were made."""

    scope: Filter

    def read(self, connection: sqlite3.Connection, position: Position, limit: int) -> Batch:
        """The rows that follow."""
        after = position[0] if position else 0
        statement = f"SELECT e.rid FROM entity e WHERE e.rid > ? AND {self.scope.sql} ORDER BY e.rid LIMIT ?"
        found = connection.execute(statement, (after, *self.scope.parameters, limit))
        return [(rid, [rid]) for (rid,) in found]


@attrs.frozen(kw_only=True)
class SortedAtOnce:
    """All rows sorted for each batch: for few of them, or an order that no index has."""

    scope: Filter
    terms: tuple[Term, ...]

    def read(self, connection: sqlite3.Connection, position: Position, limit: int) -> Batch:
        """The rows that follow."""
        skip = position[0] if position else 0
        order = ", ".join((*(column for term in self.terms for column in term.order), *TIES))
        joins = "".join(term.joins for term in self.terms)
        statement = (
            f"SELECT e.rid FROM entity e{joins} WHERE {self.scope.sql} ORDER BY {order} LIMIT ? OFFSET ?"
        )
        before = tuple(value for term in self.terms for value in term.parameters)
        found = connection.execute(statement, (*before, *self.scope.parameters, limit, skip))
        return [(rid, [skip + number]) for number, (rid,) in enumerate(found, start=1)]


@attrs.frozen(kw_only=True)
class Walk:
    """Rows with a value at the first sort key, along its index.

    A position is the value of the last row, and how many rows with that value came already.
    """

    scope: Filter
    terms: tuple[Term, ...]
    sid: int

    def read(self, connection: sqlite3.Connection, position: Position, limit: int) -> Batch:
        """The rows that follow."""
        first, *others = self.terms
        order = ", ".join((*first.order, *(column for term in others for column in term.order), *TIES))
        joins = "".join(term.joins for term in others)
        *value, skip = position or [0]
        came_from, parameters = self._stretch(first, joins, tuple(value))
        parameters = (*(each for term in others for each in term.parameters), *parameters)
        statement = (
            f"SELECT e.rid, {', '.join(first.columns)} FROM {came_from} AND {self.scope.sql}"
            f" ORDER BY {order} LIMIT ? OFFSET ?"
        )
        batch: Batch = []
        for rid, *at in connection.execute(statement, (*parameters, *self.scope.parameters, limit, skip)):
            skip = skip + 1 if at == value else 1
            value = at
            batch.append((rid, [*at, skip]))
        return batch

    def _stretch(self, first: Term, joins: str, value: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        """From where the rows come, and which part of the index is ahead."""
        sign = "<=" if first.descending else ">="
        if first.kid is not None:
            name = first.columns[0].partition(".")[0]
            ahead = f" AND ({name}.t, {name}.v) {sign} (?, ?)" if value else ""
            source = (
                f"attr {name} INDEXED BY attr_value CROSS JOIN entity e ON e.rid = {name}.rid{joins}"
                f" WHERE {name}.kid = ? AND {name}.t > {NULL}{ahead}"
            )
            return source, (first.kid, *value)
        assert first.column is not None  # noqa: S101 (only walkable terms are walked)
        column = f"e.{first.column}"
        ahead = f" AND {column} {sign} ?" if value else ""
        source = (
            f"entity e INDEXED BY {INDEXES[first.column]}{joins}"
            f" WHERE e.sid = ? AND {column} IS NOT NULL{ahead}"
        )
        return source, (self.sid, *value)


@attrs.frozen(kw_only=True)
class WalkMissing:
    """Rows without a value at the only sort key, by id."""

    scope: Filter
    term: Term
    sid: int
    are_few: bool

    def read(self, connection: sqlite3.Connection, position: Position, limit: int) -> Batch:
        """The rows that follow."""
        missing, parameters = without(self.term, collected=self.are_few)
        ahead = " AND (e.key, e.number) > (?, ?)" if position else ""
        index = "entity_key" if self.term.column is None else INDEXES[self.term.column]
        statement = (
            f"SELECT e.rid, e.key, e.number FROM entity e INDEXED BY {index}"
            f" WHERE e.sid = ? AND {missing}{ahead} AND {self.scope.sql} ORDER BY {', '.join(TIES)} LIMIT ?"
        )
        found = connection.execute(
            statement, (self.sid, *parameters, *position, *self.scope.parameters, limit)
        )
        return [(rid, [key, number]) for rid, key, number in found]


def without(term: Term, *, collected: bool) -> tuple[str, tuple[Any, ...]]:
    """The condition that a row has no value at a walkable sort key.

    Args:
        term: The sort key.
        collected: Collect all rows with a value first, which is best where most rows are looked at.
    """
    if term.kid is None:
        return f"e.{term.column} IS NULL", ()
    if collected:
        return f"e.rid NOT IN (SELECT rid FROM attr WHERE kid = ? AND t > {NULL})", (term.kid,)
    # the `+` leaves SQLite the primary key only; by the other index it would read all rows of the path
    return f"NOT EXISTS (SELECT 1 FROM attr m WHERE m.rid = e.rid AND m.kid = ? AND +m.t > {NULL})", (
        term.kid,
    )
