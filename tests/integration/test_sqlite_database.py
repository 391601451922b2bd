"""Opening databases: older, newer, foreign, damaged, read-only, moved away, forked."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from mlopus.domain.keys import RunKey
from mlopus.domain.origin import Origin
from mlopus.domain.records import RunRecord
from mlopus.errors import NotCached, StoreFailed, UnreadableCache
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.repositories.sqlite.mounts import type_of_mount
from mlopus.testing.contracts.metadata_cache_case import EARLY, RUN

HERE = Origin.of("http://127.0.0.1:5000")


@pytest.fixture
def cache(tmp_path: Path):
    held = SqliteMetadataCache(str(tmp_path / "cache"), HERE)
    yield held
    held.close()


def file_of(cache: SqliteMetadataCache) -> Path:
    return Path(cache.folder) / "metadata.db"


def test_nothing_is_made_before_something_is_put(cache: SqliteMetadataCache, tmp_path: Path) -> None:
    cache.get(RunKey("r1"))
    cache.clear().unwrap()

    assert list(tmp_path.iterdir()) == []
    assert cache.is_writable


def test_an_empty_file_is_an_empty_cache(cache: SqliteMetadataCache) -> None:
    file_of(cache).parent.mkdir()
    file_of(cache).touch()

    assert isinstance(cache.get(RunKey("r1")).failure(), NotCached)
    cache.put((RUN,), EARLY).unwrap()
    assert cache.get(RunKey("r1")).unwrap().record == RUN


def refused(cache: SqliteMetadataCache) -> UnreadableCache:
    """What reading and writing answer, the file being left as it is."""
    before = file_of(cache).read_bytes()
    read, written = cache.get(RunKey("r1")).failure(), cache.put((RUN,), EARLY).failure()
    assert read == written
    assert isinstance(read, UnreadableCache)
    assert file_of(cache).read_bytes() == before
    return read


def test_a_newer_database_is_refused_and_says_what_to_do(cache: SqliteMetadataCache) -> None:
    cache.put((RUN,), EARLY).unwrap()
    cache.close()
    with sqlite3.connect(file_of(cache)) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    error = refused(cache)

    assert "newer mlopus" in error.message
    assert "Upgrade mlopus" in (error.hint or "")


def test_a_database_of_another_program_is_refused(cache: SqliteMetadataCache) -> None:
    file_of(cache).parent.mkdir()
    with sqlite3.connect(file_of(cache)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()

    assert "another program" in refused(cache).message


def test_a_file_that_is_no_database_is_refused(cache: SqliteMetadataCache) -> None:
    file_of(cache).parent.mkdir()
    file_of(cache).write_bytes(b"not a database, but long enough to look at " * 50)

    assert refused(cache).hint


def test_a_damaged_page_is_told_and_nothing_overwritten(cache: SqliteMetadataCache) -> None:
    cache.put(tuple(_runs(50)), EARLY).unwrap()
    cache.close()
    content = bytearray(file_of(cache).read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file_of(cache).write_bytes(content)

    error = refused(cache)

    assert "Move the file away" in (error.hint or "")


def test_a_row_that_mlopus_did_not_write_is_told(cache: SqliteMetadataCache) -> None:
    cache.put((RUN,), EARLY).unwrap()
    with sqlite3.connect(file_of(cache)) as connection:
        connection.execute("UPDATE body SET record = '{}'")
    connection.close()

    assert isinstance(cache.get(RunKey("r1")).failure(), UnreadableCache)


def test_a_file_removed_meanwhile_is_noticed(cache: SqliteMetadataCache) -> None:
    cache.put((RUN,), EARLY).unwrap()
    cache.get(RunKey("r1")).unwrap()
    for path in Path(cache.folder).iterdir():
        path.unlink()

    assert isinstance(cache.get(RunKey("r1")).failure(), NotCached)
    cache.put((RUN,), EARLY).unwrap()
    assert SqliteMetadataCache(cache.folder, HERE).get(RunKey("r1")).unwrap().record == RUN


def test_an_export_has_no_log_beside_it(tmp_path: Path) -> None:
    export = SqliteMetadataCache(str(tmp_path), HERE, wal=False)
    export.put((RUN,), EARLY).unwrap()
    export.get(RunKey("r1")).unwrap()

    assert [path.name for path in tmp_path.iterdir()] == ["metadata.db"]
    export.close()


READING = """
import os, sys
from mlopus.domain.keys import RunKey
from mlopus.domain.origin import Origin
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.testing.contracts.metadata_cache_case import EARLY, RUN
if os.getuid() == 0:
    os.setuid(65534)
