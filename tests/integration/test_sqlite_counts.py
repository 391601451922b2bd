"""How many entities and values the tables say there are, beside how many there are."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ModelKey
from mlopus.domain.origin import Origin
from mlopus.domain.records import ModelRecord, Record, RunRecord, VersionRecord
from mlopus.plans.changes import DeleteEntity, RenameModel
from mlopus.plans.steps import ReflectChange
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.testing.contracts.metadata_cache_case import EARLY

HERE, THERE = Origin.of("http://127.0.0.1:5000"), Origin.of("http://127.0.0.1:5001")
COUNTED = (
    "SELECT s.sid, s.entities FROM space s ORDER BY 1",
    "SELECT kid, present FROM attribute ORDER BY 1",
)
THERE_ARE = (
    "SELECT s.sid, count(e.rid) FROM space s LEFT JOIN entity e USING (sid) GROUP BY 1 ORDER BY 1",
    "SELECT kid, count(nullif(t, 1)) FROM attribute LEFT JOIN attr USING (kid) GROUP BY 1 ORDER BY 1",
)
UNCOUNTED = """
    DROP TRIGGER entity_gone; DROP TRIGGER attr_gone;
    ALTER TABLE space DROP COLUMN entities; ALTER TABLE attribute DROP COLUMN present;
    DELETE FROM _sqlite_migrations WHERE name = 'counted'; PRAGMA user_version = 2;
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[SqliteMetadataCache]:
    held = SqliteMetadataCache(str(tmp_path / "cache"), HERE)
    yield held
    held.close()


def told(cache: SqliteMetadataCache, statements: tuple[str, ...]) -> list[list[tuple[int, int]]]:
    connection = sqlite3.connect(Path(cache.folder) / "metadata.db")
    try:
        return [connection.execute(statement).fetchall() for statement in statements]
    finally:
        connection.close()


def run_of(chance: random.Random) -> RunRecord:
    """One of ten runs, with some of a few values, `null` among them."""
    keys = chance.sample("abcde", chance.randint(0, 5))
    return RunRecord(
        id=f"r{chance.randrange(10)}",
        exp_id="0",
        params=immutabledict({key: chance.choice(["null", "1", "x", "[1, 2]", "{}"]) for key in keys}),
        metrics=immutabledict(loss=chance.random()) if chance.random() < 0.5 else immutabledict(),
    )


def rows_of(chance: random.Random) -> tuple[Record, ...]:
    number = chance.randrange(3)
    model = ModelRecord(name=f"m{number}", tags=immutabledict(team="a"))
    version = VersionRecord(name=f"m{number}", version=str(chance.randrange(1, 4)), source="s", run_id=None)
    return (*(run_of(chance) for _ in range(6)), model, version)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_counted_is_what_is_there(cache: SqliteMetadataCache, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (nothing is kept secret)
    elsewhere = SqliteMetadataCache(cache.folder, THERE)
    for step in range(30):
        chance.choice((cache, cache, elsewhere)).put(
            rows_of(chance), EARLY + timedelta(minutes=chance.randint(-2, step))
        ).unwrap()
        if chance.random() < 0.2:
            change = chance.choice(
                (DeleteEntity(key=ModelKey("m1")), RenameModel(name="m0", new_name=f"m{chance.randrange(3)}"))
            )
            cache.reflect(ReflectChange(change=change, add=False, created=None, taken_at=EARLY)).unwrap()
        if chance.random() < 0.1:
            cache.clear().unwrap()

        assert told(cache, COUNTED) == told(cache, THERE_ARE)
    elsewhere.close()


def test_what_an_older_mlopus_left_is_counted_when_it_is_first_written_to(cache: SqliteMetadataCache) -> None:
    chance = random.Random(1)  # noqa: S311 (as above)
    cache.put(rows_of(chance), EARLY).unwrap()
    cache.close()
    connection = sqlite3.connect(Path(cache.folder) / "metadata.db")
    connection.executescript(UNCOUNTED)
    connection.close()

    cache.put(rows_of(chance), EARLY).unwrap()

    assert told(cache, COUNTED) == told(cache, THERE_ARE)
