"""The server is never asked for less than a query finds, on either of the ways in which servers compare.

The model below filters rows as MLflow does: as its SQL stores do, and as its file store does, which
builds regular expressions of patterns and takes no care of what else is syntax in them. NaN counts
as nothing or, on old servers, as 0.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.documents import document_of
from mlopus.domain.records import RunRecord
from mlopus.domain.status import RunStatus
from mlopus.domain.text import PLAIN, TextCodec
from mlopus.domain.text_mlopus1 import MLOPUS_1
from mlopus.plans.search import SearchSpec
from mlopus.query import parse, parse_sorting
from mlopus.query.sorting import document_key
from mlopus.testing import strategies, strategies_query
from mlopus.wire.mlflow.clauses import Clause
from mlopus.wire.mlflow.filter import ServerSearch, ServerSearches, server_searches
from mlopus.wire.mlflow.shapes import milliseconds

EXPERIMENTS = ("1", "2")
LARGEST = 1.7976931348623157e308
IDS = tuple(f"{number:032x}" for number in range(6))
TIMES = (None, datetime(2024, 4, 1, 9, tzinfo=UTC), datetime(2024, 4, 1, 9, 0, 0, 1000, tzinfo=UTC))
KEYS = ("a", "b", "a.b", "b.0", "a.b.c", "mlflow", "mlflow.a", "é x")
TEXTS = (
    *("5", "5.0", "-5", "0.5", "[5, 6]", '["a", 0.5]', '[{"b": 5}, {"c": "a"}]', "[[5]]", "true", "[true]"),
    *("a", "ab", "a'b", 'a"b', "a'b\"c\\d`%_", "C++ (x)", '["C++ (x)"]', "[", "null", '"5"', "NaN", "é", ""),
    *("2024-04-01T09:00:00.000001+00:00", '["2024-04-01T09:00:00.000001+00:00"]', "a\nb", "[1, 2", "*"),
)


@attrs.frozen(kw_only=True)
class Server:
    """How a server compares."""

    is_file_store: bool
    nan_counts_as_zero: bool

    def finds(self, search: ServerSearch, run: RunRecord) -> bool:
        """Whether a run is among a search's rows."""
        return run.exp_id in search.exp_ids and all(self._holds(clause, run) for clause in search.clauses)

    def _holds(self, clause: Clause, run: RunRecord) -> bool:
        held = self._held(clause, run)
        return held is not None and self._compare(held, clause.op, clause.operand)

    def _held(self, clause: Clause, run: RunRecord) -> Any:
        match clause.field:
            case "param":
                return run.params.get(clause.key)
            case "tag":
                return run.tags.get(clause.key)
            case "metric":
                value = run.metrics.get(clause.key)
                if value is not None and math.isnan(value):
                    return 0.0 if self.nan_counts_as_zero else None
                return value if value is None else max(-LARGEST, min(LARGEST, value))
            case _:
                return {
                    "attributes.run_id": run.id,
                    "attributes.run_name": run.name,
                    "attributes.status": run.status.value if run.status else "OF_A_LATER_VERSION",
                    "attributes.start_time": 0 if run.start_time is None else milliseconds(run.start_time),
                    "attributes.end_time": run.end_time and milliseconds(run.end_time),
                }[clause.key]

    def _compare(self, held: Any, op: str, operand: Any) -> bool:
        match op:
            case "=":
                return bool(held == operand)
            case "!=":
                return bool(held != operand)
            case "IN":
                return held in operand
            case "NOT IN":
                return held not in operand
            case "LIKE":
                return self._pattern(operand).match(held) is not None
            case _:
                return bool(
                    {">": held > operand, ">=": held >= operand, "<": held < operand, "<=": held <= operand}[
                        op
                    ]
                )

    def _pattern(self, like: str) -> re.Pattern[str]:
        if not self.is_file_store:
            parts = {"%": ".*", "_": "."}
            return re.compile("".join(parts.get(c) or re.escape(c) for c in like) + r"\Z", re.DOTALL)
        start, end = ("" if like.startswith("%") else "^"), ("" if like.endswith("%") else "$")
        return re.compile(start + like.replace("_", ".").replace("%", ".*") + end)


servers = st.builds(Server, is_file_store=st.booleans(), nan_counts_as_zero=st.booleans())
texts = st.one_of(st.sampled_from(TEXTS), strategies.texts())
maps = st.dictionaries(st.sampled_from(KEYS), texts, max_size=3).map(immutabledict)
floats = st.sampled_from((0.0, -0.0, 0.5, 1.0, -5.0, 2.0**53, 1e300, math.nan, math.inf, -math.inf))


def runs() -> st.SearchStrategy[RunRecord]:
    """Runs of two experiments with values from small pools."""
    return st.builds(
        RunRecord,
        id=st.sampled_from(IDS),
        exp_id=st.sampled_from((*EXPERIMENTS, "3")),
        name=st.sampled_from((None, "a", "a'b", "a.b c")),
        status=st.sampled_from((None, *RunStatus)),
        start_time=st.sampled_from(TIMES),
        end_time=st.sampled_from(TIMES),
        params=maps,
        tags=maps,
        metrics=st.dictionaries(st.sampled_from(("a", "a.b", "é x")), floats, max_size=3).map(immutabledict),
    )


