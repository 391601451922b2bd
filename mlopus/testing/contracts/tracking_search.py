"""What the searches of a tracking store must do. They keep what `prepare` promises, and lose nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from immutabledict import immutabledict

from mlopus.domain.documents import Document
from mlopus.domain.keys import key_of
from mlopus.domain.records import ExperimentRecord, Record, RunRecord
from mlopus.domain.status import RunStatus
from mlopus.plans.changes import UpdateRun
from mlopus.plans.search import SearchSpec
from mlopus.ports.tracking import Tracking
from mlopus.testing.contracts.tracking_case import (
    NOON,
    TrackingCase,
    found_by,
    fresh,
    in_order,
    keys_of,
    pages_of,
    point,
    spec,
)


def check_promises(case: TrackingCase, searches: Iterable[SearchSpec], among: Iterable[Record]) -> None:
    """Compare searches with the queries' own predicates on everything that they could find."""
    among, document = tuple(among), case.documents()
    for search in searches:
        check_promise(case.tracking, search, among, document)


def check_promise(
    tracking: Tracking, search: SearchSpec, among: Iterable[Record], document: Callable[[Record], Document]
) -> None:
    """Compare one."""
    promised = tracking.prepare(search)
    wanted = [record for record in among if search.query.matches(document(record))]
    found = found_by(tracking, search)
    matching = [record for record in found if search.query.matches(document(record))]

    assert sorted(keys_of(matching)) == sorted(keys_of(wanted))
    if promised.is_exact:
        assert len(matching) == len(found)
    if promised.is_sorted and search.sorting.keys:
        assert keys_of(matching) == keys_of(in_order(matching, search, document))


