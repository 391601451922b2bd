"""Acts that may be killed: what was there before, what is done, and what may be there after."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import mlopus
from mlopus.domain.keys import ExperimentKey, RunKey
from mlopus.domain.origin import Origin
from mlopus.domain.records import CachedRecord, ExperimentRecord, RunRecord
from mlopus.execution.exporting import export_rows, export_tree
from mlopus.plans.keeping import Pin
from mlopus.plans.steps import CachedTree, ExportRows, ExportTree, PlacedFile, StageFiles, StoreTree
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.cache_folders import DiskCacheFolders
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.stores.fsspec_store import FsspecStore
from mlopus.testing.contracts.cache_care import evicting
from mlopus.testing.contracts.trees import (
    MORNING,
    RUN,
    BytesSource,
    Tally,
    commit_of,
    contents_of,
    sha256,
    upload_of,
)
from mlopus.testing.contracts.workspace_case import place_of

OLD = {"MLmodel": b"old", "data/weights": b"o" * 5000, "data/same": b"same"}
NEW = {"MLmodel": b"new", "data/weights": b"n" * 5000, "data/same": b"same", "more": b"new only"}
SERVER = Origin.of("http://127.0.0.1:5000")


class Scenario(Protocol):
    """An act that leaves the old state or the new one."""

    def prepare(self) -> None:
        """Make the old state."""

    def act(self) -> None:
        """Make the new one."""

    def check(self) -> str:
        """Which state it is: "old" or "new"; anything else fails."""

    def recover(self) -> None:
        """The next call of a user."""


class Refresh:
    """A tree is committed in place of an older one."""

    def __init__(self, folder: str) -> None:
        self.cache = DiskArtifactCache(folder, SERVER)
        self._folder = folder

    def prepare(self) -> None:
        self._commit(OLD, hours=0)

    def act(self) -> None:
        self._commit(NEW, hours=1)

    def recover(self) -> None:
        self._commit(NEW, hours=2)
        assert os.listdir(os.path.join(self._folder, "tmp")) == []

    def check(self) -> str:
        cache = DiskArtifactCache(self._folder, SERVER)
        (entry,) = cache.covering(RUN, "model").unwrap()
        assert cache.damaged(entry.tree_key, "").unwrap() == ()
        manifest = cache.manifest(entry.tree_key).unwrap()
        contents = contents_of(cache.tree(entry.tree_key).unwrap(), manifest.files)
        assert {f.path: f.sha256 for f in manifest.files} == {p: sha256(c) for p, c in contents.items()}
        return _state(contents)

    def _commit(self, contents: dict[str, bytes], *, hours: int) -> None:
        staging = self.cache.stage().unwrap()
        for path, content in contents.items():
            with staging.create(path) as file:
                file.write(content).unwrap()
        step = commit_of(contents=contents, taken_at=MORNING + timedelta(hours=hours))
        staging.commit(step).unwrap()


class Replace:
    """A target is replaced by another tree."""

    def __init__(self, folder: str) -> None:
        self.target = Path(folder) / "target"
        self.workspace = LocalWorkspace(os.path.join(folder, "temp"))

    def prepare(self) -> None:
        for path, content in OLD.items():
            (self.target / path).parent.mkdir(parents=True, exist_ok=True)
            (self.target / path).write_bytes(content)

    def act(self) -> None:
        facts = self.workspace.target_facts(str(self.target), None).unwrap()
        step = place_of(NEW, expect=facts.expectation, tree=CachedTree(tree_key="0" * 64))
        self.workspace.place(step, str(self.target), BytesSource(NEW), Tally()).unwrap()

    def recover(self) -> None:
        self.act()
        assert os.listdir(self.target.parent) == ["target"]

    def check(self) -> str:
        self.workspace.target_facts(str(self.target), None).unwrap()  # the next call puts things right
        return _state(_read(self.target))


class MoveToCache:
    """The user's files are moved into a cache; at no time are they nowhere."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.source = Path(folder) / "source"
        self.cache = DiskArtifactCache(os.path.join(folder, "cache"), SERVER)
        self.workspace = LocalWorkspace(os.path.join(folder, "temp"))

    def prepare(self) -> None:
        for path, content in NEW.items():
            (self.source / path).parent.mkdir(parents=True, exist_ok=True)
            (self.source / path).write_bytes(content)

    def act(self) -> None:
        facts = self.workspace.source_facts(str(self.source)).unwrap()
        staging = self.cache.stage().unwrap()
        step = StageFiles(staged="staged", files=facts.files, ladder="move")
        staging.adopt(step, self.workspace.source(str(self.source)), Tally()).unwrap()
        staging.commit(commit_of(contents=NEW)).unwrap()

    def recover(self) -> None:
        if not self.cache.covering(RUN, "model").unwrap():
            self.act()

    def check(self) -> str:
        entries = self.cache.covering(RUN, "model").unwrap()
        if not entries:
            assert _read(self.source) == NEW
            return "old"
        manifest = self.cache.manifest(entries[0].tree_key).unwrap()
        assert contents_of(self.cache.tree(entries[0].tree_key).unwrap(), manifest.files) == NEW
        return "new"


