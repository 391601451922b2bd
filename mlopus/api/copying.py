"""Verbs that copy to another API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi
    from mlopus.api.references import ExpRef, RunRef, VersionRef
    from mlopus.handles import ExpApi, ModelVersionApi, RunApi


class CopyVerbs(ApiCore):
    """What can be taken along to another store."""

    def copy_exp(
        self, exp: ExpRef, to: MlflowApi, name: str | None = None, with_versions: bool = True
    ) -> Result[ExpApi, MlopusError]:
        """Copy an experiment to another store: its tags, its active runs with all they hold, and versions.

        Of each run the copy has name, status, start and end times, params, tags, every metric point with
        its step and time, the artifacts, and the run that it is nested in. Artifacts go from store to
        store, a few files at a time; neither cache is filled. Deleted runs stay behind, and so do the
        artifacts of MLflow 3's logged models that no version names.

        Copies name their sources in the tag `mlopus.copied_from`. By it a second copy finds the first and
        brings what is new or changed since: points, tags, params, files of another content. What was
        taken away from the source stays in the copy. Files are compared by digest, never by size alone:
        those that both stores list with one size, and no digest, are read on both sides while it is
        planned. A copy that was interrupted is continued by calling again.

        Args:
            exp: An entity or an id.
            to: Another API; its store must be another one.
            name: Of the copy; None keeps the name. An experiment of that name that is there and is no
                copy of this one takes the runs, and keeps its own tags.
            with_versions: Also register the versions of the runs there, in the order of their numbers,
                under models of the same names. The target numbers them; aliases follow.

        Returns:
            The copy, of the other API.

        Fails with:
            NotFound: There is no such experiment.
            ConflictingOptions: `to` is the store that is copied from.
            InvalidRequest: The experiment is deleted, or a param of a copy has another value.
            AlreadyExists: The experiment there, or the copy of a run, was deleted; an alias names a version
                there that is no copy; a file stands where a folder has to be, or the reverse.
            InvalidValue, ValueTooLong: A key or text that the other store does not take; nothing was sent.
            IllegalPath: A store lists names that are not plain relative paths.
            OfflineMode: One of the two APIs is offline.
            Unavailable: One of the two stores did not answer.
            ExecutionStopped: It stopped midway; calling again continues.

        Raises:
            TypeError: `to` is no API.

        Example:
            >>> import mlopus
            >>> mine, team = mlopus.testing.in_memory(), mlopus.testing.in_memory()
            >>> exp = mine.get_or_create_exp("demo").unwrap()
            >>> with mlopus.or_raise(exp.start_run("r1")) as run:
            ...     logged = run.log_metrics({"loss": 0.5}, step=1).unwrap()
            >>> copy = mine.copy_exp(exp, to=team).unwrap()
            >>> [(run.name, run.status.name, run.metrics["loss"]) for run in copy.find_runs()]
            [('r1', 'FINISHED', 0.5)]
            >>> mine.plan.copy_exp(exp, to=team).unwrap().is_empty
            True
        """
        from mlopus.api import copy_calls
        from mlopus.handles import ExpApi

        return self._performed(copy_calls.copy_exp(self, exp, to, name, with_versions), ExpApi)

    def copy_run(
        self, run: RunRef, to: MlflowApi, with_children: bool = True, with_versions: bool = True
    ) -> Result[RunApi, MlopusError]:
        """Copy a run to another store, into the experiment that is a copy of its own, or has that one's name.

        An experiment that is not there is made, with its tags. What is copied of each run, how it is found
        again and what stays behind is as in `copy_exp`.

        Args:
            run: An entity or an id.
            to: Another API; its store must be another one.
            with_children: Also copy the active runs of its experiment that are nested in it, however deep.
                The run itself is nested there in the copy of its parent, if there is one.
            with_versions: As in `copy_exp`, of these runs.

        Returns:
            The copy of the run, of the other API.

        Fails with:
            NotFound: There is no such run.
            MlopusError: As `copy_exp`.

        Raises:
            TypeError: `to` is no API.

        Example:
            >>> import mlopus
            >>> mine, team = mlopus.testing.in_memory(), mlopus.testing.in_memory()
            >>> run = mine.start_run(mine.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hello"), "notes.txt").unwrap()
            >>> copy = mine.copy_run(run, to=team).unwrap()
            >>> copy.exp.name, copy.status.name, copy.get_artifact("notes.txt").unwrap().read_text()
            ('demo', 'RUNNING', 'hello')
        """
        from mlopus.api import copy_calls
        from mlopus.handles import RunApi

        call = copy_calls.copy_run(self, run, to, with_children, with_versions)
        return self._performed(call, RunApi)

    def copy_model_version(
        self, model_version: VersionRef, to: MlflowApi, name: str | None = None
    ) -> Result[ModelVersionApi, MlopusError]:
        """Copy a model version to another store: its bytes, tags, description and aliases, and its run.

        The run comes with all but its other artifacts and nested runs, as in `copy_run`; bytes that are
        not among its artifacts, as those of MLflow 3's logged models, get a path of their own there. The
        version is registered once every byte is there. The other store numbers it; the tag
        `mlopus.copied_from` says which it was, and a second copy finds it by that.

        Args:
            model_version: An entity, `(name, version)`, `(name, "@alias")` or a `models:/` URI.
            to: Another API; its store must be another one.
            name: Of the model there; None keeps the name. A model that is not there is made, with tags and
                description; one that is no copy of this keeps its own.

        Returns:
            The copy, of the other API, with its model and run.

        Fails with:
            NotFound: There is no such version, or its run is gone.
            Unsupported: The version leads to no run.
            InvalidValue: `name` is no name that a path or URI can hold.
            MlopusError: As `copy_exp`.

        Raises:
            TypeError: `to` is no API.

        Example:
            >>> import mlopus
            >>> mine, team = mlopus.testing.in_memory(), mlopus.testing.in_memory()
            >>> run = mine.start_run(mine.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = mine.get_or_create_model("ranker").unwrap()
            >>> version = mine.log_model_version(model, run, lambda path: path.write_text("v1")).unwrap()
            >>> done = mine.set_alias(model, "champion", version.version).unwrap()
            >>> copy = mine.copy_model_version(("ranker", "@champion"), to=team, name="team ranker").unwrap()
            >>> copy.model.name, copy.version, copy.aliases, copy.run.name
            ('team ranker', '1', ('champion',), 'r1')
        """
        from mlopus.api import copy_calls
        from mlopus.handles import ModelVersionApi

        call = copy_calls.copy_model_version(self, model_version, to, name)
        return self._performed(call, ModelVersionApi)
