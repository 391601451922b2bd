"""Planning a placement: a tree at a path the user owns, after fetching it if it is not at hand."""

from __future__ import annotations

from typing import TypeAlias

from immutabledict import immutabledict

from mlopus.domain.paths import join_path
from mlopus.errors import AlreadyExists, IllegalPath
from mlopus.plans.cache import with_rows
from mlopus.plans.envelope import gathered, make_plan, rows_to_cache
from mlopus.plans.facts import Facts, TargetFacts, TargetFile
from mlopus.plans.keeping_steps import RecordPlacement
from mlopus.plans.links import LinkKind
from mlopus.plans.plan import Plan, Stage, TargetAnswer
from mlopus.plans.protected import protected_fault
from mlopus.plans.requests import LinkChoice, PlaceArtifact
from mlopus.plans.steps import CachedTree, PlacedFile, PlaceTree, StoreTree, TargetAbsent
from mlopus.plans.trees import Content, TreeRefusal, tree_to_have
from mlopus.result import Failure, Result, Success

PlaceRefusal: TypeAlias = TreeRefusal | AlreadyExists | IllegalPath


def plan_place(request: PlaceArtifact, facts: Facts) -> Result[Plan, PlaceRefusal]:
    """Work out what makes the target hold an artifact: fetch it if need be, then place it whole.

    Needs what `GetArtifact` needs, the manifest of the tree that answers, and the target.

    Returns:
        A plan that is empty where the target holds the artifact already, as this kind of link.

    Fails with:
        AlreadyExists: The target holds something else, and `overwrite` is not set.
        IllegalPath: The target is inside or around the cache or a store.
        NotFound, NotCached, OfflineMode, StoreFailed: As for getting the artifact.
    """
    target = gathered(facts.target, "the target")
    fault = protected_fault(target.path, facts.protected)
    if fault is not None:
        return Failure(fault)
    chosen = tree_to_have(request.artifact, facts)
    if isinstance(chosen, Failure):
        return chosen
    choice = chosen.unwrap()
    content = gathered(choice.content, "the manifest of the tree")
    ladder = ladder_of(request.link)
    roots = immutabledict({"target": target.path})
    if _holds(target, choice.tree, content, ladder):
        return Success(make_plan(request, facts, (), TargetAnswer(), roots))
    if not isinstance(target.expectation, TargetAbsent) and not request.overwrite:
        hint = "Pass overwrite=True to replace it, or choose another target."
        return Failure(AlreadyExists(kind="target", key=target.path, place="the local disk", hint=hint))
    place = PlaceTree(
        tree=choice.tree,
        is_file=content.is_file,
        files=content.files,
        empty_folders=content.empty_folders,
        ladder=ladder,
        expect=target.expectation,
    )
    rows = rows_to_cache(facts) if choice.stages and facts.settings.keep_on_read else ()
    record = _record(choice.tree, ladder, facts)
    stages: tuple[Stage, ...] = (*with_rows(rows, choice.stages), record, (place,))
    return Success(make_plan(request, facts, stages, TargetAnswer(), roots))


def _record(tree: CachedTree | StoreTree, ladder: tuple[LinkKind, ...], facts: Facts) -> Stage:
    """The step that lets a tree of the cache stay while the target shows it, recorded before it does."""
    can_record = facts.cache is not None and facts.cache.can_record
    if not isinstance(tree, CachedTree) or not can_record or not {"symlink", "hardlink"}.intersection(ladder):
        return ()
    return (RecordPlacement(root="target", tree_key=tree.tree_key, path=tree.path),)


def ladder_of(link: LinkChoice) -> tuple[LinkKind, ...]:
    """How files are placed, first choice first.

    Only `False` may fall back: a kind that was asked for by name is that kind or a failure.

    Example:
        >>> ladder_of(True), ladder_of(False)
        (('symlink',), ('reflink', 'copy'))
    """
    if link is True:
        return ("symlink",)
    if link is False:
        return ("reflink", "copy")
    return (link,)


def _holds(
    target: TargetFacts, tree: CachedTree | StoreTree, content: Content, ladder: tuple[LinkKind, ...]
) -> bool:
    """Whether the target is the tree already, by links to it or by equal content, as asked."""
    if isinstance(target.expectation, TargetAbsent) or target.is_file != content.is_file:
        return False
    if frozenset(target.empty_folders) != frozenset(content.empty_folders):
        return False
    there = {file.path: file for file in target.files}
    return len(there) == len(content.files) and all(
        file.path in there and _is_placed(there[file.path], file, tree, ladder) for file in content.files
    )


def _is_placed(
    there: TargetFile, wanted: PlacedFile, tree: CachedTree | StoreTree, ladder: tuple[LinkKind, ...]
) -> bool:
    """Whether a file is what was asked for; an empty one is never a link."""
    if there.links_to is not None:
        return "symlink" in ladder and there.links_to == linked(tree, wanted.path)
    is_empty = wanted.size_bytes == there.size_bytes == 0
    is_same = wanted.sha256 is not None and there.sha256 == wanted.sha256
    return is_empty or (is_same and "symlink" not in ladder)


def linked(tree: CachedTree | StoreTree, path: str) -> tuple[str, str] | None:
    """What a link to a file of a tree names: the tree's key or the store's URL, and the path there."""
    if isinstance(tree, StoreTree):
        return tree.store_url, path
    return (tree.tree_key, join_path(tree.path, path)) if isinstance(tree.tree_key, str) else None
