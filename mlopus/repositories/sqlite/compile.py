"""From a query to a condition on rows of `entity`.

Negations are pushed down to the leaves, and each leaf becomes a condition that finds every row it
should, and says whether it finds others. Rows for which the table cannot answer, since a path
leads through a list or ends at a value that a row cannot carry, are found on both sides of a
negation. So what is found is all that was asked for, and where it may be more, the predicate
decides.

The form of a leaf depends on how much it finds: few rows are collected first (`IN`), of many each
is asked as it comes (`EXISTS`).
"""

# ruff: noqa: S608 (statements are put together from words of this package; values are parameters)

from __future__ import annotations

from collections.abc import Iterator

import attrs

from mlopus.domain.status import EntityKind
from mlopus.query.ast import And, Exists, Leaf, Node, Nor, Not, Or
from mlopus.repositories.sqlite.attributes import ARRAY, MARK, SqlValue
from mlopus.repositories.sqlite.catalog import Catalog
from mlopus.repositories.sqlite.conditions import Case, Condition, condition_of, marks
from mlopus.repositories.sqlite.filters import ALL, NONE, UNSURE, Filter, every, some
from mlopus.repositories.sqlite.layout import LAYOUTS, Attribute, Column, Missing, Opaque, Parent

_MOST_LEAVES = 300
"""A longer query is not sent to SQLite, which limits how long and deep a statement is."""


def compile_query(root: Node, kind: EntityKind, catalog: Catalog) -> Filter:
    """The condition on rows of `entity e` of that kind."""
    if sum(1 for _ in leaves_of(root)) > _MOST_LEAVES:
        return UNSURE
    return _Compiler(kind, "e", catalog).compile(root, negated=False)


def leaves_of(node: Node) -> Iterator[Leaf]:
    """The leaves of a query."""
    match node:
        case And(nodes) | Or(nodes) | Nor(nodes):
            for inner in nodes:
                yield from leaves_of(inner)
        case Not(inner):
            yield from leaves_of(inner)
        case _:
            yield node


