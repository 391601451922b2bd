"""Requests that keep entities in order: rename, describe, untag, alias, delete and restore them."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey

NamedEntity: TypeAlias = ExperimentKey | RunKey | ModelKey | VersionKey | AliasKey


@attrs.frozen(kw_only=True)
class RenameEntity:
    """Give an experiment, a run or a model another name."""

    on: ExperimentKey | RunKey | ModelKey
    name: str


@attrs.frozen(kw_only=True)
class DescribeEntity:
    """Set the description of an entity; an empty one takes it away."""

    on: NamedEntity
    description: str


@attrs.frozen(kw_only=True)
class DeleteEntityTags:
    """Remove tags from an entity: those of these dotted keys, and those nested below them."""

    on: NamedEntity
    keys: tuple[str, ...]


@attrs.frozen(kw_only=True)
class AliasVersion:
    """Let an alias of a model name a version of it, which may be given by another alias."""

    alias: str
    version: VersionKey | AliasKey


@attrs.frozen(kw_only=True)
class DropAlias:
    """Remove an alias of a model."""

    model: ModelKey
    alias: str


@attrs.frozen(kw_only=True)
class DeleteNamed:
    """Delete an entity."""

    key: NamedEntity


@attrs.frozen(kw_only=True)
class RestoreNamed:
    """Restore a deleted experiment or run."""

    key: ExperimentKey | RunKey


UpkeepRequest: TypeAlias = (
    RenameEntity | DescribeEntity | DeleteEntityTags | AliasVersion | DropAlias | DeleteNamed | RestoreNamed
)
