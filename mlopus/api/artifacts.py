"""Verbs that read, cache and place artifacts."""

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
    from mlopus.execution.receipts import Receipt
    from mlopus.plans.requests import LinkChoice

T = TypeVar("T")


class ArtifactVerbs(ApiCore):
    """What can be asked and done about artifacts that exist."""

    def list_run_artifacts(
        self, run: RunRef, path_in_run: str = "", recursive: bool = False
    ) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """Give the files and folders at a path of a run, sorted by path; a file lists as itself.

        Offline it lists what is cached.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is the root.
            recursive: Also list what is below folders.

        Fails with:
            NotFound: Nothing is at that path.
            NotCached: Offline, and nothing of it is cached.
            IllegalPath: It is no plain relative path, or the store lists names that are none.
            Unavailable, StoreFailed: The server or the store did not answer.
        """
        from mlopus.api.artifact_calls import read_run
        from mlopus.api.listing import list_artifact

        return list_artifact(self, read_run(self, run, path_in_run), recursive=recursive)

    def list_model_artifact(
        self, model_version: VersionRef, path_suffix: str = "", recursive: bool = False
    ) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """Give the files and folders of a model version, sorted by path, relative to the version's own.

        Args:
            model_version: As in `get_model_version`.
            path_suffix: A path inside the version's artifact; "" is its root.
            recursive: Also list what is below folders.

        Fails with:
            NotFound: Nothing is at that path, or there is no such version.
            NotCached: Offline, and nothing of it is cached.
            IllegalPath: It is no plain relative path, or the store lists names that are none.
            Unavailable, StoreFailed: The server or the store did not answer.
        """
        from mlopus.api.artifact_calls import read_model
        from mlopus.api.listing import list_artifact

        return list_artifact(self, read_model(self, model_version, path_suffix), recursive=recursive)

    def cache_run_artifact(self, run: RunRef, path_in_run: str = "") -> Result[Path, MlopusError]:
        """Make the cached artifact current and give its path in the cache.

        What a digest or an unchanged validator of the store proves to be the same is not fetched
        again; equal size alone proves nothing. The metadata that leads to it is cached too.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            A read-only file or folder that never changes; a later refresh gives another path.

        Fails with:
            NotFound: Nothing is at that path.
            OfflineMode: This API is offline.
            Damaged: Bytes arrived that are not what the store announced; nothing was cached.
            ExecutionStopped: The fetch stopped midway; calling again continues.
        """
        from mlopus.api import artifact_calls

        return self._performed(artifact_calls.cache_run_artifact(self, run, path_in_run), Path)

    def cache_model_artifact(self, model_version: VersionRef) -> Result[Path, MlopusError]:
        """Make the cached artifact of a model version current and give its path in the cache.

        Args:
            model_version: As in `get_model_version`.

        Returns:
            As `cache_run_artifact`.

        Fails with:
            NotFound: There is no such version, or nothing is where it points.
            OfflineMode: This API is offline.
            Damaged: Bytes arrived that are not what the store announced; nothing was cached.
            ExecutionStopped: The fetch stopped midway; calling again continues.
        """
        from mlopus.api import artifact_calls

        return self._performed(artifact_calls.cache_model_artifact(self, model_version), Path)

    def get_run_artifact(self, run: RunRef, path_in_run: str = "") -> Result[Path, MlopusError]:
        """Give an artifact on this disk: as cached, else fetched into the cache.

        A hit asks nobody. In a store on this disk the store's own path is given, unless
        `cache_local_artifacts`.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            As `cache_run_artifact`.

        Fails with:
            NotFound: Nothing is at that path.
            NotCached: Offline, and it is not cached.
            Damaged: Bytes arrived that are not what the store announced; nothing was cached.
            ExecutionStopped: The fetch stopped midway; calling again continues.
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
            ExecutionStopped: The fetch stopped midway; calling again continues.
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
        """
        from mlopus.api.artifact_calls import read_run
        from mlopus.api.listing import open_file

        return open_file(self, read_run(self, run, path_in_run))

    def load_run_artifact(
        self, run: RunRef, loader: Callable[[Path], T], path_in_run: str = ""
    ) -> Result[T, MlopusError]:
        """Give what a loader makes of an artifact's path; see `get_run_artifact`.

        Args:
            run: An entity or an id.
            loader: Called with the path; its exceptions are the caller's own and pass through.
            path_in_run: Relative to the run's artifact root.

        Fails with:
            MlopusError: As `get_run_artifact`.
        """
        found = self.get_run_artifact(run, path_in_run)
        return found if isinstance(found, Failure) else Success(loader(found.unwrap()))

    def load_model_artifact(
        self, model_version: VersionRef, loader: Callable[[Path], T]
    ) -> Result[T, MlopusError]:
        """Give what a loader makes of a model version's path; see `get_model_artifact`.

        Args:
            model_version: As in `get_model_version`.
            loader: Called with the path; its exceptions are the caller's own and pass through.

        Fails with:
            MlopusError: As `get_model_artifact`.
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

        Args:
            run: An entity or an id.
            target: The artifact's own path, not the folder around it.
            path_in_run: Relative to the run's artifact root.
            overwrite: Replace the whole of what is at the target; the plan names what goes.
            link: True or "symlink" links each file to the cache; False is a reflink where the disk
                can, else a copy; "hardlink", "reflink" and "copy" are just these.

        Returns:
            The absolute target. Its files are write-protected, its folders are not.

        Fails with:
            AlreadyExists: Something else is at the target, and `overwrite` is False.
            IllegalPath: The target is inside or around the cache or a store.
            ConflictingOptions: `link` is none of these.
            MlopusError: As `get_run_artifact`.
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
        """
        from mlopus.api import artifact_calls

        call = artifact_calls.place_model_artifact(self, model_version, target, overwrite, link)
        return self._performed(call, Path)

    def clean_cached_run_artifact(self, run: RunRef, path_in_run: str = "") -> Result[Receipt, MlopusError]:
        """Stop serving what is cached at, above and below a path of a run; trees go when collected.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            The receipt, which names the withdrawn paths.

        Fails with:
            IllegalPath: It is no plain relative path.
            UnreadableCache: The cache cannot be read.
        """
        from mlopus.api import artifact_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(artifact_calls.clean_cached_run_artifact(self, run, path_in_run), Receipt)

    def clean_cached_model_artifact(self, model_version: VersionRef) -> Result[Receipt, MlopusError]:
        """Stop serving what is cached of a model version; trees go when collected.

        Args:
            model_version: As in `get_model_version`.

        Returns:
            The receipt, which names the withdrawn paths.

        Fails with:
            NotFound: There is no such version.
            UnreadableCache: The cache cannot be read.
        """
        from mlopus.api import artifact_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(artifact_calls.clean_cached_model_artifact(self, model_version), Receipt)
