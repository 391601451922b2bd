"""Verbs that publish artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import Source
    from mlopus.api.references import ModelRef, RunRef
    from mlopus.execution.receipts import Receipt
    from mlopus.handles import ModelVersionApi


class PublishVerbs(ApiCore):
    """What can be done to add artifacts."""

    def log_run_artifact(
        self,
        run: RunRef,
        source: Source,
        path_in_run: str | None = None,
        keep_the_source: bool | None = None,
        allow_duplication: bool | None = None,
        use_cache: bool | None = None,
        mirror: bool = False,
        overwrite: bool = False,
    ) -> Result[Receipt, MlopusError]:
        """Publish a file or folder at a path of a run. By default the user's source stays untouched.

        Files that are there already, proven by a digest or by the record of our own upload, are not
        sent. Others at that path stay, unless `mirror` is set. Links inside the source are published
        as their content. All is decided, and every conflict found, before the first byte moves.

        Args:
            run: An entity or an id.
            source: A path, or a callback that is given the path of nothing yet and writes a file or a
                folder there; its exceptions are the caller's own and pass through.
            path_in_run: Relative to the run's artifact root, "" being the root itself; None is the
                source's own name, and a callback needs one.
            keep_the_source: True keeps the source. False moves it into the cache or a store on this
                disk, or removes it where neither takes it. None keeps a path, and not what a callback
                wrote.
            allow_duplication: For a source that is kept, how the cache gets it: None by reflink, else
                by copy; True by copy; False by reflink, and where the disk cannot, the source moves
                into the cache and a link is left in its place. A store on this disk takes None and
                True.
            use_cache: Whether the artifact is also cached; None is yes, but for stores on this disk.
            mirror: Also remove files from the store that the source lacks.
            overwrite: Change bytes although a registered version points to them.

        Returns:
            The receipt: what was sent, kept and removed.

        Fails with:
            NotFound: There is no such run or source.
            IllegalPath: A path is not plain and relative; the source is empty, or inside the cache;
                a link in it is dangling or cyclic, or is there while the source is not kept.
            ConflictingOptions: The options exclude each other, or a callback has no `path_in_run`.
            AlreadyExists: A file stands where the source has a folder, or the reverse.
            PathInUse: A registered version points to bytes that would change.
            OfflineMode: This API is offline.
            StoreFailed: `use_cache` was asked for, and the cache cannot be written.
            Unavailable: The server or the store did not answer; nothing was sent.
            PublishFailed: It stopped midway; it names the kept source, and calling again continues.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> receipt = api.log_run_artifact(run, lambda path: path.write_text("hello"), "a.txt").unwrap()
            >>> receipt.up_bytes, receipt.is_complete
            (5, True)
            >>> again = api.log_run_artifact(run, lambda path: path.write_text("hello"), "a.txt").unwrap()
            >>> again.up_bytes
            0
        """
        from mlopus.api import artifact_calls
        from mlopus.execution.receipts import Receipt

        call = artifact_calls.log_run_artifact(
            self, run, source, path_in_run, keep_the_source, allow_duplication, use_cache, mirror, overwrite
        )
        return self._performed(call, Receipt)

    def log_model_version(
        self,
        model: ModelRef,
        run: RunRef,
        source: Source,
        path_in_run: str | None = None,
        keep_the_source: bool | None = None,
        allow_duplication: bool | None = None,
        use_cache: bool | None = None,
        version: str | int | None = None,
        tags: Mapping[str, object] | None = None,
        overwrite: bool = False,
    ) -> Result[ModelVersionApi, MlopusError]:
        """Publish a file or folder of a run as a version of a model, registered once every byte is there.

        Args:
            model: An entity or a name; the model must exist.
            run: An entity or an id; the version leads back to it.
            source: As in `log_run_artifact`; a callback needs no `path_in_run` here.
            path_in_run: Relative to the run's artifact root; None is the model's name, made safe.
            keep_the_source: As in `log_run_artifact`.
            allow_duplication: As in `log_run_artifact`.
            use_cache: As in `log_run_artifact`.
            version: Refused by servers that number versions themselves, as MLflow does.
            tags: Nested values, set on the version; see `set_tags_on_exp`.
            overwrite: Change bytes although another version points to them.

        Returns:
            The new version, with its model and run.

        Fails with:
            NotFound: There is no such model, run or source.
            InvalidRequest: `version` was given, and the server numbers versions itself.
            InvalidValue, ValueTooLong: A tag cannot be written; nothing was sent.
            PathInUse: Another version points to bytes that would change, and `overwrite` is False.
            MlopusError: As `log_run_artifact`.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = api.log_model_version(model, run, lambda path: path.write_text("v1")).unwrap()
            >>> version.version, version.path_in_run, version.run.name
            ('1', 'ranker', 'r1')
            >>> api.log_model_version(model, run, lambda path: path.write_text("v2")).failure().path
            'ranker'
        """
        from mlopus.api import artifact_calls
        from mlopus.handles import ModelVersionApi

        call = artifact_calls.log_model_version(
            self,
            model,
            run,
            source,
            path_in_run,
            keep_the_source,
            allow_duplication,
            use_cache,
            version,
            tags,
            overwrite,
        )
        return self._performed(call, ModelVersionApi)
