"""Runs with awkward values on few paths, and searches aimed at what they hold: many from one seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

from immutabledict import immutabledict

from mlopus.domain.documents import document_of
from mlopus.domain.frozen import thaw
from mlopus.domain.records import ExperimentRecord, RunRecord
from mlopus.domain.status import RunStatus
from mlopus.domain.text import PLAIN
from mlopus.plans.search import SearchSpec
from mlopus.query import parse, parse_sorting
from mlopus.result import Failure, Success
from mlopus.testing.strategies_query import DATES

EXPS = tuple(
    ExperimentRecord(id=str(number), name=f"exp {number}", tags=immutabledict(a=text))
    for number, text in enumerate(("1", "[1, 2]", "x"))
)
PATHS = ("a", "a", "b", "a.b", "a.b", "a.0", "a.b.c", "b.a", "a.b.0", "c")
TEXTS = (
    *("1", "1", "2", "10", "1.5", "true", "null", "x", "ab", "{}", "2024-04-01T09:00:00.000000+00:00"),
    *("[]", "[1, 2]", "[1, 2]", "[2]", "[[1], 2]", '[{"b": 1}]', '[{"b": [1, 2]}, 3]', '["x", null]'),
    *("x" * 300, "x" * 301, str(2**63), str(-(2**80)), "1e400", "a'b\"c", "\ud800", '{"b": 1}'),
)
FLOATS = (1.0, 1.0, 2.0, -1.0, math.nan, math.nan, math.inf, -math.inf, 1e300)
OPERANDS = (
    *(
        1,
        2,
        1.5,
        10,
        math.nan,
        math.inf,
        2**63 - 1,
        -(2**63),
        True,
        None,
        None,
        None,
        "x",
        "ab",
        "x" * 300,
        "1",
    ),
    *([], [1, 2], [2], [[1], 2], [{"b": 1}], {}, {"b": 1}, "a'b\"c", DATES[0], "FAILED", "exp 1", "name"),
)
ELSEWHERE = (
    *("exp", "params", "metrics", "exp.name", "exp.tags.a", "exp.tags.a.0", "exp.nothing", "name.a"),
    *("nothing", "nothing.a", "start_time.0", "params.a.b.c.d", "params.0", "repo", "end_time", "status"),
)
OPERATORS = (
    *("$eq", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$all"),
    *("$exists", "$size", "$mod", "$regex", "$type", "$elemMatch"),
)
ARGUMENTS = {
    "$exists": (True, False),
    "$size": (0, 1, 2),
    "$mod": ([2, 0], [2, 1], [-3, 1]),
    "$regex": ("x", "a|1", "^n", "^$"),
    "$type": ("number", "string", "array", "object", "null", "bool", "date"),
}


class Aimed:
    """Makes runs, and searches for what they hold."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 (a test)
        numbers = self.random.sample(range(12), self.random.randint(1, 9))
        self.runs = tuple(self._run(number) for number in numbers)
        self._seen = [
            pair for run in self.runs for pair in _paths_in(document_of(run, PLAIN)) if _can_be_asked(pair[0])
        ]

    def _run(self, number: int) -> RunRecord:
        choose = self.random.choice
        return RunRecord(
            id=f"r{number}",
            exp_id=choose(EXPS).id,
            name=choose((None, "", "name", "name", "x")),
            status=choose((None, *RunStatus)),
            start_time=choose((None, *DATES)),
            end_time=choose((None, *DATES)),
            artifact_uri=choose(("", "s3://a/b")),
            params=self._some(TEXTS),
            metrics=self._some(FLOATS),
            tags=self._some(TEXTS),
            lifecycle_stage=choose(("active", "active", "deleted")),
        )

    def _some(self, values: tuple[Any, ...]) -> immutabledict[str, Any]:
        paths = self.random.sample(PATHS, self.random.randint(0, 5))
        return immutabledict({path: self.random.choice(values) for path in paths})

    def search(self) -> SearchSpec:
        """A search; half of them sorted."""
        random = self.random
        keys = dict.fromkeys(self._path() for _ in range(random.choice((0, 0, 1, 2))))
        return SearchSpec(
            kind="run",
            query=parse(self._query(2)).unwrap(),
            sorting=parse_sorting([(path, random.choice((1, -1))) for path in keys]).unwrap(),
            view=random.choice(("all", "all", "active", "deleted")),
            exp_ids=random.choice((("0", "1", "2"), ("0", "1", "2"), ("1",))),
            page_size=random.choice((1, 2, 3, 100)),
        )

    def _query(self, depth: int) -> dict[str, Any]:
        shape = self.random.choice(("all", "leaf", "leaf", "leaf", "$and", "$or", "$nor"))
        if shape == "all":
            return {}
        if shape == "leaf" or depth == 0:
            return self._leaf()
        return {shape: [self._query(depth - 1) for _ in range(2)]}

    def _path(self) -> str:
        return self.random.choice((*(path for path, _ in self._seen), *ELSEWHERE))

    def _leaf(self) -> dict[str, Any]:
        path = self._path()
        there = [held for at, held in self._seen if at == path]

        def operand() -> Any:
            return self.random.choice(there if there and self.random.random() < 0.6 else OPERANDS)

        name = self.random.choice(OPERATORS)
        argument: Any
        if name in ARGUMENTS:
            argument = self.random.choice(ARGUMENTS[name])
        elif name in {"$in", "$nin", "$all"}:
            argument = [operand() for _ in range(self.random.randint(0, 3))]
        elif name == "$elemMatch":
            argument = self.random.choice(({"b": operand()}, {"$gte": 1, "$lt": 3}, {"$eq": operand()}, {}))
        else:
            argument = operand()
        condition = {name: argument}
        if isinstance(parse({path: condition}), Failure):  # an operator that does not take this operand
            condition = {"$exists": True}
        return {path: self.random.choice((condition, condition, {"$not": condition}))}


def _paths_in(document: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Paths that lead somewhere, indexes included, with what is there."""
    members = document.items() if isinstance(document, immutabledict) else enumerate(document)
    for name, value in members:
        path = f"{above}{name}"
        yield path, thaw(value)
        if isinstance(value, immutabledict | tuple):
            yield from _paths_in(value, f"{path}.")


def _can_be_asked(path: str) -> bool:
    return isinstance(parse({path: None}), Success)
