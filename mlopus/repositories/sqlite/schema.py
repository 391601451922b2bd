"""The tables, as an ordered list of migrations.

`entity` is slim, so that scans are short; the record itself is in `body`. `attr` is clustered by
entity, and its index is in MongoDB's order of values: see `attributes`.

A `space` is one kind of entity of one origin. An `attribute` is a path within a space, so that its
id alone restricts a search to that kind and origin; it is never removed, for others may know its id.
"""

# ruff: noqa: S608 (statements are put together from words of this package)

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

import attrs

from mlopus.repositories.sqlite.attributes import NULL

if TYPE_CHECKING:
    import sqlite_utils

ENTITIES: Final = (
    """CREATE TABLE space (
        sid INTEGER PRIMARY KEY,
        origin TEXT NOT NULL,
        kind TEXT NOT NULL,
        codec TEXT NOT NULL,
        UNIQUE (origin, kind)
    )""",
    """CREATE TABLE entity (
        rid INTEGER PRIMARY KEY,
        sid INTEGER NOT NULL REFERENCES space,
        key NOT NULL,
        number INTEGER NOT NULL,
        stage TEXT NOT NULL,
        as_of INTEGER NOT NULL,
        exp_id,
        start_time INTEGER,
        end_time INTEGER,
        status TEXT,
        run_id,
        name
    )""",
    "CREATE UNIQUE INDEX entity_key ON entity (sid, key, number)",
    "CREATE INDEX entity_start ON entity (sid, start_time, key, number)",
    "CREATE INDEX entity_exp ON entity (sid, exp_id, start_time, key, number)",
    "CREATE INDEX entity_end ON entity (sid, end_time, key, number)",
    "CREATE INDEX entity_name ON entity (sid, name, key, number)",
    "CREATE INDEX entity_status ON entity (sid, status, key, number)",
    "CREATE INDEX entity_run ON entity (sid, run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX entity_age ON entity (sid, exp_id, as_of)",
    "CREATE TABLE body (rid INTEGER PRIMARY KEY, record TEXT NOT NULL)",
    """CREATE TABLE attribute (
        kid INTEGER PRIMARY KEY,
        sid INTEGER NOT NULL,
        path NOT NULL,
        UNIQUE (sid, path)
    )""",
    """CREATE TABLE attr (
        rid INTEGER NOT NULL,
        kid INTEGER NOT NULL,
        ord INTEGER NOT NULL,
        t INTEGER NOT NULL,
        v NOT NULL,
        PRIMARY KEY (rid, kid, ord)
    ) WITHOUT ROWID""",
    "CREATE INDEX attr_value ON attr (kid, t, v, rid)",
)

TRACKING: Final = (
    """CREATE TABLE operation (
        sid INTEGER NOT NULL,
        id TEXT NOT NULL,
        rid INTEGER NOT NULL,
        PRIMARY KEY (sid, id)
    )""",
    "CREATE TABLE metric (mid INTEGER PRIMARY KEY, key NOT NULL UNIQUE)",
    """CREATE TABLE point (
        rid INTEGER NOT NULL,
        mid INTEGER NOT NULL,
        step INTEGER NOT NULL,
        time INTEGER NOT NULL,
        value REAL NOT NULL,
        is_nan INTEGER NOT NULL,
        PRIMARY KEY (rid, mid, step, time, value, is_nan)
    ) WITHOUT ROWID""",
)

NUMBERING: Final = ("CREATE TABLE numbering (rid INTEGER PRIMARY KEY, highest INTEGER NOT NULL)",)
"""Of models of which versions were deleted, the highest number that one had: none is given again."""


COUNTED: Final = (
    "ALTER TABLE space ADD COLUMN entities INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE attribute ADD COLUMN present INTEGER NOT NULL DEFAULT 0",
    "UPDATE space SET entities = (SELECT count(*) FROM entity e WHERE e.sid = space.sid)",
    f"UPDATE attribute SET present = (SELECT count(*) FROM attr WHERE kid = attribute.kid AND t > {NULL})",
    """CREATE TRIGGER entity_gone AFTER DELETE ON entity BEGIN
        UPDATE space SET entities = entities - 1 WHERE sid = OLD.sid;
    END""",
    f"""CREATE TRIGGER attr_gone AFTER DELETE ON attr WHEN OLD.t > {NULL} BEGIN
        UPDATE attribute SET present = present - 1 WHERE kid = OLD.kid;
    END""",
)
"""How many entities a space has, and how many values a path: searches that sort by it would have to count.

What goes is counted by triggers, wherever it is deleted. What comes is counted by `Rows.put`, once a batch:
triggers would halve its speed.
"""

