"""Where each field of a document is in the tables, by kind of entity."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.documents import number_of
from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey
from mlopus.domain.status import EntityKind
from mlopus.repositories.sqlite.attributes import DATE, NUMBER, STRING


@attrs.frozen
class Column:
    """A field of one class, in a column of `entity`; NULL where the document does not have it."""

    name: str
    t: int


@attrs.frozen
class Attribute:
    """A field with rows in `attr`, under its path."""

    path: str


@attrs.frozen
class Parent:
    """A field of the parent that a column of `entity` names by its key."""

    kind: EntityKind
    column: str
    path: str


@attrs.frozen
class Opaque:
    """A field that is not in the tables: `reason` says why it is looked at in Python."""

    reason: str


@attrs.frozen
class Missing:
    """A field that no document of this kind has."""


Place: TypeAlias = Column | Attribute | Parent | Opaque | Missing


@attrs.frozen(kw_only=True)
class Layout:
    """The fields of one kind.

    Attributes:
        columns: Fields in columns of their own.
        mappings: Fields that are mappings in every document, whose members have rows in `attr`.
        values: Fields with rows in `attr` of their own.
        parents: Fields that hold a parent, with its kind and the column that names it.
        own: Fields of a parent that are in that column, so that they are known without the parent.
        computed: Fields that are made when a record is read.
    """

    columns: immutabledict[str, Column]
    mappings: frozenset[str]
    values: frozenset[str] = frozenset()
    parents: immutabledict[str, tuple[EntityKind, str]] = immutabledict()
    own: immutabledict[str, Column] = immutabledict()
    computed: frozenset[str] = frozenset()

    def place(self, path: str) -> Place:
        """Where the values at a path are."""
        root, _, below = path.partition(".")
        if path in self.columns:
            return self.columns[path]
        if path in self.own:
            return self.own[path]
        if root in self.parents:
            if not below:
                return Opaque("the parent as a whole is not in the table")
            if any(path.startswith(f"{own}.") for own in self.own):
                return Missing()
            kind, column = self.parents[root]
            return Parent(kind, column, below)
        if root in self.computed:
            return Missing() if below else Opaque("made when it is read")
        if root in self.mappings and not below:
            return Opaque("the mapping as a whole is not in the table")
        return Attribute(path) if root in self.mappings or root in self.values else Missing()


_DATED: Final = frozenset({"created_at", "updated_at"})

LAYOUTS: Final[dict[EntityKind, Layout]] = {
    "experiment": Layout(
        columns=immutabledict({"id": Column("key", STRING), "name": Column("name", STRING)}),
        mappings=frozenset({"tags"}),
        values=_DATED,
        computed=frozenset({"artifact_location"}),
    ),
    "run": Layout(
        columns=immutabledict(
            {
                "id": Column("key", STRING),
                "name": Column("name", STRING),
                "status": Column("status", STRING),
                "start_time": Column("start_time", DATE),
                "end_time": Column("end_time", DATE),
            }
        ),
        mappings=frozenset({"params", "metrics", "tags"}),
        parents=immutabledict({"exp": ("experiment", "exp_id")}),
        own=immutabledict({"exp.id": Column("exp_id", STRING)}),
        computed=frozenset({"repo"}),
    ),
    "model": Layout(
        columns=immutabledict({"name": Column("key", STRING)}),
        mappings=frozenset({"tags", "aliases"}),
        values=_DATED | {"description"},
    ),
    "model version": Layout(
        columns=immutabledict({"version": Column("number", NUMBER)}),
        mappings=frozenset({"tags"}),
        values=_DATED | {"description", "aliases"},
        parents=immutabledict({"model": ("model", "key"), "run": ("run", "run_id")}),
        own=immutabledict({"model.name": Column("key", STRING), "run.id": Column("run_id", STRING)}),
        computed=frozenset({"source", "path_in_run"}),
    ),
}


def stored_key(key: OwnKey) -> tuple[EntityKind, str, int]:
    """Kind, key and number under which an entity is stored."""
    match key:
        case ExperimentKey():
            return "experiment", key.id, 0
        case RunKey():
            return "run", key.id, 0
        case ModelKey():
            return "model", key.name, 0
        case VersionKey():
            return "model version", key.name, number_of(key.version)
