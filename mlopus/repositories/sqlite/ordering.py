"""The order of a search as SQL: joins that bring the values to sort by, and terms of ORDER BY.

A sort key is in the table if each entity has at most one plain value at its path: then `(t, v)` is in
MongoDB's order, and what is missing (NULL) comes first in it, where null belongs too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from mlopus.domain.status import EntityKind
from mlopus.query.ast import SortKey
from mlopus.repositories.sqlite.attributes import ARRAY, MARK, NULL, OBJECT
from mlopus.repositories.sqlite.catalog import Catalog
from mlopus.repositories.sqlite.layout import LAYOUTS, Attribute, Column, Missing, Opaque, Parent

INDEXES: Final = {
    "key": "entity_key",
    "name": "entity_name",
    "status": "entity_status",
    "start_time": "entity_start",
    "end_time": "entity_end",
}
"""Columns that can be walked in order, and the index for it."""


@attrs.frozen(kw_only=True)
class Term:
    """One sort key in the tables.

    Attributes:
        joins: Brings its values to a row of `entity e`.
        columns: The expressions to order by.
        column: The column of `entity e` that it is, if it is one.
        kid: The path whose rows in `attr` it is, if it is one of `e` itself.
    """

    descending: bool
    columns: tuple[str, ...]
    joins: str = ""
    parameters: tuple[object, ...] = ()
    column: str | None = None
    kid: int | None = None

    @property
    def is_walkable(self) -> bool:
        """Whether an index gives the rows in this order."""
        return self.kid is not None or self.column in INDEXES

    @property
    def order(self) -> tuple[str, ...]:
        """The terms of ORDER BY."""
        return tuple(f"{column} DESC" for column in self.columns) if self.descending else self.columns


TIES: Final = ("e.key", "e.number")
BY_ID: Final = Term(descending=False, columns=("e.key",), column="key")
"""The order where no sort key tells rows apart."""


def terms_of(keys: Sequence[SortKey], kind: EntityKind, catalog: Catalog) -> tuple[Term, ...] | None:
    """The terms of a sorting, without those that tell no rows apart; None if not all are in the tables."""
    terms: list[Term] = []
    for number, key in enumerate(keys):
        term = _term(kind, "e", key.path.text, f"s{number}", catalog, descending=key.descending)
        if term is None:
            return None
        if term.columns:
            terms.append(term)
    return tuple(terms)


def _term(
    kind: EntityKind, row: str, path: str, name: str, catalog: Catalog, *, descending: bool
) -> Term | None:
    place = LAYOUTS[kind].place(path)
    match place:
        case Missing():
            return Term(descending=descending, columns=())
        case Opaque():
            return None
        case Column():
            column = place.name if row == "e" else None
            return Term(descending=descending, columns=(f"{row}.{place.name}",), column=column)
        case Attribute():
            return _of_attribute(kind, row, path, name, catalog, descending=descending)
        case Parent():
            sid = catalog.space(place.kind)
            if sid is None:
                return Term(descending=descending, columns=())
            parent = f"{name}p"
            join = f" LEFT JOIN entity {parent} ON {parent}.sid = ? AND {parent}.key = {row}.{place.column}"
            inner = _term(place.kind, parent, place.path, f"{name}v", catalog, descending=descending)
            if inner is None:
                return None
            return attrs.evolve(
                inner, joins=join + inner.joins, parameters=(sid, *inner.parameters), column=None, kid=None
            )


def _of_attribute(
    kind: EntityKind, row: str, path: str, name: str, catalog: Catalog, *, descending: bool
) -> Term | None:
    if not catalog.is_read_alike(kind) or catalog.lists_above(kind, path):
        return None
    kid = catalog.attribute(kind, path)
    if kid is None:
        return Term(descending=descending, columns=())
    if catalog.has(kid, (OBJECT, ARRAY, MARK)):
        return None
    return Term(
        descending=descending,
        columns=(f"{name}.t", f"{name}.v"),
        joins=f" LEFT JOIN attr {name} ON {name}.rid = {row}.rid AND {name}.kid = ? AND +{name}.t > {NULL}",
        parameters=(kid,),
        kid=kid if row == "e" else None,
    )
