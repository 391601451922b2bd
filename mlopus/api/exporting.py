"""Verbs that carry metadata and artifacts into another cache folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import PathLike
    from mlopus.api.references import ExpRef, ModelRef, RunRef, VersionRef
    from mlopus.handles import ExpApi, ModelApi, ModelVersionApi, RunApi


class ExportVerbs(ApiCore):
    """What can be carried away. `connect(cache_dir=target, offline_mode=True)` serves it.

    The folder may then be moved, made read-only, or put into an image: it holds copies, nothing in it
    is a link, and reading it writes nothing. It keeps this API's origin; several servers may share it.
    """

    def export_exp_meta(self, exp: ExpRef, target: PathLike) -> Result[ExpApi, MlopusError]:
        """Write an experiment's metadata into another cache folder. Its runs are not carried along.

        Args:
            exp: An entity or an id.
            target: A cache folder, or one that is empty or not there yet; folders above are made.
                What it holds stays, and so does metadata of this experiment that was taken later.

        Returns:
            The experiment as it was carried: as the server has it now; in cache-first mode as a get
            gives it; offline as cached, with its `as_of`.

        Fails with:
            NotFound: There is none of that id.
            NotCached: Offline, and it is not cached.
            IllegalPath: The folder holds something else, or is inside or around the cache or a store.
            UnreadableCache: It is a cache of mlOpus 1.x, of a newer mlopus, or of another program.
            StoreFailed: The folder cannot be written.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     exported = api.export_exp_meta(exp, f"{folder}/cache").unwrap()
            ...     carried = mlopus.connect(cache_dir=f"{folder}/cache", offline_mode=True)
            ...     carried.get_exp_by_name("demo").unwrap() == exp
            True
        """
        from mlopus.api import export_calls
        from mlopus.handles import ExpApi

        return self._performed(export_calls.export_exp_meta(self, exp, target), ExpApi)

    def export_run_meta(self, run: RunRef, target: PathLike) -> Result[RunApi, MlopusError]:
        """Write the metadata of a run and its experiment into another cache folder; artifacts stay out.

        Args:
            run: An entity or an id.
            target: As in `export_exp_meta`.

        Returns:
            The run as it was carried; see `export_exp_meta`.

        Fails with:
            MlopusError: As `export_exp_meta`.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     exported = api.export_run_meta(run, folder).unwrap()
            ...     carried = mlopus.connect(cache_dir=folder, offline_mode=True)
            ...     [found.exp.name for found in carried.find_runs({"name": "r1"})]
            ['demo']
        """
        from mlopus.api import export_calls
        from mlopus.handles import RunApi

        return self._performed(export_calls.export_run_meta(self, run, target), RunApi)

    def export_model_meta(self, model: ModelRef, target: PathLike) -> Result[ModelApi, MlopusError]:
        """Write a registered model's metadata into another cache folder. Its versions stay out.

        Args:
            model: An entity or a name.
            target: As in `export_exp_meta`.

        Returns:
            The model as it was carried; see `export_exp_meta`.

        Fails with:
            MlopusError: As `export_exp_meta`.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> model = api.create_model("ranker", {"task": "ranking"}).unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     exported = api.export_model_meta(model, folder).unwrap()
            ...     carried = mlopus.connect(cache_dir=folder, offline_mode=True)
            ...     carried.get_model("ranker").unwrap().tags["task"]
            'ranking'
        """
        from mlopus.api import export_calls
        from mlopus.handles import ModelApi

        return self._performed(export_calls.export_model_meta(self, model, target), ModelApi)

    def export_model_version_meta(
        self, model_version: VersionRef, target: PathLike
    ) -> Result[ModelVersionApi, MlopusError]:
        """Write the metadata of a version, its model, run and experiment into another cache folder.

        Args:
            model_version: As in `get_model_version`.
            target: As in `export_exp_meta`.

        Returns:
            The version as it was carried; see `export_exp_meta`.

        Fails with:
            MlopusError: As `export_exp_meta`.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.write_text("v1")).unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     exported = api.export_model_version_meta(("ranker", 1), folder).unwrap()
            ...     carried = mlopus.connect(cache_dir=folder, offline_mode=True)
            ...     carried.get_model_version("models:/ranker/1").unwrap().run.name
            'r1'
        """
        from mlopus.api import export_calls
        from mlopus.handles import ModelVersionApi

        call = export_calls.export_model_version_meta(self, model_version, target)
        return self._performed(call, ModelVersionApi)

    def export_run_artifact(
        self, run: RunRef, target: PathLike, path_in_run: str = ""
    ) -> Result[Path, MlopusError]:
        """Copy an artifact into another cache folder, with the metadata that leads to it.

        It is had as by `get_run_artifact` first, or read where it is in a store on this disk. Files are
        copied and hashed on the way, never linked; they are not write-protected. What the folder holds
        stays; of the same path the later picture is served. A kill leaves the old state or the new one.

        Args:
            run: An entity or an id.
            target: A cache folder, or one that is empty or not there yet; folders above are made.
            path_in_run: Relative to the run's artifact root; "" is everything.

        Returns:
            The absolute path of the file or folder in the target.

        Fails with:
            NotFound: Nothing is at that path; or the folder holds a later picture without it.
            NotCached: Offline, and it is not cached.
            Damaged: Bytes are not what was recorded or announced; nothing was exported.
            IllegalPath: The folder holds something else, or is inside or around the cache or a store.
            UnreadableCache: It is a cache of mlOpus 1.x, of a newer mlopus, or of another program.
            StoreFailed: The store failed, or the folder cannot be written.
            StalePlan: The folder changed meanwhile.
            Unavailable: The server or the store did not answer.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     exported = api.export_run_artifact(run, folder, "notes.txt").unwrap()
            ...     carried = mlopus.connect(cache_dir=folder, offline_mode=True)
            ...     carried.get_run_artifact(run.id, "notes.txt").unwrap().read_text()
            'hi'
        """
        from mlopus.api import export_calls

        return self._performed(export_calls.export_run_artifact(self, run, target, path_in_run), Path)

    def export_model_artifact(self, model_version: VersionRef, target: PathLike) -> Result[Path, MlopusError]:
        """Copy the artifact of a model version into another cache folder, with its metadata.

        Args:
            model_version: As in `get_model_version`.
            target: As in `export_run_artifact`.

        Returns:
            As `export_run_artifact`.

        Fails with:
            MlopusError: As `export_run_artifact` and `get_model_artifact`.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.write_text("v1")).unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     exported = api.export_model_artifact(version, folder).unwrap()
            ...     carried = mlopus.connect(cache_dir=folder, offline_mode=True)
            ...     carried.get_model_artifact(("ranker", 1)).unwrap().read_text()
            'v1'
        """
        from mlopus.api import export_calls

        return self._performed(export_calls.export_model_artifact(self, model_version, target), Path)
