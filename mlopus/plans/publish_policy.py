"""The options of publishing: what becomes of the source, and how the cache gets its copy."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from mlopus.errors import ConflictingOptions
from mlopus.plans.links import LinkKind
from mlopus.plans.requests import PublishOptions
from mlopus.result import Failure, Result, Success

CacheLadder: TypeAlias = tuple[LinkKind, ...] | Literal["move", "move and link"]

_SHARED: tuple[LinkKind, ...] = ("reflink", "copy")


@attrs.frozen(kw_only=True)
class PublishPolicy:
    """What publishing does with the source.

    Attributes:
        cache_by: How the cache gets the files; None if it does not.
        upload_moves: Whether the store may take the files from the source.
        removes_source: Whether the source's files are removed once all else is done.
    """

    cache_by: CacheLadder | None
    upload_moves: bool
    removes_source: bool

    @property
    def takes_source(self) -> bool:
        """Whether any file of the source is moved or removed."""
        return self.removes_source or self.cache_by == "move and link"


def publish_policy(
    options: PublishOptions, from_callback: bool, store_is_local: bool, can_reflink: bool | None
) -> Result[PublishPolicy, ConflictingOptions]:
    """Decide what the options mean for this kind of source and store.

    Args:
        options: As the caller gave them.
        from_callback: The source was written by a callback; it is not kept unless asked to be.
        store_is_local: The store is on the local disk; it is its own cache unless asked otherwise.
        can_reflink: Whether the source's disk can share bytes with the cache, None if not probed.

    Fails with:
        ConflictingOptions: What the options ask for cannot be had together.

    Example:
        >>> publish_policy(PublishOptions(), False, False, None).unwrap().cache_by
        ('reflink', 'copy')
    """
    keeps = options.keep_the_source if options.keep_the_source is not None else not from_callback
    caches = options.use_cache if options.use_cache is not None else not store_is_local
    if store_is_local:
        return _local(options.allow_duplication, keeps=keeps, caches=caches)
    return _remote(options.allow_duplication, can_reflink, keeps=keeps, caches=caches)


def _local(
    allow_duplication: bool | None, *, keeps: bool, caches: bool
) -> Result[PublishPolicy, ConflictingOptions]:
    if allow_duplication is False and caches:
        reason = "a store on this disk is its own cache; another copy duplicates it"
        return Failure(ConflictingOptions(options=("use_cache", "allow_duplication"), reason=reason))
    if allow_duplication is False and keeps:
        reason = "a store on this disk gets a copy of a source that is kept"
        hint = "Pass keep_the_source=False to move it into the store."
        return Failure(
            ConflictingOptions(options=("keep_the_source", "allow_duplication"), reason=reason, hint=hint)
        )
    ladder: CacheLadder = ("copy",) if allow_duplication else _SHARED
    return Success(
        PublishPolicy(cache_by=ladder if caches else None, upload_moves=not keeps, removes_source=not keeps)
    )


def _remote(
    allow_duplication: bool | None, can_reflink: bool | None, *, keeps: bool, caches: bool
) -> Result[PublishPolicy, ConflictingOptions]:
    if not caches:
        return Success(PublishPolicy(cache_by=None, upload_moves=False, removes_source=not keeps))
    if not keeps:
        return Success(PublishPolicy(cache_by="move", upload_moves=False, removes_source=True))
    if allow_duplication is False and can_reflink is None:
        reason = "whether this disk can share bytes with the cache was not probed"
        return Failure(ConflictingOptions(options=("allow_duplication",), reason=reason))
    ladder: CacheLadder = ("copy",) if allow_duplication else _SHARED
    if allow_duplication is False:
        ladder = ("reflink",) if can_reflink else "move and link"
    return Success(PublishPolicy(cache_by=ladder, upload_moves=False, removes_source=False))
