"""One cache of several users: shared, kept from others, or only read; targets on other disks; forks.

As root each user is a process with that user's ids, as in CI; else what users may do is told by mode bits.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlopus
from mlopus import or_raise
from mlopus.errors import MlopusError
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.testing.contracts.trees import MODEL, RUN
from tests.integration.kill_scenarios import SERVER, commit, served

IS_ROOT = os.getuid() == 0
ANN, BEN, EVE = (41001, 45000), (41002, 45000), (41003, 45001)
"""Users and their groups: Ann and Ben share one."""
PROGRAM = """
import json, os, sys
import mlopus
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk import care, leftovers, links, placed, placing, sharing, staging, walk
from mlopus.testing.contracts.trees import MODEL, RUN
from tests.integration.kill_scenarios import SERVER, commit

def api(folder):
    return mlopus.connect(SERVER.uri, cache_dir=folder, offline_mode=True, grace_s=0, progress="off")

def error(answer):
    return None if isinstance(answer, mlopus.Success) else type(answer.failure()).__name__

def work(folder, acts):
    told = {}
    for act in acts:
        cache = DiskArtifactCache(folder, SERVER)
        if act.startswith("commit "):
            commit(cache, {**MODEL, "own": act.encode()}, path=act.split()[1])
        elif act == "place":
            told[act] = error(api(folder).place_run_artifact("3f2a", f"{folder}-{os.getuid()}", "model"))
        elif act == "copy":
            target = f"{folder}-copy-{os.getuid()}"
            told[act] = error(api(folder).place_run_artifact("3f2a", target, "model", link="copy"))
        elif act == "get":
            told[act] = error(api(folder).get_run_artifact("3f2a", "model"))
        elif act == "pin":
            told[act] = error(api(folder).pin("3f2a", "model"))
        elif act == "gc":
            told[act] = error(api(folder).gc(max_bytes=0))
        elif act == "verify":
            told[act] = api(folder).verify().unwrap().is_sound
        elif act == "report":
            told[act] = error(api(folder).cache_report())
    return told

scratch = sys.argv[1]
work(scratch, ["commit model", "commit notes", "place", "copy", "get", "pin", "gc", "verify", "report"])
uid, gid, umask, folder = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4], 8), sys.argv[5]
os.umask(umask)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
try:
    print(json.dumps(work(folder, sys.argv[6:])))
except PermissionError as refused:
    print(json.dumps({"refused": refused.errno}))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach, and may write to."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # noqa: S103 (for the users of this test)
        yield Path(folder)


def done_by(user: tuple[int, int], umask: int, folder: Path, *acts: str) -> dict[str, object]:
    """What came of acts of a user, who has loaded all that is needed before becoming that user."""
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [f"{scratch}/cache", *map(str, user), f"{umask:o}", str(folder), *acts]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def modes(folder: Path) -> set[int]:
    """The permissions of all files and folders of a cache, but those of work that is done."""
    below = [path for path in folder.rglob("*") if "tmp" not in path.relative_to(folder).parts]
    return {path.lstat().st_mode & 0o777 for path in (folder, *below)}


def test_users_of_a_group_share_a_cache_with_the_umask_of_the_group(place: Path) -> None:
    cache = place / "cache"

    assert done_by(ANN, 0o002, cache, "commit model", "place", "pin") == {"place": None, "pin": None}
    told = done_by(BEN, 0o002, cache, "get", "commit notes", "place", "verify", "report", "gc")

    placed = {p.target for p in DiskArtifactCache(str(cache), SERVER).keeping.placements().unwrap()}

    assert told == {"get": None, "place": None, "verify": True, "report": None, "gc": None}
    assert placed == {f"{cache}-{user}" for user, _ in ({ANN, BEN} if IS_ROOT else {(os.getuid(), 0)})}
    assert modes(cache) == {0o775, 0o444, 0o664}
    paths = [entry.path for entry in DiskArtifactCache(str(cache), SERVER).care.entries().unwrap()]
    assert paths == ["model"]  # which Ann has pinned; what Ben cached and did not pin is evicted


def test_a_user_evicts_what_another_of_the_group_has_cached(place: Path) -> None:
    cache = place / "cache"
    done_by(ANN, 0o002, cache, "commit model", "commit notes")

    assert done_by(BEN, 0o002, cache, "get", "gc") == {"get": None, "gc": None}
    assert list((cache / "trees").iterdir()) == []


def test_others_see_nothing_of_a_private_cache(place: Path) -> None:
    cache = place / "cache"
    done_by(ANN, 0o077, cache, "commit model", "place", "pin")

    assert modes(cache) == {0o700, 0o400, 0o600}
    if IS_ROOT:
        told = done_by(EVE, 0o022, cache, "get", "pin", "gc", "report")
        assert told == dict.fromkeys(("get", "pin", "gc", "report"), "UnreadableCache")


