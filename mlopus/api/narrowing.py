"""Versions by what their runs are: those runs are searched for first, where the server can tell them.

Versions know the id of their run only. To read all of them with their runs, and throw most away, is
more than to ask for the runs that are wanted and then for the versions of these; unless these are so
many that their ids take several requests.
"""

from __future__ import annotations

from typing import Final

import attrs

from mlopus.plans.search import SearchSpec
from mlopus.ports.tracking import Tracking
from mlopus.query import Query, Sorting, parse
from mlopus.query.ast import And, In, Path
from mlopus.query.fields import conditions_below

MOST_RUNS: Final = 60
"""Their ids fit into one request."""
_EVERYTHING: Final = parse(None).unwrap()


def runs_to_find_first(tracking: Tracking, spec: SearchSpec) -> Query | None:
    """What to ask of runs before versions are asked for; None if that saves nothing.

    It does where the server evaluates a condition on runs, and no condition on the versions themselves.
    """
    if spec.kind != "model version" or not tracking.prepare(spec).searches or _narrows(tracking, spec):
        return None
    known = conditions_below(spec.query, "run")
    asked = tuple(each.root for each in known if _narrows(tracking, search_for_runs(each, ("0",))))
    return Query(And(asked)) if asked else None


def search_for_runs(query: Query, exp_ids: tuple[str, ...]) -> SearchSpec:
    """Runs of any stage, one more than may be asked for by id: a version keeps a run that was deleted."""
    return SearchSpec(
        kind="run", query=query, sorting=Sorting(), view="all", exp_ids=exp_ids, page_size=MOST_RUNS + 1
    )


def of_runs(spec: SearchSpec, run_ids: tuple[str, ...]) -> SearchSpec:
    """The search for versions, of these runs only."""
    narrower = And((spec.query.root, In(Path("run.id"), run_ids)))
    return attrs.evolve(spec, query=Query(narrower))


def _narrows(tracking: Tracking, spec: SearchSpec) -> bool:
    """Whether the server is asked for less than everything."""
    everything = attrs.evolve(spec, query=_EVERYTHING)
    return tracking.prepare(spec).evaluated != tracking.prepare(everything).evaluated
