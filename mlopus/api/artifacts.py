"""Verbs that list, open, get, load and place artifacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import PathLike
    from mlopus.api.references import RunRef, VersionRef
    from mlopus.domain.entities import ArtifactEntry
    from mlopus.plans.requests import LinkChoice

T = TypeVar("T")


class ArtifactVerbs(ApiCore):
    """What can be asked and had of artifacts that exist."""

    def list_run_artifacts(
        self, run: RunRef, path_in_run: str = "", recursive: bool = False
    ) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """Give the files and folders at a path of a run. Offline it is those that are cached.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is the root.
            recursive: Also list what is below folders.

        Returns:
            An entry for each, sorted by path, with paths relative to the run's root; a file lists as
            itself. Sizes are in bytes, and None for folders.

        Fails with:
            NotFound: Nothing is at that path.
            NotCached: Offline, and nothing of it is cached.
            IllegalPath: It is no plain relative path, or the store lists names that are none.
            Unavailable, StoreFailed: The server or the store did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "docs/notes.txt").unwrap()
            >>> [entry.path for entry in api.list_run_artifacts(run).unwrap()]
            ['docs']
            >>> [(entry.path, entry.size_bytes) for entry in api.list_run_artifacts(run, "docs").unwrap()]
            [('docs/notes.txt', 2)]
        """
        from mlopus.api.artifact_calls import read_run
        from mlopus.api.listing import list_artifact

        return list_artifact(self, read_run(self, run, path_in_run), recursive=recursive)

    def list_model_artifact(
        self, model_version: VersionRef, path_suffix: str = "", recursive: bool = False
    ) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """Give the files and folders of a model version. Offline it is those that are cached.

        Args:
            model_version: As in `get_model_version`.
            path_suffix: A path inside the version's artifact; "" is its root.
            recursive: Also list what is below folders.

        Returns:
            As `list_run_artifacts`, with paths relative to the version's artifact.

        Fails with:
            NotFound: Nothing is at that path, or there is no such version.
            NotCached: Offline, and nothing of it is cached.
            IllegalPath: It is no plain relative path, or the store lists names that are none.
            Unavailable, StoreFailed: The server or the store did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> def write(path):
            ...     path.mkdir()
            ...     (path / "weights.bin").write_bytes(bytes(8))
            >>> version = model.log_version(run, write).unwrap()
            >>> [entry.path for entry in api.list_model_artifact(version).unwrap()]
            ['weights.bin']
        """
        from mlopus.api.artifact_calls import read_model
        from mlopus.api.listing import list_artifact

        return list_artifact(self, read_model(self, model_version, path_suffix), recursive=recursive)

    def get_run_artifact(self, run: RunRef, path_in_run: str = "") -> Result[Path, MlopusError]:
        """Give an artifact on this disk: as cached, else fetched into the cache.

        A hit asks nobody, so it may be older than what the store holds; `cache_run_artifact` and the
        setting `always_pull_artifacts` ask. In a store on this disk the store's own path is given,
        unless `cache_local_artifacts` is set.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            As `cache_run_artifact`.

        Fails with:
            NotFound: Nothing is at that path.
            NotCached: Offline, and it is not cached.
            Damaged: Bytes arrived that are not what the store announced; nothing was cached.
            StoreFailed: The store failed, or the cache cannot be written.
            Unavailable: The server or the store did not answer.
            ExecutionStopped: The fetch stopped midway; calling again continues.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> api.get_run_artifact(run.id, "notes.txt").unwrap().read_text()
            'hi'
        """
        from mlopus.api import artifact_calls

        return self._performed(artifact_calls.get_run_artifact(self, run, path_in_run), Path)

    def get_model_artifact(self, model_version: VersionRef) -> Result[Path, MlopusError]:
        """Give the artifact of a model version on this disk: as cached, else fetched into the cache.

        Online the version is asked for, so that a moved alias is never stale; then as
        `get_run_artifact`.

        Args:
            model_version: As in `get_model_version`.

        Returns:
            As `cache_run_artifact`.

        Fails with:
            NotFound: There is no such version, or nothing is where it points.
            NotCached: Offline, and it is not cached.
            Damaged: Bytes arrived that are not what the store announced; nothing was cached.
            StoreFailed: The store failed, or the cache cannot be written.
            Unavailable: The server or the store did not answer.
            ExecutionStopped: The fetch stopped midway; calling again continues.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.write_text("v1")).unwrap()
            >>> api.get_model_artifact(("ranker", 1)).unwrap().read_text()
            'v1'
        """
        from mlopus.api import artifact_calls

        return self._performed(artifact_calls.get_model_artifact(self, model_version), Path)

    def open_artifact(self, run: RunRef, path_in_run: str) -> Result[BinaryIO, MlopusError]:
        """Give one file to be read as a stream: from the cache, else from its store, caching nothing.

        Args:
            run: An entity or an id.
            path_in_run: The file, relative to the run's artifact root.

        Returns:
            A binary file object, to be closed by the caller.

        Fails with:
            NotFound: There is no such file.
            NotCached: Offline, and it is not cached.
            Unavailable, StoreFailed: The server or the store did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("one two"), "log.txt").unwrap()
            >>> with api.open_artifact(run, "log.txt").unwrap() as file:
            ...     file.read(3)
            b'one'
        """
        from mlopus.api.artifact_calls import read_run
        from mlopus.api.listing import open_file

        return open_file(self, read_run(self, run, path_in_run))

    def load_run_artifact(
        self, run: RunRef, loader: Callable[[Path], T], path_in_run: str = ""
    ) -> Result[T, MlopusError]:
        """Give what a loader makes of an artifact's path, which `get_run_artifact` gives.

        Args:
            run: An entity or an id.
            loader: Called with the path; its exceptions are the caller's own and pass through.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            What the loader returned.

        Fails with:
            MlopusError: As `get_run_artifact`; the loader was not called.

        Example:
            >>> import json, mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text('{"lr": 0.1}'), "conf.json").unwrap()
            >>> api.load_run_artifact(run, lambda path: json.loads(path.read_text()), "conf.json").unwrap()
            {'lr': 0.1}
        """
        found = self.get_run_artifact(run, path_in_run)
        return found if isinstance(found, Failure) else Success(loader(found.unwrap()))

    def load_model_artifact(
        self, model_version: VersionRef, loader: Callable[[Path], T]
    ) -> Result[T, MlopusError]:
        """Give what a loader makes of a model version's path, which `get_model_artifact` gives.

        Args:
            model_version: As in `get_model_version`.
            loader: Called with the path; its exceptions are the caller's own and pass through.

        Returns:
            What the loader returned.

        Fails with:
            MlopusError: As `get_model_artifact`; the loader was not called.

        Example:
            >>> import json, mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.write_text('{"slope": 3.0}')).unwrap()
            >>> api.load_model_artifact(version, lambda path: json.loads(path.read_text())).unwrap()
            {'slope': 3.0}
        """
        found = self.get_model_artifact(model_version)
        return found if isinstance(found, Failure) else Success(loader(found.unwrap()))

    def place_run_artifact(
        self,
        run: RunRef,
        target: PathLike,
        path_in_run: str = "",
        overwrite: bool = False,
        link: LinkChoice = True,
    ) -> Result[Path, MlopusError]:
        """Put an artifact at a path of the user's: the whole, or nothing.

        It is had as by `get_run_artifact` first. A target that holds it already, as this kind of link,
        is left as it is.

        Args:
            run: An entity or an id.
            target: The artifact's own path, not the folder around it; folders above are made.
            path_in_run: Relative to the run's artifact root; "" is everything.
            overwrite: Replace the whole of what is at the target; the plan names what goes.
            link: True or "symlink" links each file to the cache; False is a reflink where the disk
                can, else a copy; "hardlink", "reflink" and "copy" are just these, or a failure.

        Returns:
            The absolute target. Its files are write-protected (links into a store on this disk keep
            its modes), its folders are not.

        Fails with:
            AlreadyExists: Something else is at the target, and `overwrite` is False.
            IllegalPath: The target is inside or around the cache or a store.
            ConflictingOptions: `link` is none of these.
            StalePlan: The target changed meanwhile; nothing was replaced.
            MlopusError: As `get_run_artifact`.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     placed = api.place_run_artifact(run, f"{folder}/mine.txt", "notes.txt").unwrap()
            ...     placed.name, placed.is_symlink(), placed.read_text()
            ('mine.txt', True, 'hi')
        """
        from mlopus.api import artifact_calls

        call = artifact_calls.place_run_artifact(self, run, target, path_in_run, overwrite, link)
        return self._performed(call, Path)

    def place_model_artifact(
        self,
        model_version: VersionRef,
        target: PathLike,
        overwrite: bool = False,
        link: LinkChoice = True,
    ) -> Result[Path, MlopusError]:
        """Put the artifact of a model version at a path of the user's: the whole, or nothing.

        Args:
            model_version: As in `get_model_version`.
            target: The artifact's own path, not the folder around it.
            overwrite: As in `place_run_artifact`.
            link: As in `place_run_artifact`.

        Returns:
            As `place_run_artifact`.

        Fails with:
            MlopusError: As `place_run_artifact` and `get_model_artifact`.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.write_text("v1")).unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = api.place_model_artifact(version, f"{folder}/model", link="copy").unwrap()
            ...     path.is_symlink(), path.read_text()
            (False, 'v1')
        """
        from mlopus.api import artifact_calls

        call = artifact_calls.place_model_artifact(self, model_version, target, overwrite, link)
        return self._performed(call, Path)
