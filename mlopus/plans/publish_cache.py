"""The cache's copy of what is published, so that a later read costs nothing."""

from __future__ import annotations

from mlopus.domain.manifest import RemoteFile
from mlopus.plans.bindings import STAGED, TREE, UPLOADED, validators_of
from mlopus.plans.pending import Pending
from mlopus.plans.plan import Stage
from mlopus.plans.proofs import covering, part_at
from mlopus.plans.publish_job import Job
from mlopus.plans.steps import ByteStep, CommitTree, FetchFiles, ReusedFile, StageFiles
from mlopus.plans.trees import tree_name


def cache_stages(job: Job) -> tuple[Stage, Stage]:
    """Stage the source and what the store keeps beside it, then commit the whole.

    A part is never cached as the whole: what is left in the store and not held already is fetched
    where the caller insists on the cache; else the path is not cached.
    """
    ladder = job.policy.cache_by
    reused, fetched = _left(job)
    if ladder is None or _is_cached(job, reused, fetched):
        return (), ()
    if fetched and job.request.options.use_cache is not True:
        return (), ()
    files = tuple(sorted(job.source.files, key=lambda file: file.path))
    stage: tuple[ByteStep, ...] = (StageFiles(staged=STAGED, files=files, ladder=ladder),)
    if job.left:
        fetch = FetchFiles(staged=STAGED, store_url=job.store_url, files=fetched, reused=reused)
        stage = (*stage, fetch)
    entry = covering(job.facts.cache, job.location)
    known = validators_of(job.difference.kept + job.left)
    commit = CommitTree(
        staged=STAGED,
        subject=job.location.subject,
        path=job.location.path,
        name=tree_name(job.location),
        is_file=job.source.is_file,
        empty_folders=job.empty_folders,
        store_url=job.store_url,
        validators=Pending(UPLOADED) if job.uploads else known,
        taken_at=max(job.facts.now, job.listing.listed_at, *((entry.taken_at,) if entry else ())),
        binds=TREE,
    )
    return stage, (commit,)


def _left(job: Job) -> tuple[tuple[ReusedFile, ...], tuple[RemoteFile, ...]]:
    """Files that stay beside the source: those that the cache holds, and those that it lacks."""
    as_new = job.proofs.as_new_as(job.listing)
    proven = {file.path: held for file in job.left if (held := job.proofs.content_of(file, as_new))}
    return tuple(proven.values()), tuple(file for file in job.left if file.path not in proven)


def _is_cached(job: Job, reused: tuple[ReusedFile, ...], fetched: tuple[RemoteFile, ...]) -> bool:
    """Whether the cache answers for the path with just what the store will hold."""
    entry = covering(job.facts.cache, job.location)
    if job.changes_bytes or fetched or entry is None:
        return False
    part = part_at(job.facts.cache, entry, job.location.path)
    if part is None or part.is_file != job.source.is_file:
        return False
    if frozenset(part.empty_folders) != frozenset(job.empty_folders):
        return False
    wanted = {file.path: file.sha256 for file in job.source.files}
    wanted |= {file.path: file.sha256 for file in reused}
    return wanted == {file.path: file.sha256 for file in part.files}