class TrackingSearchContract:
    """Part of `TrackingContract`."""

    def some_runs(self, case: TrackingCase) -> tuple[ExperimentRecord, list[RunRecord]]:
        """An experiment with five runs that differ."""
        exp = case.experiment()
        runs = [
            case.run(exp, name=f"run {number}", start_time=NOON + timedelta(seconds=number % 3))
            for number in range(5)
        ]
        case.log(
            runs[0], point("acc", 0.9), point("loss", math.nan), params={"lr": "0.1", "opt.name": "adam"}
        )
        case.log(runs[1], point("acc", 0.5), params={"lr": "0.1"}, tags={"team": "it's"})
        case.log(runs[2], point("acc", -1.0), point("loss", 2.0), params={"lr": "0.10", "opt.name": "sgd"})
        case.log(runs[3], point("acc", 0.5), point("loss", math.inf), tags={"team": 'a "b"', "n": "10"})
        case.send(UpdateRun(run_id=runs[4].id, status=RunStatus.FINISHED, end_time=NOON))
        return exp, [case.get(RunRecord, run) for run in runs]

    def test_runs_are_found_by_every_field(self, case: TrackingCase) -> None:
        exp, runs = self.some_runs(case)
        queries: tuple[dict[str, Any], ...] = (
            {},
            {"id": runs[1].id},
            {"id": {"$in": [runs[1].id, runs[2].id]}},
            {"name": "run 3"},
            {"status": "FINISHED"},
            {"status": {"$ne": "FINISHED"}},
            {"start_time": {"$gt": NOON}},
            {"end_time": None},
            {"repo": runs[0].repo},
            {"exp.id": exp.id},
            {"exp.name": {"$ne": exp.name}},
            {"params.lr": 0.1},
            {"params.lr": "0.10"},
            {"params.lr": {"$ne": 0.1}},
            {"params.opt.name": {"$in": ["adam", "lamb"]}},
            {"params.opt": {"$exists": True}},
            {"metrics.acc": {"$gte": 0.5}, "params.lr": {"$exists": True}},
            {"metrics.acc": {"$ne": 0.5}},
            {"metrics.loss": math.nan},
            {"metrics.loss": {"$gt": 1}},
            {"tags.team": "it's"},
            {"tags.team": 'a "b"'},
            {"tags.n": 10},
            {"tags.team": {"$regex": "^[ai]"}},
            {"$or": [{"name": "run 0"}, {"metrics.acc": {"$lt": 0}}]},
        )

        check_promises(case, (spec("run", query, exps=(exp,)) for query in queries), runs)

    def test_runs_are_sorted_as_promised_with_what_is_missing_in_its_place(self, case: TrackingCase) -> None:
        exp, runs = self.some_runs(case)
        sortings = (
            [("start_time", 1)],
            [("start_time", -1)],
            [("metrics.acc", 1)],
            [("metrics.acc", -1)],
            [("metrics.loss", -1)],
            [("metrics.loss", 1), ("name", -1)],
            [("params.lr", 1), ("metrics.acc", -1)],
        )

        searches = (spec("run", sorting=sorting, exps=(exp,)) for sorting in sortings)
        check_promises(case, searches, runs)

    def test_pages_are_disjoint_and_complete(self, case: TrackingCase) -> None:
        exp, runs = self.some_runs(case)

        for sorting in ([], [("metrics.acc", -1)], [("start_time", 1)]):
            pages = pages_of(case.tracking, spec("run", sorting=sorting, exps=(exp,), page_size=2))

            assert max(len(page.records) for page in pages) <= 2
            found = [record for page in pages for record in page.records]
            assert sorted(map(str, map(key_of, found))) == sorted(run.id for run in runs)

    def test_runs_are_found_in_the_experiments_that_are_named(self, case: TrackingCase) -> None:
        one, other = case.experiment(), case.experiment()
        run, another = case.run(one), case.run(other)
        case.run()

        assert found_by(case.tracking, spec("run", exps=(one,))) == [run]
        both = found_by(case.tracking, spec("run", exps=(one, other)))
        assert {key_of(found) for found in both} == {key_of(run), key_of(another)}
        assert found_by(case.tracking, spec("run")) == []

    def test_deleted_runs_are_found_where_the_view_has_them(self, case: TrackingCase) -> None:
        exp = case.experiment()
        kept, deleted = case.run(exp), case.run(exp)
        case.delete(key_of(deleted))

        active = found_by(case.tracking, spec("run", exps=(exp,)))
        gone = found_by(case.tracking, spec("run", exps=(exp,), view="deleted"))
        every = found_by(case.tracking, spec("run", exps=(exp,), view="all"))

        assert [record.id for record in active if isinstance(record, RunRecord)] == [kept.id]
        assert gone == [case.get(RunRecord, deleted)]
        assert {str(key_of(record)) for record in every} == {kept.id, deleted.id}

    def test_experiments_are_found(self, case: TrackingCase) -> None:
        mark = fresh("mark")
        exps = [case.experiment(mark=mark, n=str(number)) for number in range(3)]
        case.delete(key_of(exps[2]))
        queries = (
            {"tags.mark": mark},
            {"name": exps[1].name},
            {"tags.mark": mark, "tags.n": {"$gt": 0}},
            {"id": {"$in": [exps[0].id, exps[2].id]}},
        )

        check_promises(case, (spec("experiment", query, [("name", -1)]) for query in queries), exps[:2])

    def test_models_are_found(self, case: TrackingCase) -> None:
        mark = fresh("mark")
        models = [case.model(mark=mark, n=str(number)) for number in range(3)]
        queries = ({"tags.mark": mark}, {"name": models[1].name}, {"tags.mark": mark, "tags.n": {"$ne": 1}})

        check_promises(case, (spec("model", query, [("name", 1)]) for query in queries), models)

    def test_versions_are_found_by_number_model_and_run(self, case: TrackingCase) -> None:
        model, other, run = case.model(team="a"), case.model(), case.run()
        versions = [
            case.version(model),
            case.version(model, run, tags=immutabledict(quality="0.9")),
            *(case.version(model) for _ in range(2)),
            case.version(other, run),
        ]
        of_model = {"model.name": model.name}
        queries = (
            of_model,
            of_model | {"version": {"$gte": 2}},
            of_model | {"tags.quality": {"$gt": 0.5}},
            of_model | {"run.id": None},
            {"run.id": run.id},
            {"run.id": run.id, "model.tags.team": "a"},
            of_model | {"path_in_run": "model"},
            of_model | {"source": "s3://bucket/model"},
            of_model | {"source": f"{run.repo}/model"},
        )

        check_promises(case, (spec("model version", query, [("version", -1)]) for query in queries), versions)

    def test_versions_are_found_with_their_aliases(self, case: TrackingCase) -> None:
        model = case.model()
        version, _ = case.version(model), case.version(model)
        case.alias(model.name, "champion", version.version)

        search = spec("model version", {"model.name": model.name, "aliases": "champion"})
        found = [r for r in found_by(case.tracking, search) if search.query.matches(case.document(r))]

        assert found == [case.tracking.get(key_of(version)).unwrap()]
