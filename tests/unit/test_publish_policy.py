"""The options of publishing: the table of the contract, row by row."""

from __future__ import annotations

import pytest

from mlopus.errors import ConflictingOptions
from mlopus.plans.publish_policy import PublishPolicy, publish_policy
from mlopus.plans.requests import PublishOptions
from mlopus.result import Success

REMOTE, LOCAL = False, True
PATH, CALLBACK = False, True
SHARED = ("reflink", "copy")


def options(keep: bool | None, duplicate: bool | None, cache: bool | None) -> PublishOptions:
    return PublishOptions(keep_the_source=keep, allow_duplication=duplicate, use_cache=cache)


def keeps(cache_by: object) -> Success[PublishPolicy]:
    return Success(PublishPolicy(cache_by=cache_by, upload_moves=False, removes_source=False))  # type: ignore[arg-type]  # rows are data


def removes(cache_by: object, *, moves: bool = False) -> Success[PublishPolicy]:
    return Success(PublishPolicy(cache_by=cache_by, upload_moves=moves, removes_source=True))  # type: ignore[arg-type]  # rows are data


MOVED_INTO_STORE = removes(None, moves=True)
MOVED_INTO_CACHE = removes("move")

ROWS = {
    "a path is kept, and cached by sharing bytes": (options(None, None, None), PATH, REMOTE, keeps(SHARED)),
    "from a callback: moved into the cache": (options(None, None, None), CALLBACK, REMOTE, MOVED_INTO_CACHE),
    "what a callback wrote is kept if asked": (options(True, None, None), CALLBACK, REMOTE, keeps(SHARED)),
    "kept with duplication: cached by copy": (options(True, True, None), PATH, REMOTE, keeps(("copy",))),
    "without duplication: cached by reflink": (options(True, False, None), PATH, REMOTE, keeps(("reflink",))),
    "not kept: moved into the cache": (options(False, None, None), PATH, REMOTE, MOVED_INTO_CACHE),
    "not kept, without duplication": (options(False, False, None), PATH, REMOTE, MOVED_INTO_CACHE),
    "not kept and not cached: removed": (options(False, None, False), PATH, REMOTE, removes(None)),
    "kept and not cached": (options(True, None, False), PATH, REMOTE, keeps(None)),
    "kept and not cached duplicates nothing": (options(True, False, False), PATH, REMOTE, keeps(None)),
    "a local store is its own cache": (options(None, None, None), PATH, LOCAL, keeps(None)),
    "local, from a callback": (options(None, None, None), CALLBACK, LOCAL, MOVED_INTO_STORE),
    "local, kept with duplication": (options(True, True, None), PATH, LOCAL, keeps(None)),
    "local, not kept: moved into the store": (options(False, None, None), PATH, LOCAL, MOVED_INTO_STORE),
    "local, not kept, without duplication": (options(False, False, None), PATH, LOCAL, MOVED_INTO_STORE),
    "local, cached as well": (options(True, None, True), PATH, LOCAL, keeps(SHARED)),
    "local, cached as well by copy": (options(True, True, True), PATH, LOCAL, keeps(("copy",))),
    "local, not kept, cached as well": (options(False, None, True), PATH, LOCAL, removes(SHARED, moves=True)),
}  # fmt: skip


@pytest.mark.parametrize(("given", "from_callback", "is_local", "policy"), ROWS.values(), ids=ROWS)
def test_each_row_of_the_table_is_one_policy(
    given: PublishOptions, from_callback: bool, is_local: bool, policy: Success[PublishPolicy]
) -> None:
    assert publish_policy(given, from_callback, is_local, can_reflink=True) == policy


@pytest.mark.parametrize(("keep", "cache"), [(True, None), (None, None), (True, True), (False, True)])
def test_a_local_store_cannot_keep_or_cache_without_duplication(
    keep: bool | None, cache: bool | None
) -> None:
    refused = publish_policy(options(keep, False, cache), PATH, LOCAL, can_reflink=True)
    assert isinstance(refused.failure(), ConflictingOptions)


def test_on_a_disk_without_reflink_the_source_moves_and_a_link_stays() -> None:
    policy = publish_policy(options(True, False, None), PATH, REMOTE, can_reflink=False)
    assert policy == keeps("move and link")


def test_nothing_moves_by_a_guess_about_the_disk() -> None:
    refused = publish_policy(options(True, False, None), PATH, REMOTE, can_reflink=None)
    assert isinstance(refused.failure(), ConflictingOptions)
