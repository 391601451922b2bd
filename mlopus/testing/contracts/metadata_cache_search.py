"""What the searches of a metadata cache must do: as the query's own predicate, and sorted."""

from __future__ import annotations

import math
from typing import Any

import attrs

from mlopus.domain.keys import (
    key_of,
)
from mlopus.testing.contracts.metadata_cache_case import (
    EARLY,
    EXP,
    MODEL,
    RECORDS,
    RUN,
    VERSION,
    CacheCase,
    check_search,
    some_runs,
)
from mlopus.testing.contracts.tracking_case import (
    AWKWARD_TEXTS,
    found_by,
    pages_of,
    spec,
)


class MetadataCacheSearchContract:
    """Part of `MetadataCacheContract`."""

    def test_runs_are_found_by_every_field(self, case: CacheCase) -> None:
        runs = some_runs()
        case.put(EXP, *runs)
        queries: tuple[dict[str, Any], ...] = (
            {},
            {"id": "run1"},
            {"name": "name 1", "status": "RUNNING"},
            {"start_time": {"$gt": EARLY}},
            {"end_time": {"$exists": False}},
            {"exp.name": EXP.name},
            {"exp.name": {"$ne": EXP.name}},
            {"exp.tags.wild": {"$exists": True}, "repo": RUN.repo},
            {"params.lr": 0.1},
            {"params.lr": {"$in": ["0.10", None]}},
            {"params.lr": {"$type": "bool"}},
            {"params.layers": 2},
            {"params.layers": {"$size": 1}},
            {"params.layers": {"$elemMatch": {"$gt": 1, "$lt": 3}}},
            {"params.layers.0": 3},
            {"params.opt": {}},
            {"params.opt.name": {"$ne": "adam"}},
            {"metrics.loss": {"$gte": 0}},
            {"metrics.loss": math.nan},
            {"metrics.acc": {"$not": {"$gt": 0}}},
            {"$or": [{"metrics.acc": {"$lt": 0}}, {"tags.long": {"$regex": "^x+$"}, "name": "name 1"}]},
            {"$nor": [{"tags.long": {"$exists": False}}, {"params.lr": 0.1}]},
            {"tags.quotes": AWKWARD_TEXTS["quotes"]},
            {"params": {"$exists": True}},
            {"nothing.such": None},
        )

        for query in queries:
            check_search(case, spec("run", query, exps=(EXP,)), runs[:4])

    def test_runs_are_sorted_in_both_directions_with_what_is_missing_in_its_place(
        self, case: CacheCase
    ) -> None:
        runs = some_runs()
        case.put(EXP, *runs)
        paths = (
            "start_time",
            "name",
            "id",
            "metrics.acc",
            "metrics.loss",
            "params.lr",
            "params.layers",
            "repo",
        )

        for path in paths:
            for direction in (1, -1):
                for page_size in (1, 100):
                    then = [] if path == "metrics.acc" else [("metrics.acc", -direction)]
                    sorting = [(path, direction), *then]
                    search = spec("run", None, sorting, (EXP,), view="all", page_size=page_size)
                    check_search(case, search, runs)

    def test_pages_are_disjoint_and_complete(self, case: CacheCase) -> None:
        runs = some_runs()
        case.put(EXP, *runs)

        for sorting in ([], [("name", 1)], [("metrics.acc", 1)], [("params.layers", -1)]):
            pages = pages_of(case.cache, spec("run", sorting=sorting, exps=(EXP,), view="all", page_size=2))

            assert max(len(page.records) for page in pages) <= 2
            found = [str(key_of(record)) for page in pages for record in page.records]
            assert sorted(found) == [run.id for run in runs]

    def test_every_view_has_its_runs(self, case: CacheCase) -> None:
        runs = some_runs()
        case.put(EXP, *runs)

        found = {
            view: {
                str(key_of(record)) for record in found_by(case.cache, spec("run", exps=(EXP,), view=view))
            }
            for view in ("active", "deleted", "all")
        }

        assert found == {
            "active": {"run0", "run1", "run2", "run3"},
            "deleted": {"run4"},
            "all": {run.id for run in runs},
        }

    def test_models_versions_and_experiments_are_found(self, case: CacheCase) -> None:
        other = attrs.evolve(VERSION, version="10", run_id=None, aliases=(), source="s3://elsewhere")
        unknown = attrs.evolve(VERSION, name="gone", version="1", run_id="gone")
        case.put(*RECORDS, other, unknown)
        versions = (VERSION, other, unknown)

        check_search(case, spec("experiment", {"name": {"$regex": "é$"}}), (EXP,))
        check_search(case, spec("model", {"aliases.champion": "2", "description": "d"}), (MODEL,))
        for query in (
            {"version": {"$gt": 1}},
            {"model.name": "ranker"},
            {"model.tags.team": {"$ne": "x"}},
            {"run.id": None},
            {"run.metrics.acc": 0.5},
            {"run.exp.name": EXP.name},
            {"run.exp.name": {"$exists": False}},
            {"aliases": "champion"},
            {"path_in_run": "model"},
            {"source": "s3://elsewhere"},
        ):
            for sorting in ([("version", 1)], [("run.metrics.acc", -1)], [("model.name", 1)]):
                check_search(case, spec("model version", query, sorting), versions)
