"""Entities that were written offline, as they are called now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.api.calls import Call
from mlopus.api.core import ApiCore
from mlopus.domain.keys import EntityKey, key_of, kind_of
from mlopus.domain.provisional import provisional_name
from mlopus.errors import MlopusError, NotFound
from mlopus.plans.names import renamed, renamed_key
from mlopus.result import Failure, Result, Success

K = TypeVar("K", bound=EntityKey)
_HINT = "It was written offline: flush sends it to the server, which then gives it an id of its own."


def key_now(api: ApiCore, key: K) -> Result[K, MlopusError]:
    """The key of an entity with a provisional name, as it is called now."""
    names = names_now(api, filter(None, (provisional_name(key),)), kind_of(key))
    return names if isinstance(names, Failure) else Success(renamed_key(key, names.unwrap()))


def call_now(api: ApiCore, call: Call, names: Iterable[str]) -> Result[Call, MlopusError]:
    """A call with provisional names in it, as its entities are called now.

    What the caller knew of them under those names is forgotten.
    """
    found = names_now(api, names, "entity")
    if isinstance(found, Failure):
        return found
    now = found.unwrap()
    known = tuple(record for record in call.known if provisional_name(key_of(record)) not in now)
    return Success(attrs.evolve(call, request=renamed(call.request, now), known=known))


def names_now(api: ApiCore, names: Iterable[str], kind: str) -> Result[immutabledict[str, str], MlopusError]:
    """Provisional names to what they are now.

    Fails with:
        NotFound: One of them is not flushed, and this API is online: its server knows nothing of it.
    """
    wanted = tuple(names)
    found = api.repositories.journal.replies(wanted)
    if isinstance(found, Failure) or api.settings.offline_mode:
        return found
    missing = next((name for name in wanted if name not in found.unwrap()), None)
    if missing is None:
        return found
    place = str(api.repositories.tracking.origin)
    return Failure(NotFound(kind=kind, key=missing, place=place, hint=_HINT))
