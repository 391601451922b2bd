"""Provisional ids: what an entity that was written offline is called until its store has named it.

They follow from the operation id of the request that creates, so that showing it twice shows it once.
"""

from __future__ import annotations

import hashlib
from typing import Final

from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    RunKey,
    VersionKey,
)

PREFIX: Final = "provisional-"
_FIRST_VERSION: Final = 8 * 10**15
_VERSIONS: Final = 10**15
"""Versions are numbers: provisional ones have 16 digits, more than any real one, and fit a double."""


def provisional_id(operation_id: str) -> str:
    """The id of an experiment or a run that the operation will create.

    Example:
        >>> provisional_id("3f2a")
        'provisional-3f2a'
    """
    return f"{PREFIX}{operation_id}"


def provisional_version(operation_id: str) -> str:
    """The number of a version that the operation will register.

    Example:
        >>> len(provisional_version("3f2a")), provisional_version("3f2a")[0]
        (16, '8')
    """
    digest = hashlib.sha256(operation_id.encode()).digest()
    return str(_FIRST_VERSION + int.from_bytes(digest[:8], "big") % _VERSIONS)


def is_provisional_id(text: str) -> bool:
    """Whether an id, or a version number, is provisional.

    Example:
        >>> is_provisional_id("provisional-3f2a"), is_provisional_id("12")
        (True, False)
    """
    is_number = len(text) == len(str(_FIRST_VERSION)) and text.isascii() and text.isdigit()
    return text.startswith(PREFIX) or (is_number and 0 <= int(text) - _FIRST_VERSION < _VERSIONS)


def provisional_name(key: EntityKey) -> str | None:
    """The provisional id or version number in a key; None if it names an entity otherwise."""
    match key:
        case ExperimentKey(name) | RunKey(name) | VersionKey(version=name):
            return name if is_provisional_id(name) else None
        case ExperimentName() | ModelKey() | AliasKey():
            return None
