"""Which entries of the journal the rows of a metadata cache show."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

import attrs

from mlopus.domain.keys import OwnKey
from mlopus.repositories.sqlite.attributes import stored_text
from mlopus.repositories.sqlite.layout import stored_key


@attrs.frozen
class Shown:
    """The entries of one origin, inside a transaction of the caller."""

    connection: sqlite3.Connection
    origin: str

    def add(self, entry: str, key: OwnKey | None) -> None:
        """An entry is shown by the row of a key; None: there is nothing to show it by."""
        kind, name, number = ("", "", 0) if key is None else stored_key(key)
        self.connection.execute(
            "INSERT OR REPLACE INTO shown (origin, entry, kind, key, number) VALUES (?, ?, ?, ?, ?)",
            (self.origin, entry, kind, stored_text(name), number),
        )

    def all(self) -> frozenset[str]:
        """The marks of all entries that are shown."""
        rows = self.connection.execute("SELECT entry FROM shown WHERE origin = ?", (self.origin,))
        return frozenset(entry for (entry,) in rows)

    def lose(self, keys: Iterable[OwnKey]) -> None:
        """What the rows of these keys showed is shown no more."""
        if self.connection.execute("SELECT 1 FROM shown LIMIT 1").fetchone() is None:
            return
        for key in keys:
            kind, name, number = stored_key(key)
            self.connection.execute(
                "DELETE FROM shown WHERE origin = ? AND kind = ? AND key = ? AND number = ?",
                (self.origin, kind, stored_text(name), number),
            )

    def keep_only(self, entries: Iterable[str]) -> None:
        """Remember nothing of other entries."""
        self.connection.execute(
            "DELETE FROM shown WHERE origin = ? AND entry NOT IN (SELECT value FROM json_each(?))",
            (self.origin, json.dumps(list(entries))),
        )
