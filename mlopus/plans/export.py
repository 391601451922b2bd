"""Planning an export: an artifact or metadata into another cache folder, which then serves it alone.

What the folder holds is merged with: equal content stays as it is, and what was taken later stays too.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey, key_of
from mlopus.domain.manifest import Entry, Manifest, RemoteTree, Validators
from mlopus.domain.paths import join_url, path_below
from mlopus.domain.records import CachedRecord
from mlopus.errors import IllegalPath, NotFound, StoreFailed
from mlopus.plans.bindings import EXPORTED, STAGED, validators_of
from mlopus.plans.cache import with_rows
from mlopus.plans.envelope import gathered, make_plan, rows_to_cache
from mlopus.plans.facts import ExportFacts, Facts, FolderFacts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import EntityAnswer, ExportedAnswer, Plan, Stage
from mlopus.plans.proofs import Proofs, covering, is_current, part_at
from mlopus.plans.protected import protected_fault
from mlopus.plans.requests import ExportArtifact, ExportMeta, ExportRequest
from mlopus.plans.steps import CachedTree, CommitTree, ExportRows, ExportTree, StoreTree
from mlopus.plans.trees import Content, TreeChoice, TreeRefusal, knows_folders, tree_name, tree_to_have
from mlopus.plans.verbs import artifact_key, title_of
from mlopus.result import Failure, Result, Success

ExportRefusal: TypeAlias = TreeRefusal | IllegalPath | StoreFailed

_SHOWN_NAMES = 3
_PARENTS_FIRST: tuple[type, ...] = (ExperimentKey, RunKey, ModelKey)


def plan_export(request: ExportRequest, facts: Facts) -> Result[Plan, ExportRefusal]:
    """Work out what a cache folder lacks of an entity, or of an artifact and what leads to it.

    Needs what the folder is and holds, the entities to carry, and for an artifact what placing it
    needs, the target apart.

    Returns:
        A plan that is empty where the folder holds all of it already.

    Fails with:
        IllegalPath: The folder is inside or around the cache or a store, or holds something else.
        StoreFailed: The folder cannot be written, or the store failed.
        NotFound: Nothing is at the path; or the folder holds a later picture, in which nothing is.
        NotCached, OfflineMode: As for getting the artifact.
    """
    export = gathered(facts.export, "what the export's folder holds")
    folder = export.folder
    fault = protected_fault(folder.path, facts.protected) or folder_fault(folder, title_of(request))
    if fault is not None:
        return Failure(fault)
    roots = immutabledict({"target": export.folder.path})
    if isinstance(request, ExportMeta):
        entity, *parents = (row.record for row in export.rows)
        answer = EntityAnswer(record=entity, parents=tuple(parents), as_of=export.as_of)
        return Success(make_plan(request, facts, (_rows_lacking(export),), answer, roots))
    return _artifact(request, facts, export, roots)


def folder_fault(folder: FolderFacts, action: str) -> IllegalPath | StoreFailed | None:
    """Why a folder cannot be written as a cache; None if it can."""
    if folder.others:
        shown = ", ".join(sorted(folder.others)[:_SHOWN_NAMES])
        reason = f"is no cache of mlopus and holds something else: {shown}"
        hint = "Name a folder that is empty or new, or a cache folder."
        return IllegalPath(path=folder.path, reason=reason, hint=hint)
    if not folder.is_writable:
        hint = "Make it writable, or name another folder."
        return StoreFailed(place=folder.path, action=action, reason="it cannot be written", hint=hint)
    return None


def _artifact(
    request: ExportArtifact, facts: Facts, export: ExportFacts, roots: immutabledict[str, str]
) -> Result[Plan, ExportRefusal]:
    chosen = tree_to_have(request.artifact, facts)
    if isinstance(chosen, Failure):
        return chosen
    choice, location = chosen.unwrap(), gathered(facts.location, "the location")
    content = gathered(choice.content, "the manifest of the tree")
    commit = _commit_of(choice, content, facts)
    rows: tuple[Stage, ...] = (_rows_lacking(export),)
    there = covering(export.cache, location)
    if there is not None and _stays(there, commit, content, facts, export):
        below = path_below(location.path, there.path) or ""
        if part_at(export.cache, there, location.path) is None:
            return Failure(_absent(request, there, export.folder))
        answer = ExportedAnswer(tree=CachedTree(tree_key=there.tree_key, path=below))
        return Success(make_plan(request, facts, rows, answer, roots))
    step = ExportTree(tree=choice.tree, files=content.files, commit=commit, into=_expected(export.folder))
    kept = rows_to_cache(facts) if choice.stages and facts.settings.keep_on_read else ()
    stages = (*with_rows(kept, choice.stages), (step,), *rows)
    answer = ExportedAnswer(tree=CachedTree(tree_key=Pending(EXPORTED)))
    return Success(make_plan(request, facts, stages, answer, roots))


def _expected(folder: FolderFacts) -> str | None:
    return folder.cache_id if folder.is_cache else None


def _rows_lacking(export: ExportFacts) -> Stage:
    """The step that writes the entities that the folder lacks as they are; none for those it has later."""
    held = {key_of(row.record): row for row in export.held}

    def is_lacking(row: CachedRecord) -> bool:
        there = held.get(key_of(row.record))
        return there is None or (there.record != row.record and there.as_of <= row.as_of)

    lacking = sorted(filter(is_lacking, export.rows), key=_rank)
    return (ExportRows(rows=tuple(lacking), into=_expected(export.folder)),) if lacking else ()


def _rank(row: CachedRecord) -> tuple[int, str]:
    """What others name comes first, so that a kill leaves no entity without its parents."""
    key = key_of(row.record)
    kind = type(key)
    rank = _PARENTS_FIRST.index(kind) if kind in _PARENTS_FIRST else len(_PARENTS_FIRST)
    return rank, str(key)


def _commit_of(choice: TreeChoice, content: Content, facts: Facts) -> CommitTree:
    """How the folder is to commit the tree: as taken when ours was, from where ours was."""
    location = gathered(facts.location, "the location")
    own = next((s for stage in choice.stages for s in stage if isinstance(s, CommitTree)), None)
    if own is not None:
        return attrs.evolve(own, binds=EXPORTED)
    if isinstance(choice.tree, StoreTree):
        listing, name, store_url = _listing(facts), tree_name(location), choice.tree.store_url
        validators, taken_at = validators_of(listing.files), listing.listed_at
    else:
        entry, inside = gathered(covering(facts.cache, location), "the entry of the tree"), choice.tree.path
        name, store_url = inside.rpartition("/")[2] or entry.name, join_url(entry.store_url, inside)
        validators, taken_at = _below(entry.validators, inside), entry.taken_at
    return CommitTree(
        staged=STAGED,
        subject=location.subject,
        path=location.path,
        name=name,
        is_file=content.is_file,
        empty_folders=content.empty_folders,
        store_url=store_url,
        validators=validators,
        taken_at=taken_at,
        binds=EXPORTED,
    )


def _below(validators: Validators, folder: str) -> Validators:
    below = ((path_below(path, folder), validator) for path, validator in validators.items())
    return immutabledict({path: validator for path, validator in below if path is not None})


def _stays(there: Entry, commit: CommitTree, content: Content, facts: Facts, export: ExportFacts) -> bool:
    """Whether what the folder has of the artifact is the same already, or was taken later."""
    if there.taken_at > commit.taken_at:
        return True
    location = gathered(facts.location, "the location")
    part = part_at(export.cache, there, location.path)
    if part is None:
        return False
    if all(file.sha256 is not None for file in content.files):
        return _is_of(content, part)
    proofs = Proofs(location=location, cache=export.cache)
    exact_folders = knows_folders(gathered(facts.store, "the store"))
    return is_current(_listing(facts), proofs, there, exact_folders=exact_folders)


def _is_of(content: Content, part: Manifest) -> bool:
    held = tuple((file.path, file.sha256) for file in part.files)
    wanted = tuple(sorted((file.path, file.sha256) for file in content.files))
    folders = frozenset(part.empty_folders) == frozenset(content.empty_folders)
    return part.is_file == content.is_file and held == wanted and folders


def _listing(facts: Facts) -> RemoteTree:
    store = gathered(facts.store, "the store")
    return gathered(store.listing, "the listing of the store")


def _absent(request: ExportArtifact, there: Entry, folder: FolderFacts) -> NotFound:
    taken = there.taken_at.isoformat(timespec="seconds")
    place = f"what {folder.path} holds of {there.path or 'its root'!r}, which was taken later, at {taken}"
    hint = "Export while online, to carry what is there now; or name another folder."
    return NotFound(kind="artifact", key=artifact_key(request.artifact), place=place, hint=hint)