def conditions(operands: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Literals and operators on them."""
    return st.one_of(operands, operands, strategies_query.operators(operands))


scalars = st.one_of(
    st.sampled_from(
        (5, 5.0, -5, 0.5, True, "a", "b", "5", "a'b", "C++ (x)", 'a"b', "é", "", "*", "a\nb", None)
    ),
    st.sampled_from((*TIMES[1:], *TEXTS)),
    strategies_query.scalars,
)
TEXT_PATHS = (
    *(f"{root}.{key}" for root in ("params", "tags") for key in KEYS),
    *("params.a.0", "params.a.1.b", "tags.b.0.c"),
)
ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "id": IDS,
    "exp.id": (*EXPERIMENTS, "3"),
    "name": ("a", "a'b", "a.b c", ""),
    "status": ("RUNNING", "KILLED", "BOGUS"),
    "start_time": TIMES[1:],
    "end_time": TIMES[1:],
}


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, Any]:
    """A path and a condition on it."""
    match draw(st.sampled_from(("text", "text", "metric", "attribute"))):
        case "text":
            return draw(st.sampled_from(TEXT_PATHS)), draw(conditions(scalars))
        case "metric":
            numbers = strategies_query.numbers | floats
            return draw(st.sampled_from(("metrics.a", "metrics.a.b"))), draw(conditions(numbers))
        case _:
            name = draw(st.sampled_from(tuple(ATTRIBUTES)))
            return name, draw(conditions(st.sampled_from(ATTRIBUTES[name])))


@st.composite
def some_fields(draw: st.DrawFn) -> dict[str, Any]:
    """A query without logical operators."""
    return dict(draw(st.lists(fields(), min_size=1, max_size=2)))


queries = st.recursive(some_fields(), strategies_query.joined, max_leaves=4)


def asked(query: Any, sorting: Any, codec: TextCodec) -> ServerSearches:
    spec = SearchSpec(
        kind="run",
        query=parse(query).unwrap(),
        sorting=parse_sorting(sorting).unwrap(),
        exp_ids=EXPERIMENTS,
    )
    return server_searches(spec, codec)


def wanted(run: RunRecord, query: Any, codec: TextCodec) -> bool:
    return run.exp_id in EXPERIMENTS and parse(query).unwrap().matches(document_of(run, codec))


@given(run=runs(), query=queries, server=servers, codec=st.sampled_from((PLAIN, MLOPUS_1)))
def test_what_a_query_finds_is_asked_for(
    run: RunRecord, query: Any, server: Server, codec: TextCodec
) -> None:
    searches = asked(query, None, codec).searches
    found = any(server.finds(search, run) for search in searches)
    assert found or not wanted(run, query, codec)


@given(run=runs(), query=queries, server=servers, codec=st.sampled_from((PLAIN, MLOPUS_1)))
def test_nothing_else_is_asked_for_where_it_is_called_exact(
    run: RunRecord, query: Any, server: Server, codec: TextCodec
) -> None:
    asked_for = asked(query, None, codec)
    found = any(server.finds(search, run) for search in asked_for.searches)
    assert not asked_for.push_down.is_exact or found is wanted(run, query, codec)


sortings = st.lists(
    st.tuples(
        st.sampled_from(("start_time", "end_time", "id", "metrics.a", "metrics.a", "metrics.a.b", "name")),
        st.sampled_from((1, -1)),
    ),
    max_size=3,
    unique_by=lambda key: key[0],
)
bounds = st.dictionaries(
    st.sampled_from(("metrics.a", "metrics.a.b")),
    st.dictionaries(st.sampled_from(("$gt", "$gte", "$lt", "$lte")), floats, min_size=1, max_size=2),
    max_size=2,
)


@given(
    rows=st.lists(runs(), unique_by=lambda run: run.id, max_size=6),
    query=bounds,
    sorting=sortings,
    server=servers,
)
@example(
    rows=[
        RunRecord(id=IDS[0], exp_id="1", metrics=immutabledict({"a": 1.0})),
        RunRecord(id=IDS[1], exp_id="1", metrics=immutabledict({"a.b": 1.0})),
    ],
    query={},
    sorting=[("metrics.a", -1)],
    server=Server(is_file_store=False, nan_counts_as_zero=True),
)
def test_an_order_is_asked_for_only_where_the_servers_is_the_same(
    rows: list[RunRecord], query: Any, sorting: Any, server: Server
) -> None:
    searches = asked(query, sorting, PLAIN)
    found = [run for run in rows if any(server.finds(search, run) for search in searches.searches)]
    as_sent = _as_ordered_by_server(found, searches.order_by, server)

    by_document = document_key(parse_sorting(sorting).unwrap())
    rightly = sorted(rows, key=lambda run: (*by_document(document_of(run, PLAIN)), run.id))
    assert not searches.order_by or [run for run in as_sent if wanted(run, query, PLAIN)] == [
        run for run in rightly if wanted(run, query, PLAIN)
    ]


def _as_ordered_by_server(
    rows: list[RunRecord], order_by: tuple[str, ...], server: Server
) -> list[RunRecord]:
    """Missing last in either direction, before it NaN; a start that was never given is 0."""
    for column, direction in (key.rsplit(" ", 1) for key in reversed(order_by)):
        held = {run.id: _sorted_by(run, column) for run in rows}
        if server.nan_counts_as_zero:
            held = {run_id: 0.0 if value != value else value for run_id, value in held.items()}  # noqa: PLR0124
        present = sorted(
            (run for run in rows if held[run.id] is not None and held[run.id] == held[run.id]),
            key=lambda run: held[run.id],
            reverse=direction == "DESC",
        )
        nan = [run for run in rows if held[run.id] != held[run.id]]
        rows = [*present, *nan, *(run for run in rows if held[run.id] is None)]
    return rows


def _sorted_by(run: RunRecord, column: str) -> Any:
    if column.startswith("metrics."):
        value = run.metrics.get(column.removeprefix("metrics.").strip("`"))
        return value if value is None or math.isnan(value) else max(-LARGEST, min(LARGEST, value))
    if column == "attributes.start_time":
        return run.start_time or datetime(1970, 1, 1, tzinfo=UTC)
    return getattr(run, column.removeprefix("attributes.").replace("run_id", "id"))