SHOWN: Final = (
    """CREATE TABLE shown (
        origin TEXT NOT NULL,
        entry TEXT NOT NULL,
        kind TEXT NOT NULL,
        key NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (origin, entry)
    ) WITHOUT ROWID""",
    "CREATE INDEX shown_key ON shown (origin, kind, key, number)",
)
"""Entries of the journal whose effect the row of an entity shows."""

JOURNAL: Final = (
    """CREATE TABLE request (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        origin TEXT NOT NULL,
        mark TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        body TEXT,
        held TEXT,
        written_at INTEGER NOT NULL,
        writer TEXT NOT NULL,
        provisional TEXT,
        reply TEXT,
        error TEXT,
        attempted_at INTEGER,
        claimed_by TEXT
    )""",
    "CREATE INDEX request_waiting ON request (origin, id) WHERE state = 'waiting'",
    "CREATE INDEX request_provisional ON request (provisional) WHERE provisional IS NOT NULL",
    """CREATE TABLE point (
        origin TEXT NOT NULL,
        run NOT NULL,
        metric NOT NULL,
        step INTEGER NOT NULL,
        time INTEGER NOT NULL,
        value REAL NOT NULL,
        is_nan INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        PRIMARY KEY (origin, run, metric, step, time, value, is_nan, entry)
    ) WITHOUT ROWID""",
    "CREATE INDEX point_entry ON point (entry)",
    """CREATE TABLE open_run (
        origin TEXT NOT NULL,
        run NOT NULL,
        writer TEXT NOT NULL,
        last_at INTEGER NOT NULL,
        PRIMARY KEY (origin, run)
    ) WITHOUT ROWID""",
)
"""Requests that wait, that were settled (their body gone, their reply kept) or dropped."""

KEEPING: Final = (
    """CREATE TABLE pin (
        origin TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject NOT NULL,
        path NOT NULL,
        PRIMARY KEY (origin, kind, subject, path)
    ) WITHOUT ROWID""",
    """CREATE TABLE placement (
        target NOT NULL,
        tree_key TEXT NOT NULL,
        path NOT NULL,
        PRIMARY KEY (target, tree_key)
    ) WITHOUT ROWID""",
)


@attrs.frozen(kw_only=True)
class Schema:
    """A kind of database: `application_id` tells it from others, `migrations` made it what it is.

    Several sets of tables may share one file (`is_shared`): each is known by its name in the table of
    migrations, and is made when it is first written to, whichever came first.
    """

    name: str
    application_id: int
    migrations: tuple[tuple[str, tuple[str, ...]], ...]
    is_shared: bool = False

    @property
    def version(self) -> int:
        """The number that a database with all migrations carries."""
        return len(self.migrations)

    def version_of(self, connection: sqlite3.Connection) -> int:
        """How many migrations a database has had, which may be more than this mlopus knows."""
        if not self.is_shared:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            return int(version)
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'"
        if connection.execute(known).fetchone() is None:
            return 0
        applied = "SELECT count(*) FROM _sqlite_migrations WHERE migration_set = ?"
        (version,) = connection.execute(applied, (self.name,)).fetchone()
        return int(version)

    def migrate(self, connection: sqlite3.Connection) -> None:
        """Apply the migrations that are missing, inside the transaction of the caller."""
        from sqlite_utils import Database, Migrations  # noqa: PLC0415 (slow to load, and rarely needed)

        migrations = Migrations(self.name)
        for name, statements in self.migrations:
            migrations(name=name)(_Statements(name, statements))
        migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))
        connection.execute(f"PRAGMA application_id = {self.application_id}")
        if not self.is_shared:
            connection.execute(f"PRAGMA user_version = {self.version}")


class _Statements:
    """A migration that executes statements."""

    def __init__(self, name: str, statements: tuple[str, ...]) -> None:
        self.__name__ = name
        self._statements = statements

    def __call__(self, db: sqlite_utils.Database, /) -> None:
        for statement in self._statements:
            db.conn.execute(statement)


CACHE_SCHEMA: Final = Schema(
    name="mlopus.metadata",
    application_id=0x6D6C4F63,
    migrations=(("entities", ENTITIES), ("shown", SHOWN), ("counted", COUNTED)),
)
TRACKING_SCHEMA: Final = Schema(
    name="mlopus.tracking",
    application_id=0x6D6C4F74,
    migrations=(
        ("entities", ENTITIES),
        ("tracking", TRACKING),
        ("numbering", NUMBERING),
        ("counted", COUNTED),
    ),
)
JOURNAL_ID: Final = 0x6D6C4F6A
"""Of `journal.db`, which holds several sets of tables."""
KEEPING_SCHEMA: Final = Schema(
    name="mlopus.keeping", application_id=JOURNAL_ID, migrations=(("keeping", KEEPING),), is_shared=True
)
JOURNAL_SCHEMA: Final = Schema(
    name="mlopus.journal", application_id=JOURNAL_ID, migrations=(("journal", JOURNAL),), is_shared=True
)
