"""What waits on a journal in what order: which requests depend on which, and which go together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from mlopus.domain.keys import AliasKey, ModelKey, VersionKey
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.names import provisional_names
from mlopus.plans.queued import provisional_created_by
from mlopus.plans.requests import (
    CreateRegisteredModel,
    LogModelVersion,
    SetEntityTags,
    WriteRequest,
)
from mlopus.plans.upkeep_requests import (
    AliasVersion,
    DeleteEntityTags,
    DeleteNamed,
    DescribeEntity,
    DropAlias,
    RenameEntity,
)

Thing: TypeAlias = str | ModelKey | AliasKey
"""What a request gives to others, or takes from them: a provisional name, a model or an alias by name."""


def gives(request: WriteRequest) -> frozenset[Thing]:
    """What later requests may name because of this one."""
    match request:
        case CreateRegisteredModel():
            return frozenset((ModelKey(request.name),))
        case RenameEntity(on=ModelKey()):
            return frozenset((ModelKey(request.name),))
        case AliasVersion():
            return frozenset((AliasKey(request.version.name, request.alias),))
        case _:
            name = provisional_created_by(request)
            return frozenset() if name is None else frozenset((name,))


def takes(request: WriteRequest) -> frozenset[Thing]:
    """What a request names, that an earlier one may have to give."""
    found: set[Thing] = set(provisional_names(request))
    match request:
        case LogModelVersion():
            found.add(request.model)
        case DropAlias():
            found.add(request.model)
        case (
            SetEntityTags(on=key)
            | DescribeEntity(on=key)
            | DeleteEntityTags(on=key)
            | RenameEntity(on=key)
            | DeleteNamed(key=key)
            | AliasVersion(version=key)
        ):
            found |= _named_by(key)
        case _:
            pass
    return frozenset(found)


def _named_by(key: object) -> set[Thing]:
    match key:
        case ModelKey():
            return {key}
        case VersionKey(name=name):
            return {ModelKey(name)}
        case AliasKey(name=name):
            return {ModelKey(name), key}
        case _:
            return set()


def dependents(entries: Iterable[JournalEntry], entry_id: int) -> tuple[JournalEntry, ...]:
    """An entry that waits, and those after it that depend on it, in order; none if it does not wait."""
    missing: frozenset[Thing] = frozenset()
    found: list[JournalEntry] = []
    for entry in entries:
        if entry.id == entry_id or not missing.isdisjoint(takes(entry.request)):
            found.append(entry)
            missing |= gives(entry.request)
    return tuple(found)
