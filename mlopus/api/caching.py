"""Verbs that bring artifacts into the cache, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import RunRef, VersionRef
    from mlopus.execution.receipts import Receipt


class CacheVerbs(ApiCore):
    """What can be done about cached artifacts."""

    def cache_run_artifact(self, run: RunRef, path_in_run: str = "") -> Result[Path, MlopusError]:
        """Make the cached artifact current and give its path in the cache.

        What a digest or an unchanged validator of the store proves to be the same is not fetched
        again; equal size alone proves nothing. The metadata that leads to it is cached too.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            The absolute path of a read-only file or folder that never changes: a later refresh that
            finds another content gives another path.

        Fails with:
            NotFound: Nothing is at that path.
            OfflineMode: This API is offline.
            Damaged: Bytes arrived that are not what the store announced; nothing was cached.
            StoreFailed: The store failed, or the cache cannot be written.
            Unavailable: The server or the store did not answer.
            ExecutionStopped: The fetch stopped midway; calling again continues.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> api.cache_run_artifact(run, "notes.txt").unwrap().read_text()
            'hi'
            >>> [entry.path for entry in api.in_offline_mode.list_run_artifacts(run, "notes.txt").unwrap()]
            ['notes.txt']
        """
        from mlopus.api import artifact_calls

        return self._performed(artifact_calls.cache_run_artifact(self, run, path_in_run), Path)

    def cache_model_artifact(self, model_version: VersionRef) -> Result[Path, MlopusError]:
        """Make the cached artifact of a model version current and give its path in the cache.

        As `cache_run_artifact`; the metadata of the version, its model, run and experiment is cached
        too, so that all of it can be had offline.

        Args:
            model_version: As in `get_model_version`.

        Returns:
            As `cache_run_artifact`.

        Fails with:
            NotFound: There is no such version, or nothing is where it points.
            OfflineMode: This API is offline.
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
            >>> cached = api.cache_model_artifact(version).unwrap()
            >>> api.in_offline_mode.get_model_artifact("models:/ranker/1").unwrap() == cached
            True
        """
        from mlopus.api import artifact_calls

        return self._performed(artifact_calls.cache_model_artifact(self, model_version), Path)

    def clean_cached_run_artifact(self, run: RunRef, path_in_run: str = "") -> Result[Receipt, MlopusError]:
        """Stop serving what is cached at, above and below a path of a run.

        Neither the store nor the metadata is touched. Paths that were given stay readable until the
        bytes are collected.

        Args:
            run: An entity or an id.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            The receipt, which names the withdrawn paths; it has no steps if nothing was cached.

        Fails with:
            IllegalPath: It is no plain relative path.
            StoreFailed: The cache cannot be written.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> api.clean_cached_run_artifact(run).unwrap().steps[0].outcome.paths
            ('notes.txt',)
        """
        from mlopus.api import artifact_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(artifact_calls.clean_cached_run_artifact(self, run, path_in_run), Receipt)

    def clean_cached_model_artifact(self, model_version: VersionRef) -> Result[Receipt, MlopusError]:
        """Stop serving what is cached of a model version; as `clean_cached_run_artifact`.

        Args:
            model_version: As in `get_model_version`.

        Returns:
            The receipt, which names the withdrawn paths; it has no steps if nothing was cached.

        Fails with:
            NotFound: There is no such version.
            NotCached: Offline, the cache never held the version.
            StoreFailed: The cache cannot be written.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.write_text("v1")).unwrap()
            >>> cached = version.cache_artifact().unwrap()
            >>> api.clean_cached_model_artifact(version).unwrap().steps[0].outcome.paths
            ('ranker',)
        """
        from mlopus.api import artifact_calls
        from mlopus.execution.receipts import Receipt

        return self._performed(artifact_calls.clean_cached_model_artifact(self, model_version), Receipt)
