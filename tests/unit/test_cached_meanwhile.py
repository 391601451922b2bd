"""What another reader cached between a call's look at the cache and its fetch is not fetched again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, Result, or_raise
from mlopus.domain.manifest import RemoteFile, RemoteTree, Validators
from mlopus.errors import MlopusError
from mlopus.ports.streams import TreeSink
from mlopus.repositories.memory.artifact_store import MemoryArtifactStore


@attrs.frozen(kw_only=True)
class Interrupted(MemoryArtifactStore):
    """A store in memory; while it lists, for once, something else happens. It notes what it gives."""

    meanwhile: list[Callable[[], Any]] = attrs.field(factory=list)
    given: list[str] = attrs.field(factory=list)

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        listed = super().list_tree(url)
        while self.meanwhile:
            self.meanwhile.pop()()
        return listed

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        self.given.extend(file.path for file in files)
        return super().fetch(url, files, sink)


@pytest.fixture
def stores() -> Interrupted:
    return Interrupted()


@pytest.fixture
def api(stores: Interrupted) -> MlflowApi:
    here = mlopus.testing.in_memory().repositories
    return MlflowApi(
        tracking=here.tracking,
        cache=here.cache,
        artifacts=here.artifacts,
        stores=stores,
        workspace=here.workspace,
    )


@pytest.fixture
def run(api: MlflowApi) -> mlopus.RunApi:
    run = or_raise(or_raise(api.create_exp("demo")).start_run("r"))
    or_raise(run.log_artifact(lambda path: path.write_text("w"), "model"))
    or_raise(run.clean_cached_artifact())
    return run


READERS: dict[str, Callable[[mlopus.RunApi, Path], Result[Any, MlopusError]]] = {
    "get": lambda run, _: run.get_artifact("model"),
    "cache": lambda run, _: run.cache_artifact("model"),
    "place": lambda run, folder: run.place_artifact(folder / "placed", "model"),
    "export": lambda run, folder: run.export_artifact(folder / "exported", "model"),
    "load": lambda run, _: run.load_artifact(lambda path: path.read_text(), "model"),
}


@pytest.mark.parametrize("other", ["get", "cache"])
@pytest.mark.parametrize("reader", READERS)
def test_it_is_taken_from_the_cache(
    run: mlopus.RunApi, stores: Interrupted, tmp_path: Path, reader: str, other: str
) -> None:
    stores.meanwhile.append(lambda: or_raise(READERS[other](run, tmp_path)))

    or_raise(READERS[reader](run, tmp_path))

    assert len(stores.given) == 1
