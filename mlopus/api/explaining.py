"""What a search would do, in words: who is asked for what, and how often. Nobody is asked."""

from __future__ import annotations

from mlopus.api.core import ApiCore
from mlopus.api.narrowing import MOST_RUNS, runs_to_find_first, search_for_runs
from mlopus.api.parents import MOST_READ_ONE_BY_ONE
from mlopus.api.searching import Evaluation, exps_named_by, knows_exp
from mlopus.domain.entities import Experiment
from mlopus.domain.status import EntityKind, View
from mlopus.plans.search import PushDown, SearchSpec
from mlopus.query import Query, Sorting


def explained(
    api: ApiCore,
    kind: EntityKind,
    query: Query,
    sorting: Sorting,
    view: View,
    limit: int | None,
    exp: Experiment | None,
) -> str:
    """A line for each thing that there is to say."""
    named = (exp.id,) if exp is not None else exps_named_by(query)
    stage = "that are active" if view == "active" else "of any stage"
    exp_ids = () if kind != "run" else (stage,) if named is None else named
    spec = Evaluation(api, kind, query, sorting, view).spec_in(exp_ids, limit)
    offline = api.settings.offline_mode
    source = api.repositories.cache if offline else api.repositories.tracking
    push = source.prepare(spec)
    lines = [f"asks     {'the cache' if offline else api.repositories.tracking.origin}"]
    asks_nobody = offline or not api.repositories.tracking.facts.requests_cost
    wanted = None if asks_nobody else runs_to_find_first(api.repositories.tracking, spec)
    if wanted is not None:
        first = source.prepare(search_for_runs(wanted, ("of any stage",)))
        lines += [f"first    {part}" for part in first.evaluated]
        lines.append(f"then     versions of these runs; if they are more than {MOST_RUNS}, of all:")
    lines += [f"pushes   {part}" for part in push.evaluated or ("nothing",)]
    lines += [f"rechecks {part}" for part in push.rechecked]
    lines.append(f"matches  {'exactly' if push.is_exact else 'a superset, filtered here'}")
    lines.append(f"order    {'as they come' if push.is_sorted else 'sorted here, after all pages'}")
    lines.append(f"pages    {_pages(spec, push)}")
    knows = exp is not None and knows_exp(api, query, sorting)
    told = _requests(kind, push, lists=named is None, knows=knows, runs_first=wanted is not None)
    lines.append(f"requests {'none' if asks_nobody else told}")
    return "\n".join(lines)


def _pages(spec: SearchSpec, push: PushDown) -> str:
    size = f"of up to {spec.page_size} row{'' if spec.page_size == 1 else 's'}"
    return f"{size}, in {push.searches} searches" if push.searches > 1 else size


def _requests(kind: EntityKind, push: PushDown, *, lists: bool, knows: bool, runs_first: bool) -> str:
    """What is certain as numbers; what depends on what is found as a number for each of it."""
    if kind == "run" and lists:
        return "pages + 1 for the list of experiments"
    if not push.searches:
        return "none, since nothing can match"
    if kind == "run" and not knows:
        return "pages + 1 for each experiment found"
    if kind == "model version":
        runs = f"1 for each run found and its experiment (2 if more than {MOST_READ_ONE_BY_ONE} runs)"
        first = "2 for the runs + " if runs_first else ""
        rest = f"{'otherwise ' if runs_first else ''}{runs}"
        return f"{first}pages + 1 for each model found (1 a page if more than 2) + {rest}"
    return "pages"
