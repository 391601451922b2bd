"""What a copy says of where it comes from: a tag by which a second copy finds the first."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import quote

from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey
from mlopus.domain.origin import Origin
from mlopus.domain.records import (
    COPIED_FROM_TAG,
    OPERATION_TAG,
    PARENT_TAG,
    PREDECESSOR_REPO_TAG,
    REPO_TAG,
    RUN_NAME_TAG,
    Record,
    Texts,
)

_OF_THE_STORE: Final = frozenset(
    {OPERATION_TAG, COPIED_FROM_TAG, PARENT_TAG, REPO_TAG, PREDECESSOR_REPO_TAG, RUN_NAME_TAG}
)
"""Tags that say something of one store alone, and that a copy gets anew."""


def copied_from(origin: Origin, key: OwnKey) -> str:
    """The text that names an entity of a store.

    Example:
        >>> copied_from(Origin.of("http://team:5000", "blue"), VersionKey("my ranker", "3"))
        'http://team:5000?workspace=blue#models/my%20ranker/3'
    """
    workspace = "" if origin.workspace is None else f"?workspace={quote(origin.workspace, safe='')}"
    return f"{origin.uri}{workspace}#{_path_of(key)}"


def _path_of(key: OwnKey) -> str:
    match key:
        case ExperimentKey(exp_id):
            return f"experiments/{exp_id}"
        case RunKey(run_id):
            return f"runs/{run_id}"
        case ModelKey(name):
            return f"models/{quote(name, safe='')}"
        case VersionKey(name, version):
            return f"models/{quote(name, safe='')}/{version}"


def is_copy_of(record: Record, origin: Origin, key: OwnKey) -> bool:
    """Whether a record says that it was copied from that entity."""
    return record.tags.get(COPIED_FROM_TAG) == copied_from(origin, key)


def tags_to_copy(tags: Texts) -> Texts:
    """The tags that a copy shares with what it is copied from."""
    return immutabledict({key: text for key, text in tags.items() if key not in _OF_THE_STORE})


def copying_id(source: str, into: str) -> str:
    """The operation id of copying: the same for the same copy, so that making it twice makes it once.

    Args:
        source: As `copied_from` names it.
        into: The experiment or model that takes it.
    """
    return hashlib.sha256(f"{source}\n{into}".encode()).hexdigest()[:32]
