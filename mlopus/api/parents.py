"""The parents of rows that a search found: read once an evaluation, few one by one, many runs by a search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mlopus.api.core import ApiCore
from mlopus.api.gathering import settings_facts
from mlopus.api.reading import Reader
from mlopus.concurrency.daemon_pool import DaemonPool
from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, key_of
from mlopus.domain.records import ExperimentRecord, Record, RunRecord, VersionRecord
from mlopus.domain.status import EntityKind
from mlopus.errors import MlopusError, NotFound, Unavailable
from mlopus.plans.fetch import ask_by_mode
from mlopus.plans.search import Page, PageToken, SearchSpec
from mlopus.plans.steps import AskServer
from mlopus.query import Sorting, parse
from mlopus.query.fields import reads_below
from mlopus.result import Failure, Result, Success

MOST_READ_ONE_BY_ONE: Final = 3
"""More runs are searched for by their ids, in experiments that have to be listed first."""
_AT_ONCE: Final = 8
_IDS_AT_ONCE: Final = 500


def reads_exp(fields: frozenset[str]) -> bool:
    """Whether a search for runs reads of an experiment what a run does not say itself."""
    return reads_below(fields - {"exp.id"}, "exp")


class Parents:
    """Reads the parents that rows of one kind have, and remembers them for one evaluation.

    `may_search`: a server is asked, and nobody else, so that a search saves requests.
    """

    def __init__(self, api: ApiCore, kind: EntityKind, fields: frozenset[str]) -> None:
        self._repositories = api.repositories
        self._recent = api.recent_parents
        ask = ask_by_mode(settings_facts(api.settings))
        costs = self._repositories.tracking.facts.requests_cost
        self.may_search = costs and ask == (AskServer(),)
        self._reader = Reader(self._repositories, self._recent, ask, ())
        self._kind: EntityKind = kind
        self._fields = fields
        self._known: dict[OwnKey, Record] = {}
        self._gone: set[OwnKey] = set()

    def get(self, key: OwnKey) -> Record | None:
        """A parent that was read; None for all others."""
        return self._known.get(key)

    def saw(self, *records: Record) -> None:
        """Remember what was read anyway."""
        self._known.update((key_of(record), record) for record in records)

    def join_what_is_read(self, records: tuple[Record, ...]) -> Result[tuple[Record, ...], MlopusError]:
        """As `join`, of parents whose fields the query or the sorting reads; an id is in the row itself."""
        if self._kind == "run" and reads_exp(self._fields):
            return self.join(records)
        if self._kind != "model version":
            return Success(records)
        if reads_below(self._fields - {"run.id"}, "run") or "path_in_run" in self._fields:
            return self.join(records)
        if reads_below(self._fields - {"model.name"}, "model"):
            read = self._read(tuple(ModelKey(r.name) for r in records if isinstance(r, VersionRecord)))
            return read if isinstance(read, Failure) else Success(self._remaining(records))
        return Success(records)

    def join(self, records: tuple[Record, ...]) -> Result[tuple[Record, ...], MlopusError]:
        """Read every parent of these records, each once; answers the records that have not gone with theirs.

        A model or an experiment that is removed after its rows were found has taken them along. A version
        outlives its run.
        """
        wanted: list[OwnKey] = []
        for record in records:
            if isinstance(record, RunRecord):
                wanted.append(ExperimentKey(record.exp_id))
            elif isinstance(record, VersionRecord):
                wanted.append(ModelKey(record.name))
                wanted += [RunKey(record.run_id)] if record.run_id is not None else []
        read = self._read(tuple(wanted))
        if isinstance(read, Failure):
            return read
        runs = [run for key in wanted if isinstance(run := self._known.get(key), RunRecord)]
        read = self._read(tuple(ExperimentKey(run.exp_id) for run in runs))
        if isinstance(read, Failure):
            return read
        for run in runs:
            if ExperimentKey(run.exp_id) in self._gone:
                self._known.pop(RunKey(run.id), None)
        return Success(self._remaining(records))

    def above(self, record: Record) -> tuple[Record, ...]:
        """The parents of a record that were read."""
        keys: list[OwnKey] = []
        if isinstance(record, RunRecord):
            keys = [ExperimentKey(record.exp_id)]
        elif isinstance(record, VersionRecord):
            keys = [ModelKey(record.name)]
            run = self._known.get(RunKey(record.run_id)) if record.run_id is not None else None
            if isinstance(run, RunRecord):
                keys += [RunKey(run.id), ExperimentKey(run.exp_id)]
        return tuple(self._known[key] for key in keys if key in self._known)

    def _read(self, keys: tuple[OwnKey, ...]) -> Result[None, MlopusError]:
        runs = self._missing(key for key in keys if isinstance(key, RunKey))
        if len(runs) > MOST_READ_ONE_BY_ONE and self.may_search:
            searched = self._search_runs({key.id for key in runs if isinstance(key, RunKey)})
            if isinstance(searched, Failure):
                return searched
        missing = self._missing(keys)
        if not missing:
            return Success(None)
        with DaemonPool(min(_AT_ONCE, len(missing)), "mlopus-parents") as pool:
            found = list(pool.map(self._reader.get, missing))
        for key, result in zip(missing, found, strict=True):
            if isinstance(result, Success):
                self._known[key] = result.unwrap()
            elif isinstance(result.failure(), NotFound):
                self._gone.add(key)
            elif not isinstance(key, RunKey) or isinstance(result.failure(), Unavailable):
                return result
        return Success(None)

    def _remaining(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        return tuple(record for record in records if self._gone.isdisjoint(_owners(record)))

    def _missing(self, keys: Iterable[OwnKey]) -> tuple[OwnKey, ...]:
        return tuple(key for key in dict.fromkeys(keys) if key not in self._known and key not in self._gone)

    def _search_runs(self, ids: set[str]) -> Result[None, MlopusError]:
        """Read runs by searches for their ids, as long as that is less than a request for each.

        What is not found so is left to be asked for one by one, as is all of it where a search fails.
        """
        spent = 0
        everything = SearchSpec(kind="experiment", query=_ALL, sorting=Sorting(), view="all")
        for page in self._pages(everything):
            if isinstance(page, Failure):
                return _unless_answered(page.failure())
            exps = page.unwrap().records
            spent += 1
            self.saw(*exps)
            listed = sorted(ids)
            for start in range(0, len(listed), _IDS_AT_ONCE):
                search = _runs_with_ids(listed[start : start + _IDS_AT_ONCE], exps)
                if not self._repositories.tracking.prepare(search).is_exact:
                    return Success(None)
                for found in self._pages(search):
                    if isinstance(found, Failure):
                        return _unless_answered(found.failure())
                    spent += 1
                    runs = found.unwrap().records
                    self.saw(*runs)
                    ids.difference_update(run.id for run in runs if isinstance(run, RunRecord))
            if spent >= len(ids):
                break
        return Success(None)

    def _pages(self, spec: SearchSpec) -> Iterator[Result[Page, MlopusError]]:
        token: PageToken = None
        while True:
            page = self._repositories.tracking.find(spec, token)
            yield page
            if isinstance(page, Failure) or page.unwrap().next_token is None:
                return
            token = page.unwrap().next_token


def _owners(record: Record) -> tuple[OwnKey, ...]:
    """What a record cannot be without."""
    match record:
        case RunRecord():
            return (ExperimentKey(record.exp_id),)
        case VersionRecord():
            return (ModelKey(record.name),)
        case _:
            return ()


_ALL: Final = parse(None).unwrap()


def _runs_with_ids(ids: list[str], exps: tuple[Record, ...]) -> SearchSpec:
    exp_ids = tuple(exp.id for exp in exps if isinstance(exp, ExperimentRecord))
    query = parse({"id": {"$in": ids}}).unwrap()
    return SearchSpec(kind="run", query=query, sorting=Sorting(), view="all", exp_ids=exp_ids)


def _unless_answered(error: MlopusError) -> Result[None, MlopusError]:
    """A search that was refused is no reason to fail; a server that does not answer is."""
    return Failure(error) if isinstance(error, Unavailable) else Success(None)
