"""Planning a publish while offline: the bytes go to the cache and are held there, the request is queued.

The cache then shows the run's artifacts as they will be. Of a run that only this journal knows, all
artifacts are known, so its root is what is shown; of any other run, what the cache held around the
path that is published to, else that path.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.locations import run_subject, url_subject
from mlopus.domain.manifest import ArtifactLocation, ArtifactSubject, Manifest, ManifestFile
from mlopus.domain.paths import join_path, path_below
from mlopus.domain.provisional import is_provisional_id
from mlopus.domain.records import OPERATION_TAG
from mlopus.errors import (
    ConflictingOptions,
    IllegalPath,
    InvalidRequest,
    InvalidValue,
    NotCached,
    NotFound,
    StoreFailed,
    ValueTooLong,
)
from mlopus.plans.bindings import STAGED, TREE
from mlopus.plans.changes import LogBatch, RegisterVersion
from mlopus.plans.envelope import gathered, make_plan, read_only_cache, record_of
from mlopus.plans.facts import Facts, SourceFacts
from mlopus.plans.plan import Answer, EntityAnswer, Plan, ReceiptAnswer, Stage
from mlopus.plans.proofs import covering, part_at
from mlopus.plans.publish_parts import parents_of, source_removal, version_refused
from mlopus.plans.publish_policy import PublishPolicy, publish_policy
from mlopus.plans.publish_source import link_fault, source_fault
from mlopus.plans.queueing import provisional_record, queue_step, shown_changes
from mlopus.plans.requests import LogModelVersion, LogRunArtifact, PublishRequest
from mlopus.plans.steps import (
    CommitTree,
    FetchFiles,
    ReusedFile,
    StageFiles,
    Step,
    WithdrawEntries,
)
from mlopus.plans.tables import still_empty, table_fault
from mlopus.plans.tracking_changes import tag_texts
from mlopus.plans.trees import tree_name
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

QueuedPublishRefusal: TypeAlias = (
    ConflictingOptions | IllegalPath | InvalidRequest | InvalidValue | NotFound | StoreFailed | ValueTooLong
)
WHOLE = "whole"
"""Name of the staging area, and key, of what the cache shows of the run."""


def plan_queued_publish(request: PublishRequest, facts: Facts) -> Result[Plan, QueuedPublishRefusal]:
    """Hold the bytes, queue the request, and show both.

    Needs the source, the records of run and experiment, of a model version also the model's, and what
    the cache holds of the run, with manifests.

    Fails with:
        IllegalPath: The source, or a path in it, is not one to publish.
        ConflictingOptions: The options exclude each other.
        InvalidRequest: A version number was given.
        InvalidValue, ValueTooLong: A tag cannot be written.
        NotFound: The run or the model was never cached.
        StoreFailed: The cache cannot be written.
    """
    source = gathered(facts.source, "the source")
    prepared = _policy(request, source, facts)
    if isinstance(prepared, Failure):
        return prepared
    policy = prepared.unwrap()
    registered = registration(request, facts)
    if isinstance(registered, Failure):
        return registered
    held = held_manifest(request, source)
    shown = shown_bytes(request, held, facts)
    if isinstance(shown, Failure):
        return shown
    stages = (
        _staged(policy, source),
        (_held_commit(request, source, facts),),
        (queue_step(request, held.key, facts),),
        *shown.unwrap(),
        shown_changes((*registered.unwrap(), seen_on_run(request)), facts),
        source_removal(policy, source),
    )
    roots = immutabledict({"source": source.path})
    return Success(make_plan(request, facts, stages, _answer(request, registered.unwrap(), facts), roots))


def _policy(
    request: PublishRequest, source: SourceFacts, facts: Facts
) -> Result[PublishPolicy, QueuedPublishRefusal]:
    cache = gathered(facts.cache, "the cache")
    if not cache.is_writable or not facts.metadata_is_writable:
        return Failure(read_only_cache(title_of(request)))
    missing = _missing(request, facts)
    if missing is not None:
        return Failure(missing)
    options = attrs.evolve(
        request.options, use_cache=True
    )  # until they are sent, only the cache has the bytes
    policy = publish_policy(options, request.from_callback, False, cache.can_reflink)
    if isinstance(policy, Failure):
        return policy
    takes = policy.unwrap().cache_by == "move and link"
    fault = source_fault(request, source, policy.unwrap(), facts) or link_fault(source, is_moved=takes)
    return policy if fault is None else Failure(fault)


def _missing(request: PublishRequest, facts: Facts) -> NotCached | InvalidRequest | None:
    place = f"the cache of {facts.tracking.origin}"
    if record_of(facts, request.run) is None:
        return NotCached(kind="run", key=request.run.id, place=place)
    if not isinstance(request, LogModelVersion):
        return None
    if request.version is not None:
        return version_refused(request.version, str(facts.tracking.origin))
    if record_of(facts, request.model) is None:
        hint = "get_or_create_model makes it, offline too."
        return NotCached(kind="model", key=request.model.name, place=place, hint=hint)
    return None


def held_subject(mark: str) -> ArtifactSubject:
    """Under what the cache keeps the bytes of a request that waits."""
    return url_subject(f"journal:{mark}")


def held_manifest(request: PublishRequest, source: SourceFacts) -> Manifest:
    """The tree that holds the bytes of a request."""
    files = tuple(
        ManifestFile(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256) for file in source.files
    )
    return Manifest.of(
        _name(request),
        files,
        is_file=source.is_file,
        empty_folders=still_empty(source.empty_folders, [f.path for f in files]),
    )


def _name(request: PublishRequest) -> str:
    return tree_name(
        ArtifactLocation(subject=run_subject(request.run.id), root_url="", path=request.path_in_run)
    )


def _staged(policy: PublishPolicy, source: SourceFacts) -> Stage:
    files = tuple(sorted(source.files, key=lambda file: file.path))
    assert policy.cache_by is not None, "offline the cache holds what is published"  # noqa: S101
    return (StageFiles(staged=STAGED, files=files, ladder=policy.cache_by),)


def _held_commit(request: PublishRequest, source: SourceFacts, facts: Facts) -> CommitTree:
    manifest = held_manifest(request, source)
    return CommitTree(
        staged=STAGED,
        subject=held_subject(gathered(facts.journal, "the journal").mark),
        path="",
        name=manifest.name,
        is_file=manifest.is_file,
        empty_folders=manifest.empty_folders,
        store_url="",
        validators=immutabledict(),
        taken_at=facts.now,
        binds=TREE,
    )


def shown_bytes(
    request: PublishRequest, held: Manifest, facts: Facts
) -> Result[tuple[Stage, ...], IllegalPath]:
    """The stages that let the cache answer for the run with what is held, beside what it has already."""
    subject, path = run_subject(request.run.id), request.path_in_run
    is_known_whole = is_provisional_id(request.run.id)
    sought = ArtifactLocation(subject=subject, root_url="", path="" if is_known_whole else path)
    entry = covering(facts.cache, sought)
    anchor = sought.path if entry is None else entry.path
    location = attrs.evolve(sought, path=anchor)
    before = None if entry is None else part_at(facts.cache, entry, anchor)
    inside = path_below(path, anchor) or ""
    files = {
        join_path(inside, file.path): ReusedFile(
            path=join_path(inside, file.path),
            tree_key=held.key,
            path_in_tree=file.path,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
        )
        for file in held.files
    }
    folders = [join_path(inside, folder) for folder in held.empty_folders]
    if entry is not None and before is not None:
        is_mirror = isinstance(request, LogRunArtifact) and request.mirror
        within = path_below(anchor, entry.path) or ""
        for file in before.files:
            is_replaced = file.path in files or (is_mirror and path_below(file.path, inside) is not None)
            if not is_replaced:
                files[file.path] = ReusedFile(
                    path=file.path,
                    tree_key=entry.tree_key,
                    path_in_tree=join_path(within, file.path),
                    size_bytes=file.size_bytes,
                    sha256=file.sha256,
                )
        folders += before.empty_folders
    fault = table_fault(files, still_empty(folders, files))
    if fault is not None:
        return Failure(fault)
    fetch = FetchFiles(
        staged=WHOLE, store_url="", files=(), reused=tuple(files[name] for name in sorted(files))
    )
    commit = CommitTree(
        staged=WHOLE,
        subject=subject,
        path=anchor,
        name=tree_name(location),
        is_file=tuple(files) == ("",),
        empty_folders=still_empty(folders, files),
        store_url="",
        validators=immutabledict(),
        taken_at=facts.now if entry is None else max(facts.now, entry.taken_at),
        binds=WHOLE,
    )
    withdraw: tuple[Step, ...] = () if is_known_whole else (WithdrawEntries(subject=subject, path=anchor),)
    return Success(((fetch,), withdraw, (commit,)))


def seen_on_run(request: PublishRequest) -> LogBatch:
    """A change of nothing, by which the run's row tells that its artifacts are shown."""
    return LogBatch(run_id=request.run.id)


def registration(
    request: PublishRequest, facts: Facts
) -> Result[tuple[RegisterVersion, ...], InvalidValue | ValueTooLong]:
    """The version that a publish registers, from a place in its run that has no URL yet."""
    if not isinstance(request, LogModelVersion):
        return Success(())
    tags = tag_texts(request.tags, facts, {OPERATION_TAG: request.operation_id})
    if isinstance(tags, Failure):
        return tags
    step = RegisterVersion(
        model_name=request.model.name,
        source=f"runs:/{request.run.id}/{request.path_in_run}".rstrip("/"),
        run_id=request.run.id,
        tags=tags.unwrap(),
        operation_id=request.operation_id,
    )
    return Success((step,))


def _answer(request: PublishRequest, registered: tuple[RegisterVersion, ...], facts: Facts) -> Answer:
    if not isinstance(request, LogModelVersion):
        return ReceiptAnswer()
    return EntityAnswer(record=provisional_record(registered[0], facts), parents=parents_of(request, facts))