class MoveToStore:
    """The user's files are moved into a store on the same disk; each is here or there, and whole."""

    def __init__(self, folder: str) -> None:
        self.source, self.store = Path(folder) / "source", Path(folder) / "store"
        self.workspace = LocalWorkspace(os.path.join(folder, "temp"))

    def prepare(self) -> None:
        for path, content in NEW.items():
            (self.source / path).parent.mkdir(parents=True, exist_ok=True)
            (self.source / path).write_bytes(content)

    def act(self) -> None:
        facts = self.workspace.source_facts(str(self.source)).unwrap()
        step = upload_of(str(self.store), {f.path: b"" for f in facts.files}, files=facts.files, move=True)
        FsspecStore(concurrency=1).upload(step, self.workspace.source(str(self.source))).unwrap()

    def recover(self) -> None:
        if self.source.exists():
            self.act()

    def check(self) -> str:
        listed = FsspecStore().list_tree(str(self.store)).unwrap().files
        there = {file.path: (self.store / file.path).read_bytes() for file in listed}
        here = _read(self.source)
        assert {**here, **there} == NEW
        return "new" if there == NEW else "old"


class Export:
    """A run's artifact and metadata are exported over what was exported of it before."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.folders = DiskCacheFolders(SERVER)

    def prepare(self) -> None:
        self._export(OLD, "old", hours=0)

    def act(self) -> None:
        self._export(NEW, "new", hours=1)

    def recover(self) -> None:
        self._export(NEW, "new", hours=2)
        assert os.listdir(os.path.join(self._folder, "tmp")) == []

    def check(self) -> str:
        cache = self.folders.artifacts(self._folder)
        (entry,) = cache.covering(RUN, "model").unwrap()
        assert cache.damaged(entry.tree_key, "").unwrap() == ()
        files = cache.manifest(entry.tree_key).unwrap().files
        state = _state(contents_of(cache.tree(entry.tree_key).unwrap(), files))
        run = self.folders.metadata(self._folder).get(RunKey(RUN.key)).unwrap().record
        exp = self.folders.metadata(self._folder).get(ExperimentKey("1")).unwrap().record
        assert isinstance(run, RunRecord)
        assert isinstance(exp, ExperimentRecord)
        assert (state, exp.name, run.name) in _EXPORT_STATES  # parents before what names them
        return state

    def _export(self, contents: dict[str, bytes], name: str, *, hours: int) -> None:
        taken_at = MORNING + timedelta(hours=hours)
        files = tuple(
            PlacedFile(path=path, size_bytes=len(content), sha256=sha256(content))
            for path, content in contents.items()
        )
        commit = commit_of(contents=contents, taken_at=taken_at)
        tree = ExportTree(tree=StoreTree(store_url="s3://b"), files=files, commit=commit, into=None)
        records = (ExperimentRecord(id="1", name=name), RunRecord(id=RUN.key, exp_id="1", name=name))
        rows = tuple(
            CachedRecord(record=record, as_of=taken_at + timedelta(seconds=index))
            for index, record in enumerate(records)
        )
        export_tree(tree, self._folder, BytesSource(contents), self.folders, Tally()).unwrap()
        export_rows(ExportRows(rows=rows, into=None), self._folder, self.folders).unwrap()


_EXPORT_STATES = {("old", "old", "old"), ("new", "old", "old"), ("new", "new", "old"), ("new", "new", "new")}


class Evict:
    """A tree is evicted beside one that shares a file with it, and what dead writers left is swept."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @property
    def cache(self) -> DiskArtifactCache:
        return DiskArtifactCache(self._folder, SERVER)

    def prepare(self) -> None:
        commit(self.cache, OLD, path="model")
        commit(self.cache, NEW, path="kept")

    def act(self) -> None:
        care = self.cache.care
        gone = [tree for tree in care.inventory().unwrap() if all(e.path == "model" for e in tree.entries)]
        if gone:
            care.evict(evicting(*gone)).unwrap()
        care.sweep(tuple(left.name for left in care.leftovers(0).unwrap())).unwrap()

    def recover(self) -> None:
        self.act()
        served = {entry.tree_key for entry in self.cache.care.entries().unwrap()}
        assert set(os.listdir(os.path.join(self._folder, "trees"))) == served
        assert os.listdir(os.path.join(self._folder, "tmp")) == []

    def check(self) -> str:
        assert served(self.cache, "kept") == NEW
        found = served(self.cache, "model")
        assert found in (OLD, None)
        return "new" if found is None else "old"


