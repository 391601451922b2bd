"""What folders and stores hold, as values to be compared before and after."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from mlopus import ArtifactEntry, MlflowApi, Run, or_raise
from mlopus.domain.entities import Entity

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORKING_FILES = (".db", ".db-wal", ".db-shm", ".lock")
"""Databases are compared by what they answer."""


def bytes_below(folder: Path) -> dict[str, str]:
    """The sha256 of each file below a folder, by relative path; links count as what they show."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(folder)
    }


def tree_of(folder: Path) -> dict[str, str]:
    """All that is in a folder by relative path: folders, links as such, files by their sha256."""
    found: dict[str, str] = {}
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent) / name
            if not name.endswith(_WORKING_FILES):
                found[path.relative_to(folder).as_posix()] = _kind_and_content(path)
    return found


@attrs.frozen
class State:
    """What a store holds of one experiment and one model, and what is in some folders."""

    entities: tuple[Entity, ...]
    artifacts: tuple[ArtifactEntry, ...]
    folders: tuple[dict[str, str], ...]


def state_of(api: MlflowApi, name: str, *folders: Path) -> State:
    """Everything of the experiment and the model of that name, as the API answers it."""
    searches = (
        api.find_exps({"name": name}, view="all"),
        api.find_runs({"exp.name": name}, sorting=[("id", 1)], view="all"),
        api.find_models({"name": name}),
        api.find_model_versions({"model.name": name}, sorting=[("version", 1)]),
    )
    entities = tuple(entity for search in searches for entity in or_raise(search.all()))
    roots = (
        api.list_run_artifacts(entity.id, recursive=True) for entity in entities if isinstance(entity, Run)
    )
    artifacts = tuple(entry for listed in roots for entry in listed.value_or(()))
    return State(entities, artifacts, tuple(tree_of(folder) for folder in folders))


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, followlinks=True):
        yield from (Path(parent) / name for name in names)


def _kind_and_content(path: Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    return "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
