"""Gathering what two stores hold of what is copied from one to the other. It changes neither."""

from __future__ import annotations

from typing import assert_never

import attrs

from mlopus.api.calls import Call
from mlopus.api.copy_digests import with_digests
from mlopus.api.copy_source import SourceSide
from mlopus.api.copy_target import TargetSide
from mlopus.api.core import ApiCore
from mlopus.api.gathering import settings_facts
from mlopus.domain.keys import ExperimentKey, RunKey, kind_of
from mlopus.domain.records import ExperimentRecord, RunRecord, VersionRecord
from mlopus.errors import InvalidRequest, MlopusError, OfflineMode, Unsupported
from mlopus.plans.copy_facts import CopyFacts
from mlopus.plans.copy_requests import CopyExpTo, CopyRequest, CopyRunTo, CopyVersionTo
from mlopus.plans.facts import CacheFacts, Facts
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success, mapped


def gather_copy(call: Call, source: ApiCore, target: ApiCore) -> Result[Facts, MlopusError]:
    """Everything that planning this copy needs to know."""
    request = call.request
    assert isinstance(request, CopyRequest)  # noqa: S101 (what a call with a target holds)
    if source.settings.offline_mode or target.settings.offline_mode:
        return Failure(OfflineMode(action=title_of(request)))
    into = target.repositories
    facts = Facts(
        now=into.clock.now(),
        tracking=into.tracking.facts,
        settings=settings_facts(target.settings),
        metadata_is_writable=into.cache.is_writable,
        cache=CacheFacts(cache_id=into.artifacts.cache_id, is_writable=into.artifacts.is_writable),
    )
    if request.source == request.to:
        return Success(facts)  # which the planner refuses without a look at either
    copying = _both_sides(request, SourceSide(source.repositories), TargetSide(into, request))
    return mapped(copying, lambda both: attrs.evolve(facts, copying=both))


def _both_sides(
    request: CopyRequest, source: SourceSide, target: TargetSide
) -> Result[CopyFacts, MlopusError]:
    chosen = _chosen(request, source)
    if isinstance(chosen, Failure):
        return chosen
    subject = chosen.unwrap()
    held = source.holdings(subject.exp, subject.runs, subject.versions, only=subject.only)
    if isinstance(held, Failure):
        return held
    there = target.holdings(held.unwrap())
    if isinstance(there, Failure):
        return there
    both = CopyFacts(source=held.unwrap(), target=there.unwrap())
    return with_digests(both, source.repositories.stores, target.repositories.stores)


@attrs.frozen(kw_only=True)
class _Subject:
    """What is to be copied; `only`: of the runs' artifacts nothing but the bytes of these versions."""

    exp: ExperimentRecord
    runs: tuple[RunRecord, ...]
    versions: tuple[VersionRecord, ...]
    only: bool = False


def _chosen(request: CopyRequest, source: SourceSide) -> Result[_Subject, MlopusError]:
    match request:
        case CopyExpTo():
            exp = source.get(request.exp, ExperimentRecord)
            if isinstance(exp, Failure):
                return exp
            runs = source.runs_of(request.exp)
        case CopyRunTo():
            runs = source.run_and_below(request.run, with_children=request.with_children)
            if isinstance(runs, Failure):
                return runs
            exp = source.get(ExperimentKey(runs.unwrap()[0].exp_id), ExperimentRecord)
        case CopyVersionTo():
            return _version(request, source)
        case _:
            assert_never(request)
    if isinstance(exp, Failure):
        return exp
    if isinstance(runs, Failure):
        return runs
    named: tuple[ExperimentRecord | RunRecord, ...] = (exp.unwrap(), *runs.unwrap()[:1])
    deleted = next(filter(None, (_deleted(record, request) for record in named)), None)
    if deleted is not None:
        return Failure(deleted)
    versions = source.versions_of(runs.unwrap()) if request.with_versions else Success(())
    return mapped(versions, lambda found: _Subject(exp=exp.unwrap(), runs=runs.unwrap(), versions=found))


def _version(request: CopyVersionTo, source: SourceSide) -> Result[_Subject, MlopusError]:
    found = source.get(request.version, VersionRecord)
    if isinstance(found, Failure):
        return found
    version = found.unwrap()
    if version.run_id is None:
        hint = "log_model_version there registers its bytes with a run of their own."
        action = f"copying version {version.version} of {version.name!r}, which leads to no run"
        return Failure(Unsupported(action=action, place="mlopus", hint=hint))
    run = source.get(RunKey(version.run_id), RunRecord)
    if isinstance(run, Failure):
        return run
    exp = source.get(ExperimentKey(run.unwrap().exp_id), ExperimentRecord)
    if isinstance(exp, Failure):
        return exp
    deleted = _deleted(run.unwrap(), request)
    if deleted is not None:
        return Failure(deleted)
    subject = _Subject(exp=exp.unwrap(), runs=(run.unwrap(),), versions=(version,), only=True)
    return Success(subject)


def _deleted(record: ExperimentRecord | RunRecord, request: CopyRequest) -> InvalidRequest | None:
    """Why a deleted entity is not copied; None if it is active."""
    if record.lifecycle_stage != "deleted":
        return None
    key = ExperimentKey(record.id) if isinstance(record, ExperimentRecord) else RunKey(record.id)
    verb = "restore_exp" if isinstance(record, ExperimentRecord) else "restore_run"
    return InvalidRequest(
        place=str(request.source),
        request="copying",
        code="deleted",
        reply=f"{kind_of(key)} {key} is deleted",
        hint=f"{verb}({record.id!r}) brings it back.",
    )