class Collect:
    """Garbage is collected by a whole API: its plan is made and executed, with pins in a database."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def prepare(self) -> None:
        cache = DiskArtifactCache(self._folder, SERVER)
        for path, contents in (("model", OLD), ("kept", NEW)):
            commit(cache, contents, path=path)
        origin = cache.care.origin_key
        cache.keeping.pin(Pin(origin_key=origin, subject=RUN, path="kept")).unwrap()
        commit(cache, {"notes": b"served no more"}, path="notes")
        cache.withdraw(RUN, "notes").unwrap()
        self._collect()  # what it loads is loaded before any child is made

    def act(self) -> None:
        self._collect(max_bytes=0)

    def _collect(self, max_bytes: int | None = None) -> None:
        api = mlopus.connect(SERVER.uri, cache_dir=self._folder, offline_mode=True, grace_s=0)
        api.gc(max_bytes).unwrap()

    def recover(self) -> None:
        self.act()
        cache = DiskArtifactCache(self._folder, SERVER)
        keys = {entry.tree_key for entry in cache.care.entries().unwrap()}
        assert set(os.listdir(os.path.join(self._folder, "trees"))) == keys
        assert os.listdir(os.path.join(self._folder, "tmp")) == []

    def check(self) -> str:
        cache = DiskArtifactCache(self._folder, SERVER)
        assert served(cache, "kept") == NEW
        found = served(cache, "model")
        assert found in (OLD, None)
        return "new" if found is None else "old"


class Mend:
    """A damaged file of a committed tree is replaced, the others stay as they are."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def prepare(self) -> None:
        cache = DiskArtifactCache(self._folder, SERVER)
        commit(cache, NEW, path="model")
        os.truncate(self._weights(cache), 1)

    def act(self) -> None:
        commit(DiskArtifactCache(self._folder, SERVER), NEW, path="model")

    def recover(self) -> None:
        self.act()
        assert os.listdir(os.path.join(self._folder, "tmp")) == []

    def check(self) -> str:
        cache = DiskArtifactCache(self._folder, SERVER)
        (entry,) = cache.covering(RUN, "model").unwrap()
        wrong = cache.care.check(entry.tree_key).unwrap().wrong
        assert wrong in ((), ("data/weights",))
        return "old" if wrong else "new"

    def _weights(self, cache: DiskArtifactCache) -> str:
        (entry,) = cache.covering(RUN, "model").unwrap()
        return cache.tree(entry.tree_key).unwrap().local_path("data/weights") or ""


def commit(cache: DiskArtifactCache, contents: dict[str, bytes], *, path: str) -> None:
    """Commit a tree of these files at a path of the run."""
    staging = cache.stage().unwrap()
    for name, content in contents.items():
        with staging.create(name) as file:
            file.write(content).unwrap()
    staging.commit(commit_of(path, contents=contents)).unwrap()


def served(cache: DiskArtifactCache, path: str) -> dict[str, bytes] | None:
    """What a path is answered with, every byte of it as it was committed; None for a miss."""
    entries = cache.used(cache.covering(RUN, path).unwrap())
    if not entries:
        return None
    key = entries[0].tree_key
    assert cache.care.check(key).unwrap().is_sound
    return contents_of(cache.tree(key).unwrap(), cache.manifest(key).unwrap().files)


def _read(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _state(contents: dict[str, bytes]) -> str:
    assert contents in (OLD, NEW), contents
    return "old" if contents == OLD else "new"


SCENARIOS = {
    "refresh": Refresh,
    "replace": Replace,
    "move to cache": MoveToCache,
    "move to store": MoveToStore,
    "evict": Evict,
    "collect": Collect,
    "mend": Mend,
    "export": Export,
}
