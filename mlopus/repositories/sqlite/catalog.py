"""What a compiler must know of the data: which paths there are, and about how many rows hold a value."""

# ruff: noqa: S608 (statements are put together from words of this package; values are parameters)

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlopus.domain.status import EntityKind
from mlopus.repositories.sqlite.attributes import ARRAY, MARK
from mlopus.repositories.sqlite.conditions import marks
from mlopus.repositories.sqlite.rows import Rows

MANY: Final = 1500
"""Rows are counted to here and no further: as many cost more to collect than to ask one by one."""
_FEW_EXPERIMENTS: Final = 200


class Catalog:
    """Answers from one transaction, for searches that read texts by one codec.

    Counts are None for `many` rows or more.
    """

    def __init__(self, rows: Rows, codec: str, many: int = MANY) -> None:
        self._rows = rows
        self._codec = codec
        self._many = many

    def space(self, kind: EntityKind) -> int | None:
        """The space of a kind; None if there are no entities of it."""
        space = self._rows.space(kind)
        return None if space is None else space.sid

    def is_read_alike(self, kind: EntityKind) -> bool:
        """Whether the values in the table were read from text by the codec of the search."""
        space = self._rows.space(kind)
        return space is None or space.codec == self._codec

    def attribute(self, kind: EntityKind, path: str) -> int | None:
        """The id of a path; None if no entity of the kind ever had it."""
        space = self._rows.space(kind)
        return None if space is None else self._rows.attribute(space, path)

    def lists_above(self, kind: EntityKind, path: str) -> list[int]:
        """The ids of paths above this one where some entity has a list, so that rows do not tell all."""
        parts = path.split(".")
        above = (".".join(parts[:end]) for end in range(1, len(parts)))
        kids = [kid for kid in (self.attribute(kind, path) for path in above) if kid is not None]
        return [kid for kid in kids if self.has(kid, (ARRAY, MARK))]

    def has(self, kid: int, classes: Sequence[int]) -> bool:
        """Whether there is a row of one of the classes."""
        statement = "SELECT 1 FROM attr WHERE kid = ? AND t = ? LIMIT 1"
        return any(self._rows.connection.execute(statement, (kid, t)).fetchone() for t in classes)

    def count_rows(self, where: str, parameters: Sequence[object]) -> int | None:
        """How many rows of `attr` satisfy a condition that its index answers."""
        return self._count(f"attr WHERE {where}", parameters)

    def count_entities(self, kind: EntityKind, where: str, parameters: Sequence[object]) -> int | None:
        """How many entities satisfy a condition that an index answers."""
        sid = self.space(kind)
        return 0 if sid is None else self._count(f"entity WHERE sid = ? AND {where}", (sid, *parameters))

    def count_without(self, kid: int) -> tuple[int, int]:
        """How many entities have no value at a path where each has at most one; and how many there are."""
        counted = "SELECT s.entities, a.present FROM space s JOIN attribute a USING (sid) WHERE a.kid = ?"
        every, some = self._rows.connection.execute(counted, (kid,)).fetchone()
        return every - some, every

    def count_of_experiments(self, exp_ids: Sequence[str]) -> int | None:
        """How many runs are in these experiments; many, if these are many."""
        if len(exp_ids) > _FEW_EXPERIMENTS:
            return None
        return self.count_entities("run", f"exp_id IN ({marks(exp_ids)})", exp_ids)

    def _count(self, where: str, parameters: Sequence[object]) -> int | None:
        statement = f"SELECT count(*) FROM (SELECT 1 FROM {where} LIMIT {self._many})"
        (count,) = self._rows.connection.execute(statement, tuple(parameters)).fetchone()
        return int(count) if count < self._many else None
