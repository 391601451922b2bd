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
    ) -> Result[Receipt, MlopusError]:
        """Publish a file or folder at a path of a run. By default the source stays untouched.

        Files that are there already, proven by a digest or by the record of our own upload, are not
        sent. Others at that path stay, unless `mirror`. All is decided, and every conflict found,
        before the first byte moves.

        Args:
            run: An entity or an id.
            source: A path, or a callback that is given a path and writes a file or folder there.
            path_in_run: Relative to the run's artifact root; None is the source's own name, and a
                callback needs one.
            keep_the_source: None keeps a path, and removes what a callback wrote after success;
                False moves or removes it.
            allow_duplication: Whether the source may be copied into the cache or a local store.
            use_cache: Whether the artifact is also cached; None is yes for remote stores.
            mirror: Also remove remote files that the source lacks.

        Returns:
            The receipt: what was sent, kept and removed.

        Fails with:
            NotFound: There is no such run or source.
            IllegalPath: A path is not plain and relative, a link is dangling or cyclic, or the source
                is inside the cache.
            ConflictingOptions: The options exclude each other; see the table in the README.
            PathInUse: A registered version points to bytes that would change.
            OfflineMode: This API is offline.
            PublishFailed: It stopped midway; it names the kept source, and calling again continues.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> receipt = run.log_artifact(lambda path: path.write_text("hello"), "notes.txt").unwrap()
            >>> run.load_artifact(lambda path: path.read_text(), "notes.txt").unwrap()
            'hello'
        """
        from mlopus.api import artifact_calls
        from mlopus.execution.receipts import Receipt

        call = artifact_calls.log_run_artifact(
            self, run, source, path_in_run, keep_the_source, allow_duplication, use_cache, mirror
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
        """Publish a file or folder and register it as a version of a model, last of all.

        Args:
            model: An entity or a name; the model must exist.
            run: An entity or an id.
            source: As in `log_run_artifact`.
            path_in_run: None is the model's name, made safe.
            keep_the_source: As in `log_run_artifact`.
            allow_duplication: As in `log_run_artifact`.
            use_cache: As in `log_run_artifact`.
            version: Refused by servers that number versions themselves, as MLflow does.
            tags: Nested values, set on the version.
            overwrite: Change bytes although another version points to them.

        Fails with:
            NotFound: There is no such model, run or source.
            InvalidRequest: `version` was given, and the server numbers versions itself.
            MlopusError: As `log_run_artifact`.
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
