"""Planning a publish: bytes to a store, then what is registered, then the cache's copy of them.

Everything is decided, and every conflict found, before the first byte moves. A version is
registered once all bytes are there; the source goes last, if it goes.
"""

from __future__ import annotations

from typing import TypeAlias

from immutabledict import immutabledict

from mlopus.domain.paths import join_path
from mlopus.domain.records import OPERATION_TAG
from mlopus.errors import (
    AlreadyExists,
    ConflictingOptions,
    IllegalPath,
    InvalidRequest,
    InvalidValue,
    NotFound,
    OfflineMode,
    PathInUse,
    StoreFailed,
    ValueTooLong,
)
from mlopus.plans.bindings import TREE, UPLOADED
from mlopus.plans.changes import RegisterVersion
from mlopus.plans.envelope import make_plan, record_of, rows_not_cached
from mlopus.plans.facts import Facts
from mlopus.plans.keeping_steps import RecordPlacement
from mlopus.plans.pending import Pending
from mlopus.plans.plan import Answer, EntityAnswer, Plan, ReceiptAnswer, Stage
from mlopus.plans.publish_bytes import version_in_use
from mlopus.plans.publish_cache import cache_stages
from mlopus.plans.publish_job import Job, job_of
from mlopus.plans.publish_metadata import reflected
from mlopus.plans.publish_parts import parents_of, source_removal, version_refused
from mlopus.plans.publish_source import link_fault
from mlopus.plans.queueing import not_queued
from mlopus.plans.queueing_bytes import plan_queued_publish
from mlopus.plans.requests import LogModelVersion, PublishRequest
from mlopus.plans.steps import RemoveRemoteFiles, UploadFiles, WithdrawEntries
from mlopus.plans.tracking_changes import tag_texts
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

PublishRefusal: TypeAlias = (
    AlreadyExists
    | ConflictingOptions
    | IllegalPath
    | InvalidRequest
    | InvalidValue
    | NotFound
    | OfflineMode
    | PathInUse
    | StoreFailed
    | ValueTooLong
)


def plan_publish(request: PublishRequest, facts: Facts) -> Result[Plan, PublishRefusal]:
    """Work out what a publish sends, keeps, leaves, removes, registers and caches.

    Needs the location (a run's, at the path published to), the store with its listing there, the
    source, what the cache holds there, and the run's registered versions; for a model version also
    the records of model, run and experiment.

    Fails with:
        IllegalPath: The source, or a path in it or in the store, is not one to publish.
        ConflictingOptions: The options exclude each other.
        PathInUse: Bytes of a registered version would change.
        AlreadyExists: A file stands where a folder has to be, or the reverse.
        InvalidRequest: A version number was given; MLflow gives them.
        InvalidValue, ValueTooLong: A tag cannot be written.
        NotFound: The model is not there.
        OfflineMode: The server may not be asked.
        StoreFailed: The cache is to be used and cannot be written.
    """
    if facts.settings.mode == "offline" and facts.journal is not None:
        return plan_queued_publish(request, facts)
    refusal = _refusal(request, facts)
    if refusal is not None:
        return Failure(refusal)
    prepared = job_of(request, facts)
    if isinstance(prepared, Failure):
        return prepared
    job = prepared.unwrap()
    conflict = _way_conflict(job) or _use_conflict(job)
    if conflict is not None:
        return Failure(conflict)
    registered = _registration(job)
    if isinstance(registered, Failure):
        return registered
    register = registered.unwrap()
    follow, (stage, commit) = reflected(register, facts), cache_stages(job)
    is_moved = bool(stage) and job.policy.cache_by == "move and link"
    linked = link_fault(job.source, is_moved=is_moved)
    if linked is not None:
        return Failure(linked)
    rows = rows_not_cached(facts) if stage and facts.settings.keep_on_read else ()
    early, late = (stage, ()) if job.moves else ((), stage)
    stages = (
        early,
        *_byte_stages(job),
        register,
        (*rows, *follow, *late),
        commit,
        _record(job) if is_moved else (),
        source_removal(job.policy, job.source),
    )
    roots = immutabledict({"source": job.source.path})
    return Success(make_plan(request, facts, stages, _answer(job), roots))