cache = SqliteMetadataCache(sys.argv[1], Origin.of("http://127.0.0.1:5000"))
print(cache.is_writable, cache.get(RunKey("r1")).unwrap().record == RUN)
print(type(cache.put((RUN,), EARLY).failure()).__name__)
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can read: a test that root runs looks at it as somebody else."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "cache"
        Path(folder, "cache").chmod(0o755)


@pytest.mark.parametrize("wal", [True, False])
def test_a_folder_that_cannot_be_written_is_read(public_folder: Path, *, wal: bool) -> None:
    writer = SqliteMetadataCache(str(public_folder), HERE, wal=wal)
    writer.put((RUN,), EARLY).unwrap()
    writer.close()
    (public_folder / "metadata.db").chmod(0o444)
    public_folder.chmod(0o555)

    done = subprocess.run(
        [sys.executable, "-c", READING, str(public_folder)], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["False", "True", "StoreFailed"], done.stderr


def test_many_threads_make_one_database(tmp_path: Path) -> None:
    errors: list[object] = []

    def put(number: int) -> None:
        cache = SqliteMetadataCache(str(tmp_path), HERE)
        errors.append(cache.put(tuple(_runs(1, number)), EARLY).value_or("failed"))
        cache.close()

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == [None] * 8
    assert all(SqliteMetadataCache(str(tmp_path), HERE).get(RunKey(f"r{n}")).unwrap() for n in range(8))


READ_AND_CLOSE = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("SELECT count(*) FROM entity").fetchone()
database.close()
"""


def test_another_opening_does_not_end_the_locks_of_the_first(
    cache: SqliteMetadataCache, tmp_path: Path
) -> None:
    """Whoever closes a database last removes its log: it must not take itself for the last."""
    cache.put((RUN,), EARLY).unwrap()
    second = SqliteMetadataCache(str(tmp_path / "cache"), HERE)
    second.put((attrs.evolve(RUN, id="r2"),), EARLY).unwrap()
    second.close()

    subprocess.run([sys.executable, "-c", READ_AND_CLOSE, str(file_of(cache))], check=True)
    cache.put((attrs.evolve(RUN, id="r3"),), EARLY).unwrap()

    third = SqliteMetadataCache(str(tmp_path / "cache"), HERE)
    assert [third.get(RunKey(name)).unwrap().record.id for name in ("r1", "r2", "r3")] == ["r1", "r2", "r3"]
    third.close()


def test_a_forked_child_writes_beside_its_parent(cache: SqliteMetadataCache) -> None:
    cache.put((RUN,), EARLY).unwrap()
    cache.get(RunKey("r1")).unwrap()

    child = os.fork()
    if child == 0:
        written = cache.put(tuple(_runs(50, 100)), EARLY)
        os._exit(0 if written.value_or("failed") is None else 1)
    cache.put(tuple(_runs(50, 200)), EARLY).unwrap()
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert all(cache.get(RunKey(f"r{number}")).unwrap() for number in (*range(100, 150), *range(200, 250)))


def test_a_full_disk_is_an_error_with_nothing_kept(cache: SqliteMetadataCache) -> None:
    cache.put((RUN,), EARLY).unwrap()

    def fill(connection: sqlite3.Connection) -> object:
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
        for _ in _runs(500):
            connection.execute("INSERT INTO body (record) VALUES (?)", ("x" * 10_000,))
        raise AssertionError("the disk was not full")

    error = cache._database.write(fill).failure()

    assert isinstance(error, StoreFailed)
    assert "full" in error.message
    assert cache.get(RunKey("r1")).unwrap().record == RUN


def test_the_deepest_mount_above_a_path_counts() -> None:
    mounts = ("/dev/sda / ext4 rw 0 0", "srv:/x /mnt nfs4 rw 0 0", "/dev/sdb /mnt/disk xfs rw 0 0")

    found = [type_of_mount(path, mounts) for path in ("/home/a", "/mnt/a", "/mnt/disk/a", "/mntx")]

    assert found == ["ext4", "nfs4", "xfs", "ext4"]


def _runs(count: int, start: int = 0) -> list[RunRecord]:
    return [RunRecord(id=f"r{number}", exp_id="0") for number in range(start, start + count)]
