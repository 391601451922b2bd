"""How a search is evaluated: experiments chosen, pages asked for, rows re-checked, parents joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast

import attrs
from immutabledict import immutabledict

from mlopus.api.core import ApiCore
from mlopus.api.narrowing import MOST_RUNS, of_runs, runs_to_find_first, search_for_runs
from mlopus.api.paging import Pages
from mlopus.api.parents import Parents, reads_exp
from mlopus.api.views import Viewer, records_of
from mlopus.domain.documents import Document, document_of, tie_of
from mlopus.domain.entities import Entity, Experiment
from mlopus.domain.keys import ExperimentKey, OwnKey, key_of
from mlopus.domain.records import ExperimentRecord, Record, RunRecord
from mlopus.domain.status import EntityKind, View
from mlopus.domain.text import codec_named
from mlopus.errors import MlopusError, OfflineMode, Unavailable
from mlopus.execution.fetching import in_time
from mlopus.plans.envelope import read_only_cache
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.plans.steps import AskServer
from mlopus.ports.metadata_cache import MetadataCache
from mlopus.ports.tracking import Tracking
from mlopus.query import Query, Sorting, parse
from mlopus.query.fields import equal_to, fields_of, part_about
from mlopus.query.sorting import document_key
from mlopus.result import Failure, Result, Success, mapped

PAGE_SIZE = 1000
_ANY_EXP = parse(None).unwrap()


def evaluate(
    api: ApiCore,
    kind: EntityKind,
    query: Query,
    sorting: Sorting,
    view: View,
    limit: int | None,
    exp: Experiment | None,
) -> Iterator[Result[tuple[Entity, ...], MlopusError]]:
    """Yield pages of handles; the last is a Failure if a page failed."""
    evaluation = Evaluation(api, kind, query, sorting, view)
    if exp is not None and knows_exp(api, query, sorting):
        evaluation.given(exp)
    for page in evaluation.limited(limit, None if exp is None else exp.id):
        yield page if isinstance(page, Failure) else evaluation.handles(page.unwrap())


def count_found(
    api: ApiCore,
    kind: EntityKind,
    query: Query,
    sorting: Sorting,
    view: View,
    limit: int | None,
    exp_id: str | None,
) -> Result[int, MlopusError]:
    """How many a search finds; parents are read only where the query asks about them."""
    count = 0
    for page in Evaluation(api, kind, query, sorting, view).limited(limit, exp_id):
        if isinstance(page, Failure):
            return page
        count += len(page.unwrap())
    return Success(count)


def cache_found(
    api: ApiCore,
    kind: EntityKind,
    query: Query,
    sorting: Sorting,
    view: View,
    limit: int | None,
    exp_id: str | None,
) -> Result[int, MlopusError]:
    """Keep what a search finds, with parents; answers how many were found."""
    if api.settings.offline_mode:
        return Failure(OfflineMode(action=f"caching {kind}s found on the server"))
    if not api.repositories.cache.is_writable:
        return Failure(read_only_cache(f"caching {kind}s found on the server"))
    evaluation = Evaluation(api, kind, query, sorting, view)
    count = 0
    for page in evaluation.limited(limit, exp_id):
        if isinstance(page, Failure):
            return page
        kept = evaluation.keep(page.unwrap())
        if isinstance(kept, Failure):
            return kept
        count += kept.unwrap()
    return Success(count)


def oldest(
    api: ApiCore, kind: EntityKind, query: Query, sorting: Sorting, view: View, exp_id: str | None
) -> datetime | None:
    """When the oldest row that a search may see was cached."""
    evaluation = Evaluation(api, kind, query, sorting, view)
    spec = evaluation.spec(None, exp_id)
    if isinstance(spec, Failure):
        return None
    found = api.repositories.cache.oldest(spec.unwrap())
    return None if isinstance(found, Failure) else found.unwrap()


def knows_exp(api: ApiCore, query: Query, sorting: Sorting) -> bool:
    """Whether an experiment that the caller gave will do for the runs found in it.

    What rows are matched or sorted by is read anew, and so is what is kept: the cache says when it was
    taken. Offline it is read from there.
    """
    keeps = api.settings.cache_metadata_on_read == "all"
    return not (api.settings.offline_mode or keeps or reads_exp(fields_of(query, sorting)))


def exps_named_by(query: Query) -> tuple[str, ...] | None:
    """The only experiments whose runs may match, where the query names them."""
    named = equal_to(query, "exp.id")
    if named is None:
        return None
    return tuple(dict.fromkeys(str(value) for value in named if isinstance(value, str | int)))


class Evaluation:
    """One evaluation of one search: remembers the parents it has read."""

    def __init__(self, api: ApiCore, kind: EntityKind, query: Query, sorting: Sorting, view: View) -> None:
        self._api = api
        self._repositories = api.repositories
        self._codec = codec_named(api.settings.text_codec)
        self._kind: EntityKind = kind
        self._query = query
        self._sorting = sorting
        self._view: View = view
        self._parents = Parents(api, kind, fields_of(query, sorting))
        self._taken_at: dict[OwnKey, datetime] = {}

    def given(self, exp: Experiment) -> None:
        """Remember an experiment that the caller has, so that nobody is asked for it."""
        self._parents.saw(*records_of(exp, self._codec))

    @property
    def _source(self) -> Tracking | MetadataCache:
        return self._repositories.cache if self._api.settings.offline_mode else self._repositories.tracking

    def spec(self, limit: int | None, exp_id: str | None) -> Result[SearchSpec, MlopusError]:
        """The search as its evaluator takes it: runs are searched in experiments that are named."""
        if self._kind != "run":
            return Success(self.spec_in((), limit))
        chosen = self._exp_ids(self._query, self._view) if exp_id is None else self._exp_now(exp_id)
        return chosen if isinstance(chosen, Failure) else Success(self.spec_in(chosen.unwrap(), limit))

    def _exp_now(self, exp_id: str) -> Result[tuple[str, ...], MlopusError]:
        found = self._api.as_now(Success(ExperimentKey(exp_id)))
        return mapped(found, lambda key: (key.id,))

    def spec_in(self, exp_ids: tuple[str, ...], limit: int | None) -> SearchSpec:
        """The search in these experiments, in pages that are not larger than is needed."""
        spec = SearchSpec(
            kind=self._kind,
            query=self._query,
            sorting=self._sorting,
            view=self._view,
            exp_ids=exp_ids,
            page_size=PAGE_SIZE,
        )
        push = self._source.prepare(spec)
        if limit is None or not push.is_exact or not push.is_sorted:
            return spec
        return attrs.evolve(spec, page_size=max(1, min(PAGE_SIZE, limit)))

    def limited(
        self, limit: int | None, exp_id: str | None
    ) -> Iterator[Result[tuple[Record, ...], MlopusError]]:
        """Yield pages until there are enough rows, the last one cut to what is wanted; or a Failure."""
        left = limit
        for page in self.pages(limit, exp_id):
            if isinstance(page, Failure) or left is None:
                yield page
                continue
            yield Success(page.unwrap()[:left])
            left -= len(page.unwrap())
            if left <= 0:
                return

    def pages(
        self, limit: int | None, exp_id: str | None
    ) -> Iterator[Result[tuple[Record, ...], MlopusError]]:
        """Yield matching records with known parents, each once, in the asked order."""
        if limit == 0:
            return
        made = self.spec(limit, exp_id)
        if isinstance(made, Failure):
            yield made
            return
        spec = made.unwrap()
        if self._kind == "run" and not spec.exp_ids:
            return
        narrower = self._of_runs_that_match(spec)
        if isinstance(narrower, Failure):
            yield narrower
            return
        spec = narrower.unwrap()
        push = self._source.prepare(spec)
        if push.is_sorted or not self._sorting.keys:
            for page in self._matching_pages(spec, limit, push):
                yield page
                self._taken_at.clear()  # of rows that are given; all of a long search would be much
            return
        all_rows: list[Record] = []
        for page in self._matching_pages(spec, None, push):
            if isinstance(page, Failure):
                yield page
                return
            all_rows.extend(page.unwrap())
        if all_rows:
            yield self._sorted(tuple(all_rows))

    def _matching_pages(
        self, spec: SearchSpec, limit: int | None, push: PushDown
    ) -> Iterator[Result[tuple[Record, ...], MlopusError]]:
        """Yield matching records, each once, as they come; the next page is asked for where it is needed."""
        seen: set[OwnKey] = set()
        count = 0
        with self._raw_pages(spec) as pages:
            while (page := pages.next()) is not None:
                if isinstance(page, Failure):
                    yield page
                    return
                if limit is None:
                    pages.ask_ahead()
                new = self._noted(page.unwrap())
                if not push.comes_once:
                    new = tuple(record for record in new if key_of(record) not in seen)
                    seen.update(map(key_of, new))
                matching = self._matching(new, is_exact=push.is_exact)
                if isinstance(matching, Failure):
                    yield matching
                    return
                count += len(matching.unwrap())
                if limit is not None and count < limit:
                    pages.ask_ahead()
                if matching.unwrap():
                    yield matching

    def _raw_pages(self, spec: SearchSpec) -> Pages:
        """Pages as their source has them: the cache, if the first is asked of a server that is not there."""
        sources, offline = [self._source], self._api.settings.offline_mode

        def ask(token: PageToken) -> Result[Page, MlopusError]:
            falls_back = not offline and self._api.settings.max_age_s is not None and token is None
            page = self._first_page(spec) if falls_back else sources[-1].find(spec, token)
            if isinstance(page, Failure) and isinstance(page.failure(), Unavailable) and falls_back:
                sources.append(self._repositories.cache)
                return sources[-1].find(spec, None)
            return page

        costs = not offline and self._repositories.tracking.facts.requests_cost
        return Pages(ask, crosses_network=costs)

    def _first_page(self, spec: SearchSpec) -> Result[Page, MlopusError]:
        """What the server has, if it answers soon: else the cache is to be asked."""
        ask = AskServer(patience_s=self._api.settings.connect_timeout_s)
        recent = self._api.recent_parents
        return in_time(ask, None, self._repositories, recent, lambda given: given.tracking.find(spec, None))

    def _noted(self, page: Page) -> tuple[Record, ...]:
        """The rows of a page; when they were taken, and the parents beside them, is remembered."""
        self._taken_at.update(zip(map(key_of, page.records), page.taken_at, strict=False))
        self._parents.saw(*page.beside)
        return page.records

    def _of_runs_that_match(self, spec: SearchSpec) -> Result[SearchSpec, MlopusError]:
        """The search for versions of those runs only that can match, where that is cheaper; else the same."""
        wanted = runs_to_find_first(self._repositories.tracking, spec) if self._parents.may_search else None
        if wanted is None:
            return Success(spec)
        exp_ids = self._exp_ids(wanted, "all")
        if isinstance(exp_ids, Failure):
            return _unless_answered(exp_ids.failure(), spec)
        run_ids: list[str] = []
        with self._raw_pages(search_for_runs(wanted, exp_ids.unwrap())) as pages:
            while exp_ids.unwrap() and (page := pages.next()) is not None:
                if isinstance(page, Failure):
                    return _unless_answered(page.failure(), spec)
                runs = [record for record in page.unwrap().records if isinstance(record, RunRecord)]
                self._parents.saw(*runs)
                run_ids += [run.id for run in runs if wanted.matches(self._document(run))]
                if len(run_ids) > MOST_RUNS:
                    return Success(spec)
        return Success(of_runs(spec, tuple(dict.fromkeys(run_ids))))

    def _exp_ids(self, query: Query, of_runs: View) -> Result[tuple[str, ...], MlopusError]:
        """Experiments whose runs may match: those named, else all that the query does not exclude."""
        named = exps_named_by(query)
        if named is not None:
            return Success(named)
        view: View = "active" if of_runs == "active" else "all"
        spec = SearchSpec(kind="experiment", query=_ANY_EXP, sorting=Sorting(), view=view)
        about = part_about(query, "exp")
        ids_found: list[str] = []
        with self._raw_pages(spec) as pages:
            while (page := pages.next()) is not None:
                if isinstance(page, Failure):
                    return page
                pages.ask_ahead()
                for record in self._noted(page.unwrap()):
                    if not isinstance(record, ExperimentRecord):
                        continue
                    self._parents.saw(record)
                    if about.matches(immutabledict({"exp": document_of(record, self._codec)})):
                        ids_found.append(record.id)
        return Success(tuple(dict.fromkeys(ids_found)))

    def _matching(
        self, records: tuple[Record, ...], *, is_exact: bool
    ) -> Result[tuple[Record, ...], MlopusError]:
        if is_exact:
            return Success(records)
        joined = self._parents.join_what_is_read(records)
        if isinstance(joined, Failure):
            return joined
        remaining = joined.unwrap()
        return Success(tuple(record for record in remaining if self._query.matches(self._document(record))))

    def _sorted(self, records: tuple[Record, ...]) -> Result[tuple[Record, ...], MlopusError]:
        joined = self._parents.join_what_is_read(records)
        if isinstance(joined, Failure):
            return joined
        key = document_key(self._sorting)
        ordered = sorted(joined.unwrap(), key=lambda record: (key(self._document(record)), tie_of(record)))
        return Success(tuple(ordered))

    def _document(self, record: Record) -> Document:
        return document_of(record, self._codec, self._parents.get)

    def handles(self, records: tuple[Record, ...]) -> Result[tuple[Entity, ...], MlopusError]:
        """The handles of records, with their parents read."""
        joined = self._parents.join(records)
        if isinstance(joined, Failure):
            return joined
        if self._api.settings.cache_metadata_on_read == "all" and not self._api.settings.offline_mode:
            kept = self.keep(records)
            if isinstance(kept, Failure):
                return kept
        return Success(tuple(map(self._handle, joined.unwrap())))

    def _handle(self, record: Record) -> Entity:
        viewer = Viewer(cast("Any", self._api), self._codec, self._taken_at.get(key_of(record)))
        return viewer.handle((record, *self._parents.above(record)))

    def keep(self, records: tuple[Record, ...]) -> Result[int, MlopusError]:
        """Put records and their parents into the metadata cache; answers how many are still there."""
        joined = self._parents.join(records)
        if isinstance(joined, Failure):
            return joined
        remaining = joined.unwrap()
        if not remaining or not self._repositories.cache.is_writable:
            return Success(len(remaining))
        rows = dict.fromkeys(row for record in remaining for row in (record, *self._parents.above(record)))
        put = self._repositories.cache.put(tuple(rows), self._repositories.clock.now())
        return mapped(put, lambda _: len(remaining))


def _unless_answered(error: MlopusError, spec: SearchSpec) -> Result[SearchSpec, MlopusError]:
    """A search for runs that was refused is no reason to fail; a server that does not answer is."""
    return Failure(error) if isinstance(error, Unavailable) else Success(spec)


def data_frame(entities: Sequence[Entity]) -> Any:
    """A DataFrame with a column for each dotted field."""
    from importlib import import_module

    from mlopus.domain.nested import flatten
    from mlopus.domain.text import PLAIN

    rows: list[dict[str, Any]] = []
    for entity in entities:
        records = records_of(entity, PLAIN)
        parents = {key_of(record): record for record in records}
        document = document_of(records[0], PLAIN, parents.get)
        rows.append(dict(flatten(document).unwrap()))
    try:
        pandas: Any = import_module("pandas")
    except ImportError as exc:
        raise ImportError("to_pandas needs pandas: pip install 'mlopus[pandas]'") from exc
    return pandas.DataFrame(rows)
