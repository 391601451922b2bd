"""Acts on a store that may be killed: a refresh from a server, a publish to one, a version with its files."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
from pathlib import Path

import mlopus
from mlopus import MlflowApi
from mlopus.domain.locations import run_subject
from mlopus.domain.origin import Origin
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from tests.servers.artifact_server import ArtifactServer, serving

OLD = {"MLmodel": b"old", "data/weights": b"o" * 300_000, "data/same": b"same", "data/empty": b""}
NEW = {**OLD, "MLmodel": b"new", "data/weights": b"n" * 300_000, "more": b"new only"}


@functools.cache
def _server(folder: str) -> ArtifactServer:
    """The server of one run of kills, which ends with this process."""
    running = contextlib.ExitStack()
    atexit.register(running.close)
    return running.enter_context(serving(Path(folder)))


class FetchAgain:
    """What is cached of a path is replaced by what the server has now."""

    def __init__(self, folder: str) -> None:
        self._server = _server(f"{folder}-server")
        self._cache = os.path.join(folder, "cache")

    def prepare(self) -> None:
        self._server.put({f"model/{path}": content for path, content in OLD.items()})
        self.act()
        self._server.put({f"model/{path}": content for path, content in NEW.items()})

    def act(self) -> None:
        self._api().cache_run_artifact("r1", "model").unwrap()

    def recover(self) -> None:
        self.act()
        assert set(os.listdir(os.path.join(self._cache, "tmp"))) <= {"locks"}

    def check(self) -> str:
        contents = _read(self._api().in_offline_mode.get_run_artifact("r1", "model").unwrap())
        cache = DiskArtifactCache(self._cache, Origin.of(self._server.uri))
        (entry,) = cache.covering(run_subject("r1"), "model").unwrap()
        assert cache.damaged(entry.tree_key, "").unwrap() == ()
        assert contents in (OLD, NEW), contents.keys()
        return "old" if contents == OLD else "new"

    def _api(self) -> MlflowApi:
        return mlopus.connect(self._server.uri, cache_dir=self._cache, progress="off", concurrency=1)


class PublishAgain:
    """Files of a run are replaced by others of the same size: each is the old one or the new one, whole."""

    def __init__(self, folder: str) -> None:
        self._server = _server(f"{folder}-server")
        self._folder = Path(folder)

    def prepare(self) -> None:
        self._server.put({f"out/{path}": content for path, content in OLD.items()})
        for path, content in NEW.items():
            (self._folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / "source" / path).write_bytes(content)

    def act(self) -> None:
        self._api().log_run_artifact("r1", self._folder / "source", "out").unwrap()

    def recover(self) -> None:
        self.act()
        assert set(os.listdir(self._folder / "cache" / "tmp")) <= {"locks"}

    def check(self) -> str:
        there = {path.removeprefix("out/"): content for path, content in self._server.contents().items()}
        assert all(content in (OLD.get(path), NEW[path]) for path, content in there.items())
        assert there.keys() >= OLD.keys()
        cached = self._api().in_offline_mode.get_run_artifact("r1", "out")
        if isinstance(cached, mlopus.Success):
            assert _read(cached.unwrap()) == NEW == there
            return "new"
        return "old"

    def _api(self) -> MlflowApi:
        return mlopus.connect(
            self._server.uri, cache_dir=self._folder / "cache", progress="off", concurrency=1
        )


class PublishVersion:
    """A model version is registered when every file of it is in the store, and not before."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def prepare(self) -> None:
        for path, content in NEW.items():
            (self._folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / "source" / path).write_bytes(content)
        api = self._api()
        api.create_run(api.get_or_create_exp("e").unwrap(), "r").unwrap()
        api.create_model("ranker").unwrap()

    def act(self) -> None:
        api = self._api()
        run = api.find_runs().first().unwrap()
        assert run is not None
        api.log_model_version("ranker", run, self._folder / "source").unwrap()

    def recover(self) -> None:
        if self.check() == "old":
            self.act()

    def check(self) -> str:
        api = self._api()
        versions = api.find_model_versions().all().unwrap()
        assert len(versions) <= 1
        for version in versions:
            assert _read(version.get_artifact().unwrap()) == NEW
        return "new" if versions else "old"

    def _api(self) -> MlflowApi:
        return mlopus.connect(
            str(self._folder / "store"), cache_dir=self._folder / "cache", progress="off", concurrency=1
        )


def _read(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


TRANSFER_SCENARIOS = {"fetch": FetchAgain, "publish": PublishAgain, "publish a version": PublishVersion}
