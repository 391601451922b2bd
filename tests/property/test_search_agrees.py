"""Every evaluator of a search answers as the query's own predicate does, whatever runs and queries hold."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.documents import document_of
from mlopus.domain.frozen import freeze
from mlopus.domain.keys import ExperimentKey
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord
from mlopus.domain.text import PLAIN, codec_named
from mlopus.plans.search import Page, PageToken, SearchSpec
from mlopus.query import parse, parse_sorting
from mlopus.repositories.embedded import EmbeddedTracking
from mlopus.repositories.embedded.changing import ALWAYS
from mlopus.repositories.embedded.tracking import ORIGIN
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
from mlopus.repositories.sqlite.find import find_page
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.repositories.sqlite.rows import Rows
from mlopus.result import Failure, Success
from mlopus.testing import strategies_query as mongo
from mlopus.testing.contracts.tracking_case import NOON, found_by, fresh, in_order, keys_of
from tests.property.aimed_searches import EXPS, Aimed

EXAMPLES = settings.default.max_examples
codecs = st.sampled_from(("plain", "plain", "plain", "mlopus-1"))
KNOWN = EXPS[:2]
"""The experiments that are cached; runs of the third have a parent that is not known."""


class Evaluated:
    """A search by SQLite alone, in a transaction."""

    def __init__(self, rows: Rows, codec: str, many: int) -> None:
        self.rows, self.codec, self.many = rows, codec, many

    def find(self, search: SearchSpec, token: PageToken = None) -> Success[Page]:
        return Success(find_page(self.rows, search, codec_named(self.codec), token, many=self.many))


@pytest.fixture(scope="module")
def cache() -> Iterator[SqliteMetadataCache]:
    with tempfile.TemporaryDirectory() as folder:
        held = SqliteMetadataCache(folder, Origin.of("http://one"))
        yield held
        held.close()


def by_sqlite(
    cache: SqliteMetadataCache,
    runs: tuple[RunRecord, ...],
    searches: list[tuple[SearchSpec, int]],
    stored_codec: str = "plain",
    codec: str = "plain",
) -> list[list[str]]:
    """What SQLite finds, in a transaction that is undone."""

    def look(connection: Any) -> Failure[list[list[str]]]:
        rows = Rows(connection, fresh(), stored_codec)
        rows.put((*KNOWN, *runs), NOON)
        answers = [keys_of(found_by(Evaluated(rows, codec, many), search)) for search, many in searches]
        return Failure([_told(search, found) for (search, _), found in zip(searches, answers, strict=True)])

    return cache._database.write(look).failure()


def by_predicate(runs: tuple[RunRecord, ...], search: SearchSpec, codec: str = "plain") -> list[str]:
    parents = {ExperimentKey(exp.id): exp for exp in KNOWN}

    def document(record: Record) -> Any:
        return document_of(record, codec_named(codec), parents.get)

    found = [
        run
        for run in runs
        if run.exp_id in search.exp_ids
        and search.view in {"all", run.lifecycle_stage}
        and search.query.matches(document(run))
    ]
    return _told(search, keys_of(in_order(found, search, document)))


def _told(search: SearchSpec, found: list[str]) -> list[str]:
    """Rows in their order, if one was asked for."""
    return found if search.sorting.keys else sorted(found)


@given(seed=st.integers(0), stored_codec=codecs, codec=codecs)
def test_sqlite_finds_what_the_predicate_finds_in_the_same_order(
    cache: SqliteMetadataCache, seed: int, stored_codec: str, codec: str
) -> None:
    aimed = Aimed(seed)
    searches = [(aimed.search(), aimed.random.choice((1, 3, 1500))) for _ in range(30)]

    answers = by_sqlite(cache, aimed.runs, searches, stored_codec, codec)

    for (search, many), found in zip(searches, answers, strict=True):
        assert found == by_predicate(aimed.runs, search, codec), (search, many, aimed.runs)


def _text(value: Any) -> str:
    """The text of a value; one with members is put into a list."""
    written = PLAIN.write(freeze(value))
    return written.unwrap() if isinstance(written, Success) else PLAIN.write((freeze(value),)).unwrap()


flat_texts = st.dictionaries(mongo.paths, mongo.values().map(_text), max_size=4).map(immutabledict)
flat_floats = st.dictionaries(mongo.paths, st.floats(), max_size=3).map(immutabledict)
run_lists = st.lists(st.tuples(flat_texts, flat_texts, flat_floats), min_size=1, max_size=6).map(
    lambda rows: tuple(
        RunRecord(id=f"r{number}", exp_id="0", params=params, tags=tags, metrics=metrics)
        for number, (params, tags, metrics) in enumerate(rows)
    )
)
roots = st.sampled_from(("params", "tags", "metrics"))


def below(root: str, query: dict[str, Any]) -> dict[str, Any]:
    """The query, with its paths in a field of runs."""
    return {
        key if key.startswith("$") else f"{root}.{key}": [below(root, each) for each in value]
        if key in {"$and", "$or", "$nor"}
        else value
        for key, value in query.items()
    }


@settings(max_examples=4 * EXAMPLES)
@given(
    runs=run_lists,
    query=st.tuples(roots, mongo.queries()).map(lambda pair: below(*pair)),
    sorting=st.lists(st.tuples(roots, mongo.paths, st.sampled_from((1, -1))), max_size=2),
    many=st.sampled_from((1, 1500)),
)
def test_sqlite_agrees_on_values_and_queries_of_every_shape(
    cache: SqliteMetadataCache,
    runs: tuple[RunRecord, ...],
    query: dict[str, Any],
    sorting: list[tuple[str, str, int]],
    many: int,
) -> None:
    order = {f"{root}.{path}": direction for root, path, direction in sorting}
    search = SearchSpec(
        kind="run",
        query=parse(query).unwrap(),
        sorting=parse_sorting(list(order.items())).unwrap(),
        exp_ids=("0",),
        page_size=2,
    )

    assert by_sqlite(cache, runs, [(search, many)]) == [by_predicate(runs, search)]


@settings(max_examples=max(10, EXAMPLES // 5))
@given(seed=st.integers(0))
@example(seed=0)
def test_all_repositories_find_the_same(seed: int) -> None:
    aimed = Aimed(seed)
    records = (*EXPS, *aimed.runs)
    with tempfile.TemporaryDirectory() as folder:
        cached, tracking = SqliteMetadataCache(folder, Origin.of("http://one")), EmbeddedTracking(folder)
        memory = MemoryMetadataCache()
        cached.put(records, NOON).unwrap()
        memory.put(records, NOON).unwrap()
        tracking._store.write(
            lambda connection: Success(Rows(connection, ORIGIN, "plain").put(records, ALWAYS))
        ).unwrap()

        for _ in range(10):
            search = attrs.evolve(aimed.search(), page_size=2)
            found = [_told(search, keys_of(found_by(store, search))) for store in (memory, cached, tracking)]
            assert found == [found[0]] * 3, (search, aimed.runs)

        cached.close()
        tracking.close()
