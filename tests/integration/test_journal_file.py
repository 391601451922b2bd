"""`journal.db`: sets of tables that share one file, and what is refused rather than overwritten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mlopus.errors import UnreadableCache
from mlopus.repositories.sqlite.database import Database
from mlopus.repositories.sqlite.keeping import SqliteKeeping
from mlopus.repositories.sqlite.schema import JOURNAL_ID, Schema
from mlopus.result import Success
from mlopus.testing.contracts.keeping import PLACED, RUN_PIN

OTHERS = Schema(
    name="mlopus.others",
    application_id=JOURNAL_ID,
    migrations=(("one", ("CREATE TABLE other (x)",)), ("two", ("CREATE TABLE another (x)",))),
    is_shared=True,
)


@pytest.fixture
def keeping(tmp_path: Path):
    kept = SqliteKeeping(str(tmp_path))
    yield kept
    kept.close()


@pytest.fixture
def others(tmp_path: Path):
    database = Database(path=tmp_path / "journal.db", schema=OTHERS, is_durable=True, remedy="None.")
    yield database
    database.close()


def add(connection: sqlite3.Connection) -> Success[None]:
    connection.execute("INSERT INTO other VALUES (1)")
    return Success(None)


def count(connection: sqlite3.Connection) -> Success[int]:
    return Success(connection.execute("SELECT count(*) FROM other").fetchone()[0])


@pytest.mark.parametrize("first", ["pins", "others"])
def test_two_sets_of_tables_live_in_one_file_whichever_comes_first(keeping, others, first) -> None:
    if first == "pins":
        keeping.pin(RUN_PIN).unwrap()
        others.write(add).unwrap()
    else:
        others.write(add).unwrap()
        keeping.pin(RUN_PIN).unwrap()

    assert keeping.pins() == Success((RUN_PIN,))
    assert others.read(count, lambda: Success(0)) == Success(1)


def test_reading_one_set_makes_no_table_beside_another(keeping, others, tmp_path: Path) -> None:
    others.write(add).unwrap()

    assert keeping.pins() == Success(())
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert "pin" not in tables


def test_a_set_of_a_newer_mlopus_is_refused_and_the_others_are_read(keeping, others, tmp_path: Path) -> None:
    keeping.pin(RUN_PIN).unwrap()
    others.write(add).unwrap()
    keeping.close()
    row = (
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mlopus.keeping', 'x', '')"
    )
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute(row)
    connection.close()

    assert "newer mlopus" in str(keeping.pins().failure())
    assert others.read(count, lambda: Success(0)) == Success(1)


def test_a_damaged_file_is_never_taken_for_an_empty_one(keeping, tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.write_bytes(b"not a database, but long enough to look at " * 50)
    before = file.read_bytes()

    refused = [keeping.pins(), keeping.placements(), keeping.pin(RUN_PIN), keeping.record(PLACED)]

    assert all(isinstance(answer.failure(), UnreadableCache) for answer in refused)
    assert "backup" in (refused[0].failure().hint or "")
    assert file.read_bytes() == before


def test_what_was_recorded_survives_a_power_failure(keeping) -> None:
    keeping.pin(RUN_PIN).unwrap()

    def durability(connection: sqlite3.Connection) -> Success[int]:
        return Success(connection.execute("PRAGMA synchronous").fetchone()[0])

    assert keeping._database.write(durability) == Success(2)  # FULL
