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
from mlopus.domain.frozen import freeze
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
flat_texts = st.dictionaries(below, texts, min_size=1, max_size=5).map(immutabledict)
flat_floats = st.dictionaries(
    below, st.one_of(st.sampled_from((1.0, 1.0, 2.0, math.nan, math.inf)), st.floats()), max_size=3
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
run_lists = st.lists(fields, min_size=1, max_size=12).map(
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


sortings = st.lists(st.tuples(paths, st.sampled_from((1, -1))), max_size=2, unique_by=lambda pair: pair[0])
views = st.sampled_from(("active", "deleted", "all"))


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


searches = st.builds(
    SearchSpec,
    kind=st.just("run"),
    query=queries().map(lambda query: parse(query).unwrap()),
    sorting=sortings.map(lambda pairs: parse_sorting(pairs).unwrap()),
    view=views,
    exp_ids=st.sampled_from((("0", "1", "2"), ("0", "1", "2"), ("1",))),
    page_size=st.sampled_from((1, 2, 3, 100)),
)


@given(
    runs=run_lists,
    asked=st.lists(st.tuples(searches, st.sampled_from((1, 3, 1500))), min_size=1, max_size=8),
    stored_codec=st.sampled_from(("plain", "plain", "plain", "mlopus-1")),
    codec=st.sampled_from(("plain", "plain", "plain", "mlopus-1")),
)
def test_sqlite_finds_what_the_predicate_finds_in_the_same_order(
    cache: SqliteMetadataCache,
    runs: tuple[RunRecord, ...],
    asked: list[tuple[SearchSpec, int]],
    stored_codec: str,
    codec: str,
) -> None:
    def look(connection) -> Failure[list[list[str]]]:
        rows = Rows(connection, fresh(), stored_codec)
        rows.put((*EXPS[:2], *runs), NOON)
        found = [found_by(Evaluated(rows, codec, many), search) for search, many in asked]
        return Failure([keys_of(records) for records in found])  # so nothing is kept

    answers = cache._database.write(look).failure()

    for (search, _), found in zip(asked, answers, strict=True):
        wanted = keys_of(wanted_of(runs, search, codec))
        assert (found if search.sorting.keys else sorted(found)) == (
            wanted if search.sorting.keys else sorted(wanted)
        )


def _run(number: int, **fields: Any) -> RunRecord:
    return RunRecord(id=f"r{number}", exp_id="0", **fields)


@settings(max_examples=15)
@given(runs=run_lists, query=queries(), sorting=sortings, view=views)
@example(
    runs=(
        _run(0, metrics=immutabledict(a=math.nan)),
        _run(1, metrics=immutabledict(a=math.inf), params=immutabledict(a="[1]")),
        _run(2, start_time=NOON + timedelta(microseconds=1)),
    ),
    query={"metrics.a": {"$ne": 1}},
    sorting=[("metrics.a", -1), ("params.a", 1)],
    view="all",
)
def test_all_repositories_find_the_same(
    runs: tuple[RunRecord, ...], query: dict[str, Any], sorting: list[tuple[str, int]], view: Any
) -> None:
    search = SearchSpec(
        kind="run",
        query=parse(query).unwrap(),
        sorting=parse_sorting(sorting).unwrap(),
        view=view,
        exp_ids=("0", "1"),
        page_size=2,
    )
    records = (*EXPS[:2], *runs)
    with tempfile.TemporaryDirectory() as folder:
        cached, tracking = SqliteMetadataCache(folder, Origin.of("http://one")), EmbeddedTracking(folder)
        memory = MemoryMetadataCache()
        cached.put(records, NOON).unwrap()
        memory.put(records, NOON).unwrap()
        tracking._store.write(
            lambda connection: Success(Rows(connection, ORIGIN, "plain").put(records, ALWAYS))
        ).unwrap()

        found = [keys_of(found_by(store, search)) for store in (memory, cached, tracking)]

        cached.close()
        tracking.close()
    assert [found[0]] * 3 == ([sorted(one) for one in found] if not sorting else found)
