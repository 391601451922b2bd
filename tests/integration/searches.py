"""Searches for all that can be asked of the documented fields, aimed at what documents hold there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from mlopus.domain.documents import Document
from mlopus.domain.frozen import thaw
from mlopus.query import parse
from mlopus.result import Success
from mlopus.testing.strategies_query import joined

GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "runs": ("run", ("id", "name", "status", "start_time", "end_time", "repo", "nothing")),
    "runs by experiment": ("run", ("exp.id", "exp.name", "exp.tags.team")),
    "runs by params": (
        "run",
        (
            "params.lr",
            "params.opt",
            "params.opt.name",
            "params.layers.0",
            "params.é x",
            "params.val/acc top-1",
        ),
    ),
    "runs by metrics": ("run", ("metrics.acc", "metrics.loss", "metrics.val.acc", "metrics.é x")),
    "runs by tags": ("run", ("tags.team", "tags.opt.name", "tags.mlflow.user", "tags.layers.n", "tags.`")),
    "experiments": ("experiment", ("id", "name", "tags.team", "tags.n", "created_at", "artifact_location")),
    "models": ("model", ("name", "tags.team", "aliases.champion", "aliases", "created_at", "description")),
    "versions": ("model version", ("version", "aliases", "source", "path_in_run", "tags.stage", "tags.n")),
    "versions by model": ("model version", ("model.name", "model.tags.team")),
    "versions by run": (
        "model version",
        ("run.id", "run.status", "run.metrics.acc", "run.exp.name"),
    ),
}
"""What to search for, and the fields to do it by."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    kind: tuple(field for of, fields in GROUPS.values() if of == kind for field in fields)
    for kind in ("run", "experiment", "model", "model version")
}

OF_ANY_FIELD: tuple[Any, ...] = (
    *(None, {"$exists": True}, {"$exists": False}, {"$in": [math.nan, math.inf]}),
    *({"$type": ["number", "null", "date"]}, {"$lt": 1e9}, {"$gte": -math.inf}),
)


def searches_for(fields: tuple[str, ...], documents: list[Document]) -> Iterator[dict[str, Any]]:
    """Queries for each field: of each operator with a value that is there."""
    for field in fields:
        there = values_at(field, documents)
        yield from ({field: condition} for condition in OF_ANY_FIELD)
        if there:
            yield from ({field: each} for each in conditions_on(there[len(there) // 2], there[-1]))


def values_at(field: str, documents: list[Document]) -> list[Any]:
    """The different values that a field has."""
    found = (value for document in documents for value in _reached(thaw(document), field))
    return list({repr(value): value for value in found}.values())


def _reached(value: Any, path: str) -> Iterator[Any]:
    if not path:
        yield value
    elif isinstance(value, dict):
        for key, member in value.items():
            if path == key or path.startswith(f"{key}."):
                yield from _reached(member, path[len(key) + 1 :])


def conditions_on(value: Any, other: Any) -> Iterator[Any]:
    """What operators can ask about a value."""
    yield from (value, {"$ne": value}, {"$in": [value, other]}, {"$nin": [value, None]})
    if isinstance(value, str | int | float | datetime):
        yield from ({"$gt": value}, {"$lte": value}, {"$not": {"$gt": value}}, {"$gte": value, "$ne": other})
    if isinstance(value, str):
        part = re.escape(value[:3])
        yield from ({"$regex": f"^{part}"}, {"$not": {"$regex": part}})


OTHERS: tuple[Any, ...] = (
    *("absent", {"$all": []}, {"$in": []}, {"$size": 2}, {"$mod": [2, 0]}, {"$elemMatch": {"n": 1}}),
    *({"$gt": ""}, {"$regex": "a", "$options": "i"}, {"$elemMatch": {"$gt": 0}}, {"$all": ["adam"]}),
)


def queries(kind: str, documents: list[Document]) -> st.SearchStrategy[dict[str, Any]]:
    """Queries that join conditions on what documents hold, and on what none does."""
    values = {field: [*values_at(field, documents), "absent", None] for field in FIELDS[kind]}

    @st.composite
    def fields(draw: st.DrawFn) -> dict[str, Any]:
        field = draw(st.sampled_from(FIELDS[kind]))
        value, other = (draw(st.sampled_from(values[field])) for _ in range(2))
        condition = draw(st.sampled_from((*conditions_on(value, other), *OF_ANY_FIELD, *OTHERS)))
        return {field: condition}

    some = st.lists(fields(), min_size=1, max_size=2).map(
        lambda each: {key: value for one in each for key, value in one.items()}
    )
    return st.recursive(some, joined, max_leaves=4).filter(lambda query: isinstance(parse(query), Success))


def sortings(kind: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """Orders by none to two fields."""
    keys = st.tuples(st.sampled_from(FIELDS[kind]), st.sampled_from((1, -1)))
    return st.lists(keys, max_size=2, unique_by=lambda key: key[0])
