"""Every evaluator of a search answers as the query's own predicate does, whatever runs and queries hold."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.documents import document_of
from mlopus.domain.frozen import freeze, thaw
from mlopus.domain.keys import ExperimentKey
from mlopus.domain.origin import Origin
from mlopus.domain.records import ExperimentRecord, Record, RunRecord
from mlopus.domain.status import RunStatus
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

EXPS = tuple(
    ExperimentRecord(id=str(number), name=f"exp {number}", tags=immutabledict(a=text))
    for number, text in enumerate(("1", "[1, 2]", "x"))
)
# Few paths and few values, so that runs share them, and queries meet them.
PATHS = ("a", "a", "b", "a.b", "a.b", "a.0", "a.b.c", "b.a", "a.b.0")
TEXTS = (
    *("1", "1", "2", "10", "1.5", "true", "null", "x", "ab", "{}", "2024-04-01T09:00:00.000000+00:00"),
    *("[]", "[1, 2]", "[1, 2]", "[2]", "[[1], 2]", '[{"b": 1}]', '[{"b": [1, 2]}, 3]', '["x", null]'),
    *("x" * 300, "x" * 301, str(2**63), str(-(2**80)), "1e400", "a'b\"c", "\ud800"),
)
OPERANDS = (
    *(1, 1, 2, 1.5, 10, math.nan, math.inf, 2**63 - 1, True, None, None, "x", "ab", "x" * 300, "1"),
    *([], [1, 2], [2], [1], [[1], 2], {}, {"b": 1}, "a'b\"c", mongo.DATES[0]),
    *("r1", "FAILED", "exp 1", "name", "0"),
)


def _text(value: Any) -> str:
    """The text of a value; one with members is put into a list."""
    written = PLAIN.write(freeze(value))
    return written.unwrap() if isinstance(written, Success) else PLAIN.write((freeze(value),)).unwrap()


texts = st.one_of(st.sampled_from(TEXTS), st.sampled_from(TEXTS), mongo.values().map(_text))
below = st.one_of(st.sampled_from(PATHS), st.sampled_from(PATHS), mongo.paths)
flat_texts = st.dictionaries(below, texts, min_size=2, max_size=5).map(immutabledict)
flat_floats = st.dictionaries(
    below,
    st.one_of(st.sampled_from((1.0, 1.0, 2.0, math.nan, math.inf)), st.floats()),
    min_size=1,
    max_size=3,
).map(immutabledict)
fields = st.fixed_dictionaries(
    {
        "exp_id": st.sampled_from(("0", "1", "2")),
        "name": st.sampled_from((None, "name", "name", "x", "")),
        "status": st.none() | st.sampled_from(RunStatus),
        "start_time": st.none() | mongo.dates,
        "end_time": st.none() | mongo.dates,
        "artifact_uri": st.sampled_from(("", "s3://a/b")),
        "params": flat_texts,
        "metrics": flat_floats,
        "tags": flat_texts,
        "lifecycle_stage": st.sampled_from(("active", "active", "deleted")),
    }
)
run_lists = st.lists(fields, min_size=4, max_size=9).map(
    lambda rows: tuple(RunRecord(id=f"r{number}", **row) for number, row in enumerate(rows))
)

OWN_PATHS = ("id", "name", "status", "start_time", "end_time", "repo", "exp.id", "exp.name", "exp.tags.a")
WHOLE_PATHS = ("exp", "params", "metrics", "exp.tags.a.0", "name.a", "nothing", "start_time.0")
paths = st.one_of(
    *[st.tuples(st.sampled_from(("params", "params", "tags", "metrics")), below).map(".".join)] * 2,
    st.sampled_from(OWN_PATHS + WHOLE_PATHS),
)
operands = st.one_of(st.sampled_from(OPERANDS), st.sampled_from(OPERANDS), mongo.values(max_leaves=4))


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """Queries on the fields of runs, of the same shapes as those on any documents."""

    def moved(query: dict[str, Any]) -> dict[str, Any]:
        return {
            key if key.startswith("$") else draw(paths): [moved(member) for member in value]
            if key in {"$and", "$or", "$nor"}
            else value
            for key, value in query.items()
        }

    return moved(draw(st.just({}) | mongo.queries(operands) | mongo.queries(operands)))


OPERATORS = (
    *("$eq", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"),
    *("$exists", "$size", "$mod", "$regex", "$type", "$elemMatch"),
)


def seen_in(runs: tuple[RunRecord, ...]) -> list[tuple[str, Any]]:
    """Paths that lead somewhere in the documents of runs, with what is there."""

    def walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
        yield path, thaw(value)
        members = value.items() if isinstance(value, immutabledict) else ()
        elements = enumerate(value) if isinstance(value, tuple) else ()
        for name, member in (*members, *elements):
            if name != "":
                yield from walk(f"{path}.{name}", member)

    documents = [document_of(run, PLAIN) for run in runs]
    found = [pair for document in documents for root, value in document.items() for pair in walk(root, value)]
    return [(path, value) for path, value in found if isinstance(parse({path: None}), Success)]


@st.composite
def aimed_queries(draw: st.DrawFn, seen: list[tuple[str, Any]]) -> dict[str, Any]:
    """A condition at a path that is there, on a value that is there or nearly so."""
    path, value = draw(st.sampled_from(seen))
    there = [held for at, held in seen if at == path]

    operands = (value, *there, draw(st.sampled_from(OPERANDS)))

    def operand() -> Any:
        return draw(st.sampled_from(operands))

    name = draw(st.sampled_from(OPERATORS))
    argument: Any
    match name:
        case "$in" | "$nin":
            argument = [operand() for _ in range(2)]
        case "$exists":
            argument = draw(st.booleans())
        case "$size":
            argument = draw(st.integers(0, 2))
        case "$mod":
            argument = draw(st.sampled_from(([2, 0], [-3, 1])))
        case "$regex":
            argument = draw(st.sampled_from(("x", "a|1", "^n")))
        case "$type":
            argument = draw(st.sampled_from(("number", "string", "array", "object", "null")))
        case "$elemMatch":
            argument = {"$gte": operand()}
        case _:
            argument = operand()
    asked = {path: {name: argument}}
    if isinstance(parse(asked), Failure):  # an operator that does not take this operand
        asked = {path: {"$exists": True}}
    return draw(st.sampled_from((asked, {path: {"$not": asked[path]}}, {"$nor": [asked]})))


@st.composite
def questions(draw: st.DrawFn) -> tuple[tuple[RunRecord, ...], list[SearchSpec]]:
    """Runs, and searches for them: some of anything, most of what is there."""
    runs = draw(run_lists)
    seen = seen_in(runs)
    aimed = aimed_queries(seen)
    both = st.tuples(aimed, aimed).map(lambda pair: {"$and": list(pair)})
    either = st.tuples(aimed, aimed).map(lambda pair: {"$or": list(pair)})
    places = paths | st.sampled_from([path for path, _ in seen])
    pairs = st.tuples(places, st.sampled_from((1, -1)))
    searches = st.builds(
        SearchSpec,
        kind=st.just("run"),
        query=st.one_of(st.just({}), queries(), aimed, aimed, both, either).map(
            lambda query: parse(query).unwrap()
        ),
        sorting=st.lists(pairs, max_size=2, unique_by=lambda pair: pair[0]).map(
            lambda pairs: parse_sorting(pairs).unwrap()
        ),
        view=views,
        exp_ids=st.sampled_from((("0", "1", "2"), ("0", "1", "2"), ("1",))),
        page_size=st.sampled_from((1, 2, 3, 100)),
    )
    return runs, draw(st.lists(searches, min_size=4, max_size=6))


views = st.sampled_from(("all", "all", "active", "deleted"))


class Evaluated:
    """A search by SQLite alone, in a transaction."""

    def __init__(self, rows: Rows, codec: str, many: int) -> None:
        self.rows, self.codec, self.many = rows, codec, many

    def find(self, search: SearchSpec, token: PageToken = None) -> Success[Page]:
        return Success(find_page(self.rows, search, codec_named(self.codec), token, many=self.many))


@pytest.fixture(scope="module")
def cache() -> Iterator[SqliteMetadataCache]:
    with tempfile.TemporaryDirectory() as folder:
        yield SqliteMetadataCache(folder, Origin.of("http://one"))


def wanted_of(runs: tuple[RunRecord, ...], search: SearchSpec, codec: str) -> list[Record]:
    held = {ExperimentKey(exp.id): exp for exp in EXPS[:2]}
    documents = {run.id: document_of(run, codec_named(codec), held.get) for run in runs}
    found = [
        run
        for run in runs
        if run.exp_id in search.exp_ids
        and search.view in ("all", run.lifecycle_stage)
        and search.query.matches(documents[run.id])
    ]
    return in_order(found, search, lambda record: documents[record.id])


@given(
    question=questions(),
    many=st.sampled_from((1, 3, 1500)),
    stored_codec=st.sampled_from(("plain", "plain", "plain", "mlopus-1")),
    codec=st.sampled_from(("plain", "plain", "plain", "mlopus-1")),
)
def test_sqlite_finds_what_the_predicate_finds_in_the_same_order(
    cache: SqliteMetadataCache,
    question: tuple[tuple[RunRecord, ...], list[SearchSpec]],
    many: int,
    stored_codec: str,
    codec: str,
) -> None:
    runs, searches = question

    def look(connection) -> Failure[list[list[str]]]:
        rows = Rows(connection, fresh(), stored_codec)
        rows.put((*EXPS[:2], *runs), NOON)
        found = [found_by(Evaluated(rows, codec, many), search) for search in searches]
        return Failure([keys_of(records) for records in found])  # so nothing is kept

    answers = cache._database.write(look).failure()

    for search, found in zip(searches, answers, strict=True):
        wanted = keys_of(wanted_of(runs, search, codec))
        assert (found if search.sorting.keys else sorted(found)) == (
            wanted if search.sorting.keys else sorted(wanted)
        )


def _run(number: int, **fields: Any) -> RunRecord:
    return RunRecord(id=f"r{number}", exp_id="0", **fields)


FINITE_OR_NOT = (
    _run(0, metrics=immutabledict(a=math.nan)),
    _run(1, metrics=immutabledict(a=math.inf), params=immutabledict(a="[1]")),
    _run(2, start_time=NOON + timedelta(microseconds=1)),
)


@settings(max_examples=15)
@given(question=questions())
@example(
    question=(
        FINITE_OR_NOT,
        [
            SearchSpec(
                kind="run",
                query=parse({"metrics.a": {"$ne": 1}}).unwrap(),
                sorting=parse_sorting([("metrics.a", -1), ("params.a", 1)]).unwrap(),
                exp_ids=("0",),
            )
        ],
    )
)
def test_all_repositories_find_the_same(question: tuple[tuple[RunRecord, ...], list[SearchSpec]]) -> None:
    runs, searches = question
    records = (*EXPS, *runs)
    with tempfile.TemporaryDirectory() as folder:
        cached, tracking = SqliteMetadataCache(folder, Origin.of("http://one")), EmbeddedTracking(folder)
        memory = MemoryMetadataCache()
        cached.put(records, NOON).unwrap()
        memory.put(records, NOON).unwrap()
        tracking._store.write(
            lambda connection: Success(Rows(connection, ORIGIN, "plain").put(records, ALWAYS))
        ).unwrap()

        for search in searches:
            found = [keys_of(found_by(store, search)) for store in (memory, cached, tracking)]
            assert [found[0]] * 3 == (found if search.sorting.keys else [sorted(one) for one in found])

        cached.close()
        tracking.close()