class _Compiler:
    """Compiles conditions on rows of one kind, which the statement calls `row`."""

    def __init__(self, kind: EntityKind, row: str, catalog: Catalog) -> None:
        self._kind: EntityKind = kind
        self._row = row
        self._catalog = catalog

    def compile(self, node: Node, *, negated: bool) -> Filter:
        match node:
            case And(nodes):
                return self._joined(nodes, every_one=not negated, negated=negated)
            case Or(nodes):
                return self._joined(nodes, every_one=negated, negated=negated)
            case Nor(nodes):
                return self._joined(nodes, every_one=not negated, negated=not negated)
            case Not(inner):
                return self.compile(inner, negated=not negated)
            case Exists(_, wanted):
                return self.leaf(node, node.path.text, negated=negated == wanted)
            case _:
                return self.leaf(node, node.path.text, negated=negated)

    def _joined(self, nodes: tuple[Node, ...], *, every_one: bool, negated: bool) -> Filter:
        filters = [self.compile(node, negated=negated) for node in nodes]
        return every(filters) if every_one else some(filters)

    def leaf(self, leaf: Leaf, path: str, *, negated: bool) -> Filter:
        """The condition of a leaf at a path of this kind's documents, or of its negation."""
        condition = condition_of(leaf)
        place = LAYOUTS[self._kind].place(path)
        match place:
            case Missing():
                return ALL if condition.on_missing != negated else NONE
            case Opaque():
                return UNSURE
            case Parent():
                return self._of_parent(
                    leaf, place, holds_without=condition.on_missing != negated, negated=negated
                )
            case Column() | Attribute():
                if condition.inexact and (negated or condition.on_missing):
                    return UNSURE
                if isinstance(place, Column):
                    return self._of_column(condition, place, negated=negated)
                if not self._catalog.is_read_alike(self._kind):
                    return UNSURE
                return self._of_attribute(condition, place.path, negated=negated)

    def _of_column(self, condition: Condition, column: Column, *, negated: bool) -> Filter:
        """One value or NULL; a `+` keeps SQLite from starting at an index of its choice."""
        cases = [case for case in condition.cases if case.classes is None or column.t in case.classes]
        parameters = tuple(value for case in cases for value in case.parameters)
        is_exact = condition.inexact is None

        def sql(name: str) -> str:
            return " OR ".join(
                case.where.format(v=name) if case.where else f"{name} IS NOT NULL" for case in cases
            )

        name = f"+{self._row}.{column.name}"
        if negated:
            absent = f" AND {name} IS NOT NULL" if condition.on_missing else ""
            return Filter(
                sql=f"(({sql(name) or 0}) IS NOT TRUE{absent})", parameters=parameters, is_exact=is_exact
            )
        if condition.on_missing:
            return Filter(
                sql=f"({sql(name) or 0} OR {name} IS NULL)", parameters=parameters, is_exact=is_exact
            )
        if not cases:
            return NONE
        if "has_match" in sql(name):
            return Filter(sql=f"({sql(name)})", parameters=parameters, is_exact=is_exact)
        found = self._catalog.count_entities(self._kind, f"({sql(column.name)})", parameters)
        if found is None:
            return Filter(sql=f"({sql(name)})", parameters=parameters, is_exact=is_exact)
        return Filter(
            sql=f"{self._row}.rid IN (SELECT rid FROM entity WHERE sid = ? AND ({sql(column.name)}))",
            parameters=(self._catalog.space(self._kind), *parameters),
            is_exact=is_exact,
            estimate=found,
        )

    def _of_attribute(self, condition: Condition, path: str, *, negated: bool) -> Filter:
        kid = self._catalog.attribute(self._kind, path)
        unsure = self._catalog.lists_above(self._kind, path)
        if kid is not None and self._catalog.has(kid, (MARK,)):
            unsure.append(kid)
        answer = self._of_rows(condition, kid, negated=negated)
        if not unsure:
            return attrs.evolve(answer, is_exact=condition.inexact is None)
        doubtful = [self._with_case((Case((ARRAY, MARK)),), kid, negated=False) for kid in unsure]
        return some([attrs.evolve(found, is_exact=False) for found in (answer, *doubtful)])

    def _of_rows(self, condition: Condition, kid: int | None, *, negated: bool) -> Filter:
        """The rows whose values at a path, as far as the table tells, satisfy the condition, or do not."""
        if kid is None:
            return ALL if condition.on_missing != negated else NONE
        has_any = Filter(sql=self._exists("a.kid = ?"), parameters=(kid,))
        has_none = Filter(sql=f"NOT {has_any.sql}", parameters=(kid,))
        found = self._with_case(condition.cases, kid, negated=negated)
        if negated:
            return every([found, has_any]) if condition.on_missing else found
        return some([found, has_none]) if condition.on_missing else found

    def _with_case(self, cases: tuple[Case, ...], kid: int, *, negated: bool) -> Filter:
        """The rows that have a value of one of the cases at a path, or have none."""
        tests = [_test(case, kid) for case in cases]
        counts = [self._catalog.count_rows(where, parameters) for where, parameters in tests]
        parameters = tuple(value for _, values in tests for value in values)
        if not any(count != 0 for count in counts):
            return ALL if negated else NONE
        if None not in counts:
            rids = " UNION ALL ".join(f"SELECT rid FROM attr WHERE {where}" for where, _ in tests)
            word = "NOT IN" if negated else "IN"
            return Filter(
                sql=f"{self._row}.rid {word} ({rids})",
                parameters=parameters,
                estimate=None if negated else sum(filter(None, counts)),
            )
        asked = [self._asked(case, kid) for case in cases]
        values = tuple(value for _, held in asked for value in held)
        sql = f"({' OR '.join(sql for sql, _ in asked)})"
        return Filter(sql=f"NOT {sql}" if negated else sql, parameters=values)

    def _asked(self, case: Case, kid: int) -> tuple[str, tuple[SqlValue, ...]]:
        """The condition that a row has a value of a case, for one row at a time.

        One value is looked up in the index, whose entries for it are neighbours. Else a `+` leaves
        SQLite the primary key only: along the index it would read all rows of the path.
        """
        if case.is_one_value:
            where, values = _test(case, kid)
            source = f"SELECT 1 FROM attr INDEXED BY attr_value WHERE {where} AND rid = {self._row}.rid"
            return f"EXISTS ({source})", values
        where, values = _test(case, None)
        return self._exists(f"a.kid = ? AND {where}"), (kid, *values)

    def _exists(self, where: str) -> str:
        return f"EXISTS (SELECT 1 FROM attr a WHERE a.rid = {self._row}.rid AND {where})"

    def _of_parent(self, leaf: Leaf, place: Parent, *, holds_without: bool, negated: bool) -> Filter:
        """The rows whose parent satisfies the leaf; and those with none that is known, if it then holds."""
        sid = self._catalog.space(place.kind)
        if sid is None:
            return ALL if holds_without else NONE
        parent = f"{self._row}p"
        inner = _Compiler(place.kind, parent, self._catalog).leaf(leaf, place.path, negated=negated)
        key = f"+{self._row}.{place.column}"
        found = Filter(
            sql=f"{key} IN (SELECT {parent}.key FROM entity {parent} WHERE {parent}.sid = ? AND {inner.sql})",
            parameters=(sid, *inner.parameters),
            is_exact=inner.is_exact,
        )
        if inner.sql == NONE.sql:
            found = NONE
        if not holds_without:
            return found
        known = f"SELECT 1 FROM entity {parent} WHERE {parent}.sid = ? AND {parent}.key = {key}"
        return some([found, Filter(sql=f"NOT EXISTS ({known})", parameters=(sid,))])


def _test(case: Case, kid: int | None) -> tuple[str, tuple[SqlValue, ...]]:
    """The condition of a case on a row of `attr`: of a path, along its index; else of one entity."""
    t, v = ("t", "v") if kid is not None else ("+t", "+v")
    parts: list[str] = [] if kid is None else ["kid = ?"]
    values: list[SqlValue] = [] if kid is None else [kid]
    if case.classes is not None:
        parts.append(f"{t} IN ({marks(case.classes)})" if len(case.classes) > 1 else f"{t} = ?")
        values.extend(case.classes)
    if case.where:
        parts.append(case.where.format(v=v, ord="ord"))
        values.extend(case.parameters)
    return " AND ".join(parts) or "1", tuple(values)