def _refusal(request: PublishRequest, facts: Facts) -> OfflineMode | InvalidRequest | NotFound | None:
    """What no look at source or store is needed for."""
    place = str(facts.tracking.origin)
    if facts.settings.mode == "offline":
        return not_queued(title_of(request))
    if not isinstance(request, LogModelVersion):
        return None
    if request.version is not None:
        return version_refused(request.version, place)
    if record_of(facts, request.model) is None:
        hint = "create_model or get_or_create_model makes it."
        return NotFound(kind="model", key=request.model.name, place=place, hint=hint)
    return None


def _way_conflict(job: Job) -> AlreadyExists | None:
    """A file stands where a folder has to be, or the reverse."""
    root_url = job.location.root_url
    if job.store.file_above is not None:
        hint = "A folder cannot stand where a file is: publish to another path."
        return AlreadyExists(kind="artifact", key=job.store.file_above, place=root_url, hint=hint)
    found = [file.path for file in job.difference.in_the_way] if not job.removed else []
    found += job.difference.folders_in_the_way
    if not found:
        return None
    hint = "A file cannot stand where a folder is: publish to another path"
    hint += "." if isinstance(job.request, LogModelVersion) else ", or pass mirror=True."
    key = join_path(job.location.path, found[0])
    return AlreadyExists(kind="artifact", key=key, place=root_url, hint=hint)


def _use_conflict(job: Job) -> PathInUse | None:
    """Bytes of a registered version would become others, or get company."""
    may_overwrite = job.request.overwrite
    if may_overwrite:
        return None
    uploads = (upload.file.path for upload in job.difference.uploads)
    changed = (*uploads, *(file.path for file in job.removed))
    in_run = (join_path(job.location.path, path) for path in changed)
    version = version_in_use(in_run, job.facts.versions_of_run)
    if version is None:
        return None
    hint = "Publish to another path, or pass overwrite=True."
    used_by = f"version {version.version} of model {version.name!r}"
    return PathInUse(path=job.location.path, used_by=used_by, hint=hint)


def _record(job: Job) -> Stage:
    """The step that lets the committed tree stay while links in the source show it."""
    if job.facts.cache is None or not job.facts.cache.can_record:
        return ()
    return (RecordPlacement(root="source", tree_key=Pending(TREE), path=""),)


def _byte_stages(job: Job) -> tuple[Stage, ...]:
    """Stop serving what changes, send, then remove; what is in the way goes before."""
    first: Stage = ()
    if job.changes_bytes and job.facts.cache is not None and job.facts.cache.is_writable:
        first = (WithdrawEntries(subject=job.location.subject, path=job.location.path),)
    in_the_way = frozenset(job.difference.in_the_way)
    before = tuple(file for file in job.removed if file in in_the_way)
    after = tuple(file for file in job.removed if file not in in_the_way)
    if before:
        first = (*first, RemoveRemoteFiles(store_url=job.store_url, files=before))
    upload = UploadFiles(
        store_url=job.store_url,
        files=job.difference.uploads,
        kept=job.difference.kept,
        left=job.left,
        empty_folders=job.empty_folders,
        is_file=job.source.is_file,
        move=job.moves,
        binds=UPLOADED,
        through_links=tuple(sorted(job.source.links_leaving)),
    )
    remove = RemoveRemoteFiles(store_url=job.store_url, files=after)
    return (first, (upload,) if job.uploads else (), (remove,) if after else ())


def _registration(job: Job) -> Result[tuple[RegisterVersion, ...], InvalidValue | ValueTooLong]:
    request = job.request
    if not isinstance(request, LogModelVersion) or not job.registers:
        return Success(())
    tags = tag_texts(request.tags, job.facts, {OPERATION_TAG: request.operation_id})
    if isinstance(tags, Failure):
        return tags
    step = RegisterVersion(
        model_name=request.model.name,
        source=job.store_url,
        run_id=request.run.id,
        tags=tags.unwrap(),
        operation_id=request.operation_id,
    )
    return Success((step,))


def _answer(job: Job) -> Answer:
    if not isinstance(job.request, LogModelVersion):
        return ReceiptAnswer()
    register = Pending("version")
    return EntityAnswer(record=job.registered or register, parents=parents_of(job.request, job.facts))
