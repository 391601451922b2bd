"""One page of a search: who is asked for, in which way, and what is looked at again in Python."""

# ruff: noqa: S608 (statements are put together from words of this package; values are parameters)

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from mlopus.domain.documents import document_of, tie_of
from mlopus.domain.keys import OwnKey
from mlopus.domain.records import Record
from mlopus.domain.text import TextCodec
from mlopus.plans.search import Page, PageToken, SearchSpec
from mlopus.query.sorting import document_key
from mlopus.repositories.sqlite.catalog import MANY, Catalog
from mlopus.repositories.sqlite.compile import compile_query
from mlopus.repositories.sqlite.conditions import marks
from mlopus.repositories.sqlite.filters import ALL, Filter, every
from mlopus.repositories.sqlite.ordering import BY_ID, Term, terms_of
from mlopus.repositories.sqlite.readers import (
    Position,
    Reader,
    SortedAtOnce,
    Unsorted,
    Walk,
    WalkMissing,
    without,
)
from mlopus.repositories.sqlite.rows import Rows

_MOST_EXAMINED: Final = 20_000
"""A page that is not full after as many rows ends, so that whoever asked gets a word in."""
_BATCH: Final = 1000
_FEW: Final = 0.05
"""Below this share of all rows, those without a value are not met by chance."""
_MOST_PARAMETERS: Final = 1000


def find_page(rows: Rows, spec: SearchSpec, codec: TextCodec, token: PageToken, *, many: int = MANY) -> Page:
    """A page whose rows all match, in the order asked for, ties by id.

    What is found does not depend on `many`, only how: see `Catalog`.
    """
    space = rows.space(spec.kind)
    if space is None or (spec.kind == "run" and not spec.exp_ids):
        return Page(records=())
    catalog = Catalog(rows, codec.name, many)
    scope = every(
        [
            Filter(sql="+e.sid = ?", parameters=(space.sid,)),
            _of_view(spec),
            _of_experiments(spec, catalog),
            compile_query(spec.query.root, spec.kind, catalog),
        ]
    )
    finder = _Finder(rows, spec, codec, scope)
    before = _Token.read(token)
    terms = terms_of(spec.sorting.keys, spec.kind, catalog)
    if terms is None or before.way == "python":
        return finder.sorted_in_python(before)
    walks = scope.estimate is None if token is None else before.way == "walk"
    return finder.page(
        _stretches(spec, scope, terms, catalog, walks=walks), before, "walk" if walks else "at once"
    )


def _start() -> Position:
    return []


@attrs.frozen
class _Token:
    """Where a page ended: the way it was found, how many rows were given, which reader was where."""

    way: str = ""
    given: int = 0
    reader: int = 0
    position: Position = attrs.field(factory=_start)

    @classmethod
    def read(cls, token: PageToken) -> _Token:
        return cls() if token is None else cls(*json.loads(token))

    def __str__(self) -> str:
        return json.dumps([self.way, self.given, self.reader, self.position])


def _of_view(spec: SearchSpec) -> Filter:
    return ALL if spec.view == "all" else Filter(sql="+e.stage = ?", parameters=(spec.view,))


def _of_experiments(spec: SearchSpec, catalog: Catalog) -> Filter:
    if spec.kind != "run":
        return ALL
    if len(spec.exp_ids) > _MOST_PARAMETERS:
        listed = json.dumps(spec.exp_ids)
        return Filter(sql="+e.exp_id IN (SELECT value FROM json_each(?))", parameters=(listed,))
    found = catalog.count_of_experiments(spec.exp_ids)
    if found is None:
        return Filter(sql=f"+e.exp_id IN ({marks(spec.exp_ids)})", parameters=spec.exp_ids)
    sql = f"e.rid IN (SELECT rid FROM entity WHERE sid = ? AND exp_id IN ({marks(spec.exp_ids)}))"
    return Filter(sql=sql, parameters=(catalog.space("run"), *spec.exp_ids), estimate=found)


