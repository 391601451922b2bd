"""Requests that keep a cache in order: collect, pin, repair and clean it."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from mlopus.domain.keys import AliasKey, RunKey, VersionKey


@attrs.frozen(kw_only=True)
class CollectGarbage:
    """Evict what nothing needs: trees that nothing serves, those unused for long, those over a budget."""

    max_bytes: int | None = None
    unused_for_s: float | None = None


@attrs.frozen(kw_only=True)
class PinArtifact:
    """Let nothing evict what is cached at a path of a run's artifacts, or of a version's own."""

    owner: RunKey | VersionKey | AliasKey
    path: str = ""


@attrs.frozen(kw_only=True)
class UnpinArtifact:
    """Remove the pins at and below such a path."""

    owner: RunKey | VersionKey | AliasKey
    path: str = ""


@attrs.frozen(kw_only=True)
class RepairCache:
    """Fetch again what is damaged."""


@attrs.frozen(kw_only=True)
class CleanTemporary:
    """Remove what callbacks wrote and no publish took."""


@attrs.frozen(kw_only=True)
class CleanCache:
    """Remove metadata and artifacts of this origin; what is needed stays."""


KeepingRequest: TypeAlias = (
    CollectGarbage | PinArtifact | UnpinArtifact | RepairCache | CleanTemporary | CleanCache
)