def test_who_may_only_read_a_cache_is_served_from_it(place: Path) -> None:
    cache = place / "cache"
    done_by(ANN, 0o022, cache, "commit model", "commit notes")
    before = {path: path.lstat().st_mtime_ns for path in cache.rglob("*")}
    user = EVE if IS_ROOT else (os.getuid(), os.getgid())
    if not IS_ROOT:
        for folder in (path for path in [cache, *cache.rglob("*")] if path.is_dir()):
            folder.chmod(0o555)

    told = done_by(user, 0o022, cache, "get", "place", "copy", "verify", "report", "pin", "gc")

    for folder in (path for path in [cache, *cache.rglob("*")] if path.is_dir()):
        folder.chmod(0o755)
    answered = {"get": None, "place": None, "copy": None, "verify": True, "report": None}
    assert told == {**answered, "pin": "StoreFailed", "gc": "StoreFailed"}
    assert {path: path.lstat().st_mtime_ns for path in cache.rglob("*")} == before


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on another disk than the test's own; where there is none, the disk says that it is one."""
    for candidate in ("/dev/shm", "/tmp", "/var/tmp", os.path.expanduser("~")):  # noqa: S108 (new folders in them)
        if os.path.isdir(candidate) and os.stat(candidate).st_dev != tmp_path.stat().st_dev:
            with tempfile.TemporaryDirectory(dir=candidate) as folder:
                yield Path(folder)
                return

    def refuse(source: str, target: str, **_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    yield tmp_path / "elsewhere"


def placed(tmp_path: Path, target: Path, link: object) -> tuple[dict[str, int], Path]:
    """A cached artifact placed at a target, and by which links that was."""
    folder = tmp_path / "cache"
    commit(DiskArtifactCache(str(folder), SERVER), dict(MODEL), path="model")
    api = mlopus.connect(SERVER.uri, cache_dir=folder, offline_mode=True)
    receipt = or_raise(api.execute(or_raise(api.plan.place_run_artifact("3f2a", target, "model", link=link))))
    return receipt.links, receipt.value


@pytest.mark.parametrize(
    ("link", "links"),
    [
        (True, {"symlink": 2, "copy": 1}),
        (False, {"copy": 3}),
        ("copy", {"copy": 3}),
    ],
)
def test_on_another_disk_the_same_content_is_placed_and_the_link_used_is_told(
    tmp_path: Path, elsewhere: Path, link: object, links: dict[str, int]
) -> None:
    used, path = placed(tmp_path, elsewhere / "model", link)

    assert used == links  # an empty file is made, never linked
    assert {name: (path / name).read_bytes() for name in MODEL} == MODEL


def test_a_hard_link_to_another_disk_is_refused_and_nothing_is_there(tmp_path: Path, elsewhere: Path) -> None:
    with pytest.raises(MlopusError) as refused:
        placed(tmp_path, elsewhere / "model", "hardlink")

    assert "hardlink" in str(refused.value)
    assert not (elsewhere / "model").exists()


def test_a_disk_without_symbolic_links_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refuse)

    with pytest.raises(MlopusError):
        placed(tmp_path, tmp_path / "target", True)
    assert not (tmp_path / "target").exists()
    assert placed(tmp_path, tmp_path / "copy", False)[0] in ({"copy": 3}, {"reflink": 2, "copy": 1})


FORKING = """
import os, sys
import mlopus
from mlopus.testing.contracts.trees import MODEL
from tests.integration.kill_scenarios import SERVER, commit
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache

cache = DiskArtifactCache(sys.argv[1], SERVER)
commit(cache, dict(MODEL), path="model")
api = mlopus.connect(SERVER.uri, cache_dir=sys.argv[1], offline_mode=True, grace_s=0)
path = api.get_run_artifact("3f2a", "model").unwrap()
api.pin("3f2a", "model").unwrap()
with api.hold(path):
    child = os.fork()
    if child == 0:
        assert api.get_run_artifact("3f2a", "model").unwrap() == path
        assert api.plan.pin("3f2a", "model").unwrap().is_empty
        api.unpin("3f2a").unwrap()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert api.plan.gc(max_bytes=0).unwrap().is_empty
assert not api.plan.gc(max_bytes=0).unwrap().is_empty
"""


def test_a_forked_child_uses_the_cache_and_leaves_its_parents_hold_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path / "cache")], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert served(DiskArtifactCache(str(tmp_path / "cache"), SERVER), "model") == dict(MODEL)
    assert RUN.key == "3f2a"


def test_a_cache_that_was_copied_is_served_where_it_is(tmp_path: Path) -> None:
    commit(DiskArtifactCache(str(tmp_path / "cache"), SERVER), dict(MODEL), path="model")
    shutil.copytree(tmp_path / "cache", tmp_path / "copied")
    shutil.rmtree(tmp_path / "cache")

    assert served(DiskArtifactCache(str(tmp_path / "copied"), SERVER), "model") == dict(MODEL)
