"""Steps that keep a cache in order, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, assert_never

from mlopus.plans.keeping import EntryAt, Pin
from mlopus.plans.keeping_steps import (
    ClearMetadata,
    EvictTrees,
    ForgetPlacements,
    KeepingStep,
    PinPath,
    RecordPlacement,
    RemovePins,
    RemoveTemporaries,
    SweepLeftovers,
)
from mlopus.plans.words import Row, count, total_size

Group: TypeAlias = tuple[str, Sequence[tuple[str, int | None, str]]]
"""A word for what is done, and rows: to what, how large that is, and why."""

_MAX_NAMES = 3


def path_in_words(place: EntryAt | Pin) -> str:
    """A path of somebody's artifacts."""
    return f"{place.path!r} of {place.subject}" if place.path else f"the artifacts of {place.subject}"


def keeping_headline(step: KeepingStep) -> Row:
    """A step in one line."""
    match step:
        case EvictTrees():
            size = total_size(tree.freed_bytes for tree in step.trees)
            return Row("evict", f"{count(len(step.trees), 'tree')} from the cache", size)
        case SweepLeftovers():
            size = total_size(item.size_bytes for item in step.leftovers)
            return Row("sweep", f"{count(len(step.leftovers), 'leftover')} of dead writers", size)
        case RecordPlacement():
            return Row("record", f"that the {step.root} shows what is cached", note="so that it stays")
        case ForgetPlacements():
            return Row("forget", count(len(step.placements), "placement"))
        case PinPath():
            return Row("pin", path_in_words(step.pin))
        case RemovePins():
            return Row("unpin", "; ".join(path_in_words(pin) for pin in step.pins))
        case RemoveTemporaries():
            size = total_size(folder.size_bytes for folder in step.folders)
            return Row("remove", f"{count(len(step.folders), 'temporary folder')}", size)
        case ClearMetadata():
            return Row("forget", "all cached metadata")
        case _:
            assert_never(step)


def keeping_rows(
    step: EvictTrees | SweepLeftovers | ForgetPlacements | RemoveTemporaries,
) -> tuple[Group, ...]:
    """The rows of a step that has many."""
    match step:
        case EvictTrees():
            going = [
                (_tree_in_words(tree.tree_key, tree.entries), tree.freed_bytes, tree.reason)
                for tree in step.trees
            ]
            kept = [
                (_tree_in_words(tree.tree_key, tree.entries), tree.total_bytes, tree.reason)
                for tree in step.kept
            ]
            lost = [
                (placement.target, None, "its folder is not seen now; links there will lead nowhere")
                for placement in step.unseen
            ]
            return ("evict", going), ("keep", kept), ("unseen", lost)
        case SweepLeftovers():
            return (("sweep", [(item.name, item.size_bytes, "of a dead writer") for item in step.leftovers]),)
        case ForgetPlacements():
            return (("forget", [(p.target, None, "links that are no more") for p in step.placements]),)
        case RemoveTemporaries():
            rows = [
                (folder.name, folder.size_bytes, count(folder.file_count, "file")) for folder in step.folders
            ]
            return (("remove", rows),)
        case _:
            assert_never(step)


def _tree_in_words(tree_key: str, entries: tuple[EntryAt, ...]) -> str:
    """What a tree is to a person: the paths it is served for, else its key."""
    if not entries:
        return f"tree {tree_key[:12]}"
    shown = "; ".join(path_in_words(entry) for entry in entries[:_MAX_NAMES])
    return f"{shown}; …" if len(entries) > _MAX_NAMES else shown
