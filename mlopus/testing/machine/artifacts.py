"""Rules about artifacts, on paths that overlap: published, cached, listed, placed, tampered with."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from mlopus.api.client import MlflowApi
from mlopus.errors import DigestMismatch, NotFound
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
from mlopus.result import Failure, or_raise
from mlopus.settings import Settings
from mlopus.testing.machine.base import BaseMachine, agrees, contents_at, models, runs
from mlopus.testing.machine.values import Contents, Fails, joined

PATHS: Final = ("", "m", "m/sub", "m/sub/x", "m/x", "n", "n/x")
SOURCES: Final[tuple[Contents, ...]] = (
    {"x": b"one"},
    {"x": b"two"},
    {"x": b"one", "sub/x": b"one", "sub/y": b"longer"},
    {"y": b"two", "sub/x": b"six"},
)
FILES: Final = (b"one", b"two", b"longer")
TARGETS: Final = ("t1", "t2")

some_paths = st.sampled_from(PATHS)
folders = st.sampled_from(("", "m", "m", "m/sub", "n"))
sources = st.sampled_from(SOURCES)


class ArtifactRules(BaseMachine):
    """What is done to artifacts."""

    @rule(
        run=runs,
        path=folders,
        source=sources,
        mirror=st.booleans(),
        use_cache=st.booleans(),
        overwrite=st.booleans(),
    )
    def publish_folder(
        self, run: str, path: str, *, source: Contents, mirror: bool, use_cache: bool, overwrite: bool
    ) -> None:
        """Publish a folder."""
        if self.is_below_a_file(run, path):
            return
        self._publish(run, path, source, mirror=mirror, use_cache=use_cache, overwrite=overwrite)

    @rule(run=runs, path=st.sampled_from(PATHS[1:]), content=st.sampled_from(FILES), use_cache=st.booleans())
    def publish_file(self, run: str, path: str, content: bytes, use_cache: bool) -> None:
        """Publish a file."""
        if not self.is_below_a_file(run, path):
            self._publish(run, path, {"": content}, mirror=False, use_cache=use_cache, overwrite=False)

    @rule(run=runs, path=folders, source=sources, mirror=st.booleans())
    def publish_from_elsewhere(self, run: str, path: str, source: Contents, mirror: bool) -> None:
        """Let another client, with a cache of its own, publish to the same run."""
        if not self.model.offline and not self.is_below_a_file(run, path):
            predicted = self.model.publish_elsewhere(run, path, source, mirror=mirror)
            other = self._other_client()
            done = other.log_run_artifact(run, self.written(source), path, mirror=mirror, use_cache=False)
            agrees(done, predicted)

    def _other_client(self) -> MlflowApi:
        held = self.opened.repositories
        return MlflowApi(
            tracking=held.tracking,
            stores=held.stores,
            cache=MemoryMetadataCache(),
            artifacts=MemoryArtifactCache(),
            workspace=LocalWorkspace(str(self.home / "elsewhere")),
            settings=Settings(progress="off"),
        )

    def _publish(
        self, run: str, path: str, source: Contents, *, mirror: bool, use_cache: bool, overwrite: bool
    ) -> None:
        predicted = self.model.publish(
            run, path, source, mirror=mirror, use_cache=use_cache, overwrite=overwrite
        )
        written = self.written(source)
        done = self.api.log_run_artifact(
            run, written, path, mirror=mirror, use_cache=use_cache, overwrite=overwrite
        )
        agrees(done, predicted)
        assert contents_at(written) == source

    @rule(
        run=runs,
        name=models,
        path=st.sampled_from(("m", "m/sub", "n")),
        source=sources,
        use_cache=st.booleans(),
        overwrite=st.booleans(),
    )
    def log_model_version(
        self, run: str, name: str, path: str, *, source: Contents, use_cache: bool, overwrite: bool
    ) -> None:
        """Publish a folder as a version of a model."""
        if self.is_below_a_file(run, path):
            return
        if name not in self.model.models:
            absent = Fails(NotFound, {"kind": "model", "key": name})
            predicted: Fails | None = self.model.needs_server() or absent
        else:
            predicted = self.model.publish(
                run, path, source, mirror=False, use_cache=use_cache, overwrite=overwrite
            )
        made = self.api.log_model_version(
            name, run, self.written(source), path, use_cache=use_cache, overwrite=overwrite
        )
        if agrees(made, predicted):
            versions = self.model.models[name]
            number = len(versions) + 1
            assert (or_raise(made).version, or_raise(made).path_in_run) == (str(number), path)
            versions[number] = run
            self.model.runs[run].versions.append((name, number, path))

    @rule(run=runs, path=some_paths)
    def cache_artifact(self, run: str, path: str) -> None:
        """Make the cache current."""
        self.same_bytes(self.api.cache_run_artifact(run, path), self.model.cache(run, path))

    @rule(run=runs, path=some_paths)
    def get_artifact(self, run: str, path: str) -> None:
        """Get an artifact: the newest picture of it that is cached, else what is in the store."""
        predicted = self.model.get(run, path)
        self.same_bytes(self.api.get_run_artifact(run, path), predicted)
        if not isinstance(predicted, Fails):
            self.same_bytes(self.opened.in_offline_mode.get_run_artifact(run, path), predicted)

    @rule(run=runs, path=some_paths)
    def list_artifacts(self, run: str, path: str) -> None:
        """List the files of an artifact."""
        predicted = self.model.listed(run, path)
        listed = self.api.list_run_artifacts(run, path, recursive=True)
        if agrees(listed, predicted):
            assert isinstance(predicted, dict)
            sizes = {joined(path, name): len(content) for name, content in predicted.items()}
            found = {entry.path: entry.size_bytes for entry in or_raise(listed) if not entry.is_dir}
            assert found.keys() == sizes.keys()
            assert all(size in {None, sizes[name]} for name, size in found.items())

    @rule(run=runs, path=st.sampled_from(PATHS[1:]))
    def open_artifact(self, run: str, path: str) -> None:
        """Read a file as a stream."""
        predicted = self.model.open(run, path)
        opened = self.api.open_artifact(run, path)
        if agrees(opened, predicted):
            with or_raise(opened) as file:
                assert {"": file.read()} == predicted

    @rule(run=runs, path=some_paths)
    def clean(self, run: str, path: str) -> None:
        """Forget what is cached at, above and below a path."""
        agrees(self.api.clean_cached_run_artifact(run, path), None)
        self.model.clean(run, path)

    @rule(
        run=runs,
        path=some_paths,
        place=st.sampled_from(TARGETS),
        overwrite=st.booleans(),
        link=st.sampled_from((True, False, "copy")),
    )
    def place_artifact(self, run: str, path: str, place: str, overwrite: bool, link: Any) -> None:
        """Place an artifact; links and copies stay what they are whatever is cached later."""
        predicted = self.model.place(run, path, place, overwrite=overwrite, links=link is True)
        placed = self.api.place_run_artifact(run, self.home / place, path, overwrite=overwrite, link=link)
        self.same_bytes(placed, predicted)

    @invariant()
    def targets_hold_what_was_placed(self) -> None:
        """Nobody changes what is the user's."""
        for target, placed in self.model.targets.items():
            assert contents_at(self.home / target) == placed.contents, target

    @rule(run=runs, path=st.sampled_from(PATHS[1:]))
    def tamper(self, run: str, path: str) -> None:
        """Change a cached file behind the cache's back: it is told, not placed; then put it back."""
        cached = self.model.runs[run].covering(path)
        if cached is None or not cached.part(path) or not self.is_on_disk():
            return
        offline = self.opened.in_offline_mode
        root = or_raise(offline.get_run_artifact(run, path))
        name = min(cached.part(path))
        victim, kept = root / name if name else root, self.home / "kept"
        victim.rename(kept)
        victim.write_bytes(bytes(len(kept.read_bytes())))
        told = offline.place_run_artifact(run, self.home / "never", path)
        check = or_raise(offline.verify(run))
        kept.replace(victim)
        assert isinstance(told, Failure)
        assert isinstance(told.failure(), DigestMismatch)
        assert not (self.home / "never").exists()
        assert [file.state for file in check.files if file.state != "sound"] == ["damaged"]
        assert or_raise(offline.verify(run)).is_sound