_Stretch: TypeAlias = Callable[[], Reader | None]
"""Makes a reader when its turn comes; None if there is nothing for it."""


def _stretches(
    spec: SearchSpec, scope: Filter, terms: tuple[Term, ...], catalog: Catalog, *, walks: bool
) -> list[_Stretch]:
    """One after the other they give all rows in order."""
    sid = catalog.space(spec.kind) or 0
    if not spec.sorting.keys:
        return [lambda: Unsorted(scope=scope)]
    first, *others = terms or (BY_ID,)
    if not walks or not first.is_walkable:
        return [lambda: SortedAtOnce(scope=scope, terms=(first, *others))]

    def present() -> Reader:
        return Walk(scope=scope, terms=(first, *others), sid=sid)

    def missing() -> Reader | None:
        count, of = (1, 1) if first.kid is None else catalog.count_without(first.kid)
        if not count:
            return None
        if not others:
            return WalkMissing(scope=scope, term=first, sid=sid, are_few=count < of * _FEW)
        sql, parameters = without(first, collected=True)
        lacking = Filter(sql=sql, parameters=parameters)
        return SortedAtOnce(scope=every([lacking, scope]), terms=tuple(others))

    return [present, missing] if first.descending else [missing, present]


class _Finder:
    """Reads, and looks again where SQLite could not decide."""

    def __init__(self, rows: Rows, spec: SearchSpec, codec: TextCodec, scope: Filter) -> None:
        self._rows = rows
        self._spec = spec
        self._codec = codec
        self._scope = scope
        self._parents: dict[OwnKey, Record | None] = {}

    def page(self, stretches: list[_Stretch], before: _Token, way: str) -> Page:
        """The page after another, read along an index or sorted by SQLite."""
        size = self._spec.page_size
        number, position = before.reader, before.position
        found: list[Record] = []
        examined = 0
        while number < len(stretches):
            reader = stretches[number]()
            batch = reader.read(self._rows.connection, position, size) if reader else []
            for (_, after), record in zip(batch, self._bodies([rid for rid, _ in batch]), strict=True):
                position = after
                examined += 1
                if self._scope.is_exact or self._matches(record):
                    found.append(record)
                    if len(found) == size:
                        break
            if len(found) == size or (len(batch) == size and examined >= _MOST_EXAMINED):
                token = _Token(way, before.given + len(found), number, position)
                return Page(records=tuple(found), next_token=str(token))
            if len(batch) < size:
                number, position = number + 1, []
        return Page(records=tuple(found))

    def sorted_in_python(self, before: _Token) -> Page:
        """The page after as many rows as were given; for orders that the tables do not have."""
        key = document_key(self._spec.sorting)
        size = self._spec.page_size
        found = (
            (key(document), tie_of(record), rid)
            for rid, record, document in self._documents()
            if self._scope.is_exact or self._spec.query.matches(document)
        )
        wanted = heapq.nsmallest(before.given + size + 1, found)[before.given :]
        records = tuple(self._bodies([rid for _, _, rid in wanted[:size]]))
        token = str(_Token("python", before.given + size)) if len(wanted) > size else None
        return Page(records=records, next_token=token)

    def _documents(self) -> Iterator[tuple[int, Record, Mapping[str, Any]]]:
        reader = Unsorted(scope=self._scope)
        position: Position = []
        while batch := reader.read(self._rows.connection, position, _BATCH):
            for (rid, after), record in zip(batch, self._bodies([rid for rid, _ in batch]), strict=True):
                position = after
                yield rid, record, self._document(record)

    def _bodies(self, rids: list[int]) -> list[Record]:
        return self._rows.bodies(self._spec.kind, rids)

    def _matches(self, record: Record) -> bool:
        return self._spec.query.matches(self._document(record))

    def _document(self, record: Record) -> Mapping[str, Any]:
        return document_of(record, self._codec, self._parent)

    def _parent(self, key: OwnKey) -> Record | None:
        if key not in self._parents:
            stored = self._rows.get(key)
            self._parents[key] = None if stored is None else stored.record
        return self._parents[key]
