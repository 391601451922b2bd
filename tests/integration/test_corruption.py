"""Every kind of damage to a cache on disk: found by `verify` without the network, healed by `repair`."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunApi, or_raise
from mlopus.errors import NotFound, OfflineMode, UnreadableCache

CONTENTS = {f"part-{number}/file.bin": bytes([number]) * 3000 for number in range(4)} | {"empty.txt": b""}


@attrs.frozen
class Held:
    """An API, and a run whose artifact is cached at a path."""

    api: MlflowApi
    run: RunApi
    path: Path

    @property
    def offline(self) -> MlflowApi:
        """What never asks anybody."""
        return self.api.in_offline_mode

    def contents(self) -> dict[str, bytes]:
        """What is cached."""
        files = (path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def held(tmp_path: Path) -> Held:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    run = or_raise(or_raise(api.get_or_create_exp("corruption")).start_run())
    for name, content in CONTENTS.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content)
    or_raise(run.log_artifact(tmp_path / "data"))
    return Held(api, run, or_raise(run.get_artifact("data")))


def flip(file: Path, at: int) -> None:
    """Change one byte of a file, so that neither its size nor its time tell."""
    seen, content = file.stat(), bytearray(file.read_bytes())
    content[at] ^= 1
    file.chmod(0o644)
    with file.open("r+b") as writer:
        writer.write(content)
    file.chmod(0o444)
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def truncate(held: Held) -> None:
    (held.path / "part-0/file.bin").chmod(0o644)
    os.truncate(held.path / "part-0/file.bin", 2999)


def swap(held: Held) -> None:
    one, two = held.path / "part-0/file.bin", held.path / "part-1/file.bin"
    times = one.stat().st_mtime_ns
    one.rename(held.path / "aside")
    two.rename(one)
    (held.path / "aside").rename(two)
    for file in (one, two):
        os.utime(file, ns=(times, times))


def delete(held: Held) -> None:
    (held.path / "part-0/file.bin").unlink()


def empty_out(held: Held) -> None:
    (held.path / "empty.txt").unlink()


def put_a_folder_there(held: Held) -> None:
    delete(held)
    (held.path / "part-0/file.bin").mkdir()


def put_a_link_there(held: Held) -> None:
    delete(held)
    (held.path / "part-0/file.bin").symlink_to(held.path / "part-1/file.bin")


DAMAGE: dict[Callable[[Held], None], dict[str, str]] = {
    truncate: {"part-0/file.bin": "damaged"},
    swap: {"part-0/file.bin": "damaged", "part-1/file.bin": "damaged"},
    delete: {"part-0/file.bin": "missing"},
    empty_out: {"empty.txt": "missing"},
    put_a_folder_there: {"part-0/file.bin": "damaged"},
    put_a_link_there: {"part-0/file.bin": "damaged"},
}


def wrong(api: MlflowApi) -> dict[str, str]:
    """What `verify` finds."""
    return {file.path: file.state for file in or_raise(api.verify()).files if file.state != "sound"}


def test_every_one_of_two_hundred_flipped_bytes_is_found_offline_and_healed(held: Held) -> None:
    seed = random.randrange(2**32)  # noqa: S311 (nothing is kept secret)
    print(f"seed {seed}")  # noqa: T201 (to try the same again)
    chosen = random.Random(seed)  # noqa: S311 (as above)
    found = 0
    for _ in range(200):
        name = chosen.choice([name for name, content in CONTENTS.items() if content])
        at = chosen.randrange(3000)
        flip(held.path / name, at)
        found += wrong(held.offline) == {name: "damaged"}
        flip(held.path / name, at)

    assert found == 200
    assert or_raise(held.offline.verify()).is_sound


def test_a_flipped_byte_is_healed(held: Held) -> None:
    flip(held.path / "part-2/file.bin", 1500)

    receipt = or_raise(held.api.repair())

    assert receipt.down_bytes == 3000
    assert held.contents() == CONTENTS
    assert or_raise(held.api.verify()).is_sound
    assert or_raise(held.api.plan.repair()).is_empty


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_found_and_healed(held: Held, damage: Callable[[Held], None]) -> None:
    damage(held)

    found = wrong(held.offline)
    or_raise(held.api.repair())

    assert found == DAMAGE[damage]
    assert held.contents() == CONTENTS
    assert wrong(held.offline) == {}


def test_a_tree_that_is_gone_is_found_and_fetched_again(held: Held) -> None:
    held.path.parent.rename(held.path.parents[2] / "lost")

    found = [(file.path, file.state) for file in or_raise(held.offline.verify(held.run)).files]
    or_raise(held.api.repair())

    assert found == [("", "missing")]
    assert held.contents() == CONTENTS


def test_a_manifest_that_is_damaged_is_found_and_healed(held: Held) -> None:
    manifest = next(held.path.parent.glob("*.json"))
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace("3000", "3001"))

    found = [(file.path, file.state) for file in or_raise(held.offline.verify()).files]
    or_raise(held.api.repair())

    assert found == [("", "damaged")]
    assert wrong(held.offline) == {}
    assert held.contents() == CONTENTS


def test_the_plan_says_what_is_fetched_again_and_nothing_is_done_before(held: Held) -> None:
    truncate(held)

    plan = or_raise(held.api.plan.repair())

    assert plan.total_bytes == 3000
    assert wrong(held.offline) == {"part-0/file.bin": "damaged"}
    or_raise(held.api.execute(plan))
    assert held.contents() == CONTENTS


def test_links_that_were_placed_show_what_was_healed(held: Held, tmp_path: Path) -> None:
    placed = or_raise(held.run.place_artifact(tmp_path / "placed", "data"))
    flip(held.path / "part-1/file.bin", 7)

    or_raise(held.api.repair())

    assert (placed / "part-1/file.bin").read_bytes() == CONTENTS["part-1/file.bin"]


def test_what_two_runs_share_is_healed_for_both(held: Held, tmp_path: Path) -> None:
    other = or_raise(held.run.exp.start_run())
    (tmp_path / "data" / "own.txt").write_text("own")
    or_raise(other.log_artifact(tmp_path / "data"))
    path = or_raise(other.get_artifact("data"))
    assert (path / "part-3/file.bin").samefile(held.path / "part-3/file.bin")
    flip(path / "part-3/file.bin", 0)

    found = or_raise(held.offline.verify()).count("damaged")
    or_raise(held.api.repair())

    assert found == 2
    assert or_raise(held.offline.verify()).is_sound
    assert (path / "part-3/file.bin").read_bytes() == CONTENTS["part-3/file.bin"]


def test_offline_damage_is_told_and_stays(held: Held) -> None:
    delete(held)

    assert isinstance(held.offline.repair().failure(), OfflineMode)
    assert wrong(held.offline) == {"part-0/file.bin": "missing"}


def test_what_the_store_has_no_more_keeps_what_is_sound(held: Held, tmp_path: Path) -> None:
    delete(held)
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    (tmp_path / "store").mkdir()

    assert isinstance(held.api.repair().failure(), NotFound)
    assert or_raise(held.offline.get_run_artifact(held.run.id, "data")) == held.path


@pytest.mark.parametrize("garbage", [b"no database" * 1000, b""], ids=["garbage", "empty"])
def test_artifacts_are_served_from_their_entries_whatever_the_metadata_database_holds(
    held: Held, garbage: bytes, tmp_path: Path
) -> None:
    for file in (tmp_path / "cache").glob("metadata.db*"):
        file.unlink()
    (tmp_path / "cache" / "metadata.db").write_bytes(garbage)

    fresh = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", offline_mode=True)

    assert or_raise(fresh.get_run_artifact(held.run.id, "data")) == held.path
    assert or_raise(fresh.verify()).is_sound


def test_a_metadata_database_that_is_garbage_is_told_left_alone_and_rebuilt_once_it_is_moved_away(
    held: Held, tmp_path: Path
) -> None:
    database = tmp_path / "cache" / "metadata.db"
    for file in (tmp_path / "cache").glob("metadata.db*"):
        file.unlink()
    database.write_bytes(b"no database" * 1000)
    fresh = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")

    refused = fresh.cache_run_meta(held.run.id).failure()
    database.rename(tmp_path / "moved away")
    or_raise(fresh.cache_run_meta(held.run.id))

    assert isinstance(refused, UnreadableCache)
    assert "Move the file away" in (refused.hint or "")
    assert (tmp_path / "moved away").read_bytes() == b"no database" * 1000
    assert or_raise(fresh.in_offline_mode.get_run(held.run.id)).id == held.run.id


def another_schema(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE file (digest TEXT)")
    connection.close()


def nothing(path: Path) -> None:
    assert not path.exists()


def garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


@pytest.mark.parametrize("spoil", [garbage, another_schema, nothing])
def test_the_index_of_files_is_made_anew_from_the_trees(held: Held, spoil, tmp_path: Path) -> None:
    (tmp_path / "cache" / "files.db").unlink()
    spoil(tmp_path / "cache" / "files.db")
    notes, again = or_raise(held.run.exp.start_run()), or_raise(held.run.exp.start_run())
    (tmp_path / "note").write_text("begins the index anew")
    or_raise(notes.log_artifact(tmp_path / "note"))
    or_raise(notes.get_artifact("note"))
    (tmp_path / "data" / "own.txt").write_text("own")
    or_raise(again.log_artifact(tmp_path / "data"))

    path = or_raise(again.get_artifact("data"))

    assert (path / "part-3/file.bin").samefile(held.path / "part-3/file.bin")
