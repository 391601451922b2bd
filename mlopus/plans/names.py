"""Which provisional names a request has in it, and the same request with what they are now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import attrs

from mlopus.domain.keys import EntityKey, ExperimentKey, RunKey, VersionKey
from mlopus.domain.provisional import provisional_name
from mlopus.plans.requests import ArtifactOf, Request

R = TypeVar("R", bound=Request | ArtifactOf)
K = TypeVar("K", bound=EntityKey)


def provisional_names(request: Request | ArtifactOf) -> frozenset[str]:
    """The provisional ids and versions of the entities that a request names.

    Example:
        >>> from mlopus.plans.requests import CacheMeta
        >>> sorted(provisional_names(CacheMeta(key=RunKey("provisional-3f2a"))))
        ['provisional-3f2a']
    """
    found: set[str] = set()
    for field in attrs.fields(type(request)):
        value = getattr(request, field.name)
        if isinstance(value, ExperimentKey | RunKey | VersionKey):
            found.update(filter(None, (provisional_name(value),)))
        elif isinstance(value, ArtifactOf):
            found |= provisional_names(value)
    return frozenset(found)


def renamed(request: R, names: Mapping[str, str]) -> R:
    """The request with entities called as these names say; others stay as they are called."""
    changes: dict[str, object] = {}
    for field in attrs.fields(type(request)):
        value = getattr(request, field.name)
        if isinstance(value, ExperimentKey | RunKey | VersionKey):
            changes[field.alias] = renamed_key(value, names)
        elif isinstance(value, ArtifactOf):
            changes[field.alias] = renamed(value, names)
    evolved: object = attrs.evolve(cast("Any", request), **changes)
    return cast("R", evolved)


def renamed_key(key: K, names: Mapping[str, str]) -> K:
    """The key of the same entity, as it is called now."""
    found: EntityKey = key
    match key:
        case ExperimentKey(name):
            found = ExperimentKey(names.get(name, name))
        case RunKey(name):
            found = RunKey(names.get(name, name))
        case VersionKey(model, version):
            found = VersionKey(model, names.get(version, version))
        case _:
            pass
    return cast("K", found)
