"""The options of publishing, cell by cell: whatever can be asked for is one cell of the table."""

from __future__ import annotations

from itertools import product
from typing import Literal, TypeAlias

import pytest

from mlopus.errors import ConflictingOptions
from mlopus.plans.publish_policy import CacheLadder, PublishPolicy, publish_policy
from mlopus.plans.requests import PublishOptions
from mlopus.result import Failure

Store: TypeAlias = Literal["remote", "local"]
Source: TypeAlias = Literal["kept", "taken"]
Cell: TypeAlias = tuple[Store, Source, bool | None, bool]


def policy(cache_by: CacheLadder | None, *, moves: bool = False, removes: bool = False) -> PublishPolicy:
    return PublishPolicy(cache_by=cache_by, upload_moves=moves, removes_source=removes)


SENT = policy(None)
SENT_THEN_REMOVED = policy(None, removes=True)
SHARED = policy(("reflink", "copy"))
COPIED = policy(("copy",))
MOVED_TO_CACHE = policy("move", removes=True)
MOVED_TO_STORE = policy(None, moves=True, removes=True)
BY_REFLINK = policy(("reflink",))
LINKED_BACK = policy("move and link")
CONFLICT = "a conflict"

TABLE: dict[Cell, PublishPolicy | str] = {
    # store, source, allow_duplication, use_cache
    ("remote", "kept", None, True): SHARED,
    ("remote", "kept", False, True): BY_REFLINK,
    ("remote", "kept", True, True): COPIED,
    ("remote", "kept", None, False): SENT,
    ("remote", "kept", False, False): SENT,
    ("remote", "kept", True, False): SENT,
    ("remote", "taken", None, True): MOVED_TO_CACHE,
    ("remote", "taken", False, True): MOVED_TO_CACHE,
    ("remote", "taken", True, True): MOVED_TO_CACHE,
    ("remote", "taken", None, False): SENT_THEN_REMOVED,
    ("remote", "taken", False, False): SENT_THEN_REMOVED,
    ("remote", "taken", True, False): SENT_THEN_REMOVED,
    ("local", "kept", None, False): SENT,
    ("local", "kept", False, False): CONFLICT,
    ("local", "kept", True, False): SENT,
    ("local", "kept", None, True): SHARED,
    ("local", "kept", False, True): CONFLICT,
    ("local", "kept", True, True): COPIED,
    ("local", "taken", None, False): MOVED_TO_STORE,
    ("local", "taken", False, False): MOVED_TO_STORE,
    ("local", "taken", True, False): MOVED_TO_STORE,
    ("local", "taken", None, True): policy(("reflink", "copy"), moves=True, removes=True),
    ("local", "taken", False, True): CONFLICT,
    ("local", "taken", True, True): policy(("copy",), moves=True, removes=True),
}
ASKED = (None, True, False)


def cell_of(options: PublishOptions, *, from_callback: bool, is_local: bool) -> Cell:
    """Where the table is looked into: what is not said has its default."""
    keeps = options.keep_the_source if options.keep_the_source is not None else not from_callback
    caches = options.use_cache if options.use_cache is not None else not is_local
    store: Store = "local" if is_local else "remote"
    return store, "kept" if keeps else "taken", options.allow_duplication, caches


ALL_OPTIONS = [
    PublishOptions(keep_the_source=keep, allow_duplication=duplicate, use_cache=cache)
    for keep, duplicate, cache in product(ASKED, ASKED, ASKED)
]


@pytest.mark.parametrize("can_reflink", [True, False])
@pytest.mark.parametrize("from_callback", [True, False], ids=["callback", "path"])
@pytest.mark.parametrize("is_local", [True, False], ids=["local", "remote"])
@pytest.mark.parametrize("options", ALL_OPTIONS)
def test_whatever_is_asked_for_is_what_its_cell_says(
    options: PublishOptions, is_local: bool, from_callback: bool, can_reflink: bool
) -> None:
    said = TABLE[cell_of(options, from_callback=from_callback, is_local=is_local)]

    found = publish_policy(options, from_callback, is_local, can_reflink)

    if isinstance(found, Failure):
        assert isinstance(found.failure(), ConflictingOptions)
        assert said == CONFLICT
    else:
        assert found.unwrap() == (LINKED_BACK if said == BY_REFLINK and not can_reflink else said)


def test_the_table_has_a_cell_for_everything() -> None:
    assert TABLE.keys() == set(product(("remote", "local"), ("kept", "taken"), ASKED, (True, False)))
