"""The interpreter of fetch steps: who is asked, in which order, and what is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

import attrs

from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ModelKey,
    RunKey,
    VersionKey,
    key_of,
    kind_of,
)
from mlopus.domain.locations import exp_named_by
from mlopus.domain.records import ModelRecord, Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotCached, NotFound, Unavailable
from mlopus.execution.repositories import Repositories
from mlopus.plans.outcomes import Fetched
from mlopus.plans.pending import Pending
from mlopus.plans.steps import Ask, AskCache, AskServer, FetchEntity
from mlopus.ports.metadata_cache import CachedRecord
from mlopus.result import Failure, Result, Success

T = TypeVar("T")
RECENT_S = 60.0
"""How long an experiment that this API has seen is taken to be as it was."""
RECENT_COPY = "recent copy of "
SILENT_S = 15.0
"""How long a server that did not answer in time is taken to be away, where the cache can answer."""


class RecentParents:
    """Experiments and models that an API saw lately, so that reading many runs asks for them once."""

    def __init__(self) -> None:
        self._seen: dict[EntityKey, tuple[datetime, Record]] = {}
        self._silence: tuple[datetime, Unavailable] | None = None
        self._lock = threading.Lock()

    def find(self, key: EntityKey, now: datetime) -> Record | None:
        """The record of that key, if it was seen within `RECENT_S`."""
        with self._lock:
            seen = self._seen.get(key)
        return seen[1] if seen and now - seen[0] <= timedelta(seconds=RECENT_S) else None

    def saw(self, records: tuple[Record, ...], now: datetime) -> None:
        """Remember what a server answered; runs and versions change too fast to be remembered."""
        with self._lock:
            for record in records:
                if not isinstance(record, RunRecord | VersionRecord | ModelRecord):
                    self._seen[key_of(record)] = (now, record)

    def was_silent(self, error: Unavailable, now: datetime) -> None:
        """Remember that the server did not answer in time."""
        self._silence = (now, error)

    def silence(self, now: datetime) -> Unavailable | None:
        """Why the server is taken to be away, if it did not answer within `SILENT_S`."""
        silence = self._silence
        return silence[1] if silence and now - silence[0] <= timedelta(seconds=SILENT_S) else None

    def forget(self) -> None:
        """Forget everything, after a change that may concern what is remembered."""
        with self._lock:
            self._seen.clear()

    def __reduce__(self) -> tuple[type[RecentParents], tuple[()]]:
        return RecentParents, ()


def fetch(
    step: FetchEntity, repositories: Repositories, recent: RecentParents
) -> Result[Fetched, MlopusError]:
    """Ask in the order of the step: the next one where an earlier lacks the entity or is unavailable."""

    def answer(ask: Ask) -> Result[Fetched, MlopusError]:
        if isinstance(ask, AskServer):
            key = _asked(step)
            return in_time(ask, key, repositories, recent, lambda now: _from_server(step, now, recent))
        return _from_cache(_asked(step), ask, repositories)

    return first_answer(step.ask, answer)


def _asked(step: FetchEntity) -> EntityKey:
    assert not isinstance(step.key, Pending), f"{step.key} was not bound before execution"  # noqa: S101
    return step.key


def in_time(
    ask: AskServer,
    key: EntityKey | None,
    repositories: Repositories,
    recent: RecentParents,
    use: Callable[[Repositories], Result[T, MlopusError]],
) -> Result[T, MlopusError]:
    """Ask the server: in a hurry where the cache has the entity, at leisure where nobody else has.

    A server that was silent a moment ago is not asked at all where the cache can answer. Without a key
    the cache is taken to have an answer.
    """
    can_wait = ask.patience_s is None or (
        key is not None and isinstance(repositories.cache.get(key), Failure)
    )
    if ask.patience_s is None or can_wait:
        return use(repositories)
    now = repositories.clock.now()
    silence = recent.silence(now)
    if silence is not None:
        return Failure(silence)
    tracking = repositories.tracking.hurried(ask.patience_s)
    found = use(attrs.evolve(repositories, tracking=tracking))
    if isinstance(found, Failure) and isinstance(error := found.failure(), Unavailable):
        recent.was_silent(error, repositories.clock.now())
    return found


def first_answer(
    asks: tuple[Ask, ...], answer: Callable[[Ask], Result[T, MlopusError]]
) -> Result[T, MlopusError]:
    """What the first gives that has it; others are asked if one lacks it or is unavailable.

    Where nobody has it, that the cache lacks it is the answer; its hint says why a server that was
    asked too gave none.
    """
    missed: NotCached | None = None
    unavailable: Unavailable | None = None
    for ask in asks:
        result = answer(ask)
        if isinstance(result, Success):
            return result
        error = result.failure()
        if isinstance(error, NotCached):
            missed = error
        elif isinstance(error, Unavailable):
            unavailable = unavailable or error
        else:
            return result
    if missed is not None and unavailable is not None:
        hint = f"The server was asked too: {unavailable}. Ask again when it answers."
        return Failure(attrs.evolve(missed, kind=missed.kind.removeprefix(RECENT_COPY), hint=hint))
    failure = unavailable or missed
    assert failure is not None, "somebody is asked"  # noqa: S101
    return Failure(failure)


def young_enough(row: CachedRecord, ask: AskCache, now: datetime) -> Result[CachedRecord, NotCached]:
    """A row of the cache, if it is not older than what is asked for."""
    if ask.max_age_s is not None and (now - row.as_of) / timedelta(seconds=1) > ask.max_age_s:
        key = str(key_of(row.record))
        return Failure(
            NotCached(kind=f"{RECENT_COPY}{kind_of(key_of(row.record))}", key=key, place="the cache")
        )
    return Success(row)


def _from_server(
    step: FetchEntity, repositories: Repositories, recent: RecentParents
) -> Result[Fetched, MlopusError]:
    now = repositories.clock.now()

    asked = _asked(step)

    def get(key: EntityKey) -> Result[Record, MlopusError]:
        seen = None if key == asked else recent.find(key, now)
        return Success(seen) if seen is not None else repositories.tracking.get(key)

    crosses_network = repositories.tracking.facts.requests_cost
    found = with_parents(asked, get, at_once=crosses_network)
    if isinstance(found, Failure):
        return found
    records = found.unwrap()
    recent.saw(records, now)
    if step.keep and repositories.cache.is_writable:
        kept = repositories.cache.put(records, now)
        if isinstance(kept, Failure):
            return kept
    return Success(Fetched(records=records))


def _from_cache(key: EntityKey, ask: AskCache, repositories: Repositories) -> Result[Fetched, MlopusError]:
    taken: list[datetime] = []

    def get(key: EntityKey) -> Result[Record, MlopusError]:
        cached = repositories.cache.get(key)
        if isinstance(cached, Failure):
            return cached
        row = cached.unwrap()
        taken.append(row.as_of)
        return Success(row.record)

    found = with_parents(key, get, at_once=False)
    if isinstance(found, Failure):
        return found
    records, oldest = found.unwrap(), min(taken)
    young = young_enough(CachedRecord(record=records[0], as_of=taken[0]), ask, repositories.clock.now())
    if isinstance(young, Failure):
        return young
    return Success(Fetched(records=records, as_of=oldest))


Get: TypeAlias = Callable[[EntityKey], Result[Record, MlopusError]]


def with_parents(key: EntityKey, get: Get, *, at_once: bool) -> Result[tuple[Record, ...], MlopusError]:
    """An entity, then its parents: a run's experiment; a version's model, run and experiment.

    A run that is gone is taken out of its version, so that a cache knows it too.

    Args:
        key: Of the entity.
        get: Asks for one.
        at_once: Ask for two at the same time where one need not be waited for to ask for the other.
    """
    if isinstance(key, VersionKey | AliasKey):
        return _version_with_parents(key, get, at_once=at_once)
    if isinstance(key, RunKey):
        return _run_with_exp(key, get, None)
    found = get(key)
    return found if isinstance(found, Failure) else Success((found.unwrap(),))


def _version_with_parents(
    key: VersionKey | AliasKey, get: Get, *, at_once: bool
) -> Result[tuple[Record, ...], MlopusError]:
    version, model = _both(get, key, ModelKey(key.name), at_once=at_once)
    if isinstance(version, Failure):
        return version
    if isinstance(model, Failure):
        return model
    record = version.unwrap()
    assert isinstance(record, VersionRecord)  # noqa: S101 (the port answers the kind that was asked)
    above = (record, model.unwrap())
    if record.run_id is None:
        return Success(above)
    guess = exp_named_by(record.source, record.run_id) if at_once else None
    run = _run_with_exp(RunKey(record.run_id), get, guess)
    if isinstance(run, Failure):
        gone = isinstance(run.failure(), NotFound) and not isinstance(run.failure(), NotCached)
        return Success((attrs.evolve(record, run_id=None), above[1])) if gone else run
    return Success((*above, *run.unwrap()))


def _run_with_exp(key: RunKey, get: Get, guess: str | None) -> Result[tuple[Record, ...], MlopusError]:
    """A run and its experiment; the one that is guessed is asked for along with the run."""
    if guess is None:
        found, exp = get(key), None
    else:
        found, exp = _both(get, key, ExperimentKey(guess), at_once=True)
    if isinstance(found, Failure):
        return found
    run = found.unwrap()
    assert isinstance(run, RunRecord)  # noqa: S101 (the port answers the kind that was asked)
    if exp is None or run.exp_id != guess:
        exp = get(ExperimentKey(run.exp_id))
    return exp if isinstance(exp, Failure) else Success((run, exp.unwrap()))


def _both(
    get: Get, one: EntityKey, other: EntityKey, *, at_once: bool
) -> tuple[Result[Record, MlopusError], Result[Record, MlopusError]]:
    if not at_once:
        return get(one), get(other)
    from mlopus.concurrency.daemon_pool import DaemonPool  # noqa: PLC0415 (only across a network)

    with DaemonPool(1, "mlopus-other") as pool:
        asked = pool.submit(get, other)
        return get(one), asked.result()
