"""Verbs that delete entities, and restore those that can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ExpRef, ModelRef, RunRef, VersionRef


class DeletingVerbs(ApiCore):
    """How entities are deleted, as the server does it, and restored."""

    def delete_exp(self, exp: ExpRef) -> Result[None, MlopusError]:
        """Delete an experiment with its runs. `restore_exp` brings them back.

        Its name stays taken. `find_exps(view="deleted")` finds it. The metadata cache follows; cached
        artifacts stay until they are cleaned.

        Args:
            exp: An entity or an id. One that is deleted already stays so.

        Returns:
            None; `exp.delete` gives the experiment, deleted.

        Fails with:
            NotFound: There is no such experiment.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> done = api.delete_exp(exp).unwrap()
            >>> [found.name for found in api.find_exps()], [old.name for old in api.find_exps(view="deleted")]
            ([], ['demo'])
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_exp(self, exp), type(None))

    def restore_exp(self, exp: ExpRef) -> Result[None, MlopusError]:
        """Restore a deleted experiment with its runs.

        Args:
            exp: An entity or an id; `get_exp_by_name` and `find_exps(view="deleted")` give it. One
                that is active stays so.

        Returns:
            None; `exp.restore` gives the experiment, active.

        Fails with:
            NotFound: There is no such experiment, or not any more.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap().delete().unwrap()
            >>> done = api.restore_exp(exp.id).unwrap()
            >>> api.get_or_create_exp("demo").unwrap().id == exp.id
            True
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.restore_exp(self, exp), type(None))

    def delete_run(self, run: RunRef) -> Result[None, MlopusError]:
        """Delete a run. `restore_run` brings it back; until then nothing can be logged to it.

        `find_runs(view="deleted")` finds it. Versions that came from it stay. The metadata cache
        follows; cached artifacts stay until they are cleaned.

        Args:
            run: An entity or an id. One that is deleted already stays so.

        Returns:
            None; `run.delete` gives the run, deleted.

        Fails with:
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> done = api.delete_run(run).unwrap()
            >>> api.get_run(run.id).unwrap().lifecycle_stage, run.exp.find_runs().count().unwrap()
            ('deleted', 0)
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_run(self, run), type(None))

    def restore_run(self, run: RunRef) -> Result[None, MlopusError]:
        """Restore a deleted run.

        Args:
            run: An entity or an id; `find_runs(view="deleted")` gives it. One that is active stays so.

        Returns:
            None; `run.restore` gives the run, active.

        Fails with:
            NotFound: There is no such run, or not any more.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap().delete().unwrap()
            >>> done = api.restore_run(run.id).unwrap()
            >>> api.get_run(run.id).unwrap().lifecycle_stage
            'active'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.restore_run(self, run), type(None))

    def delete_model(self, model: ModelRef) -> Result[None, MlopusError]:
        """Delete a registered model with all its versions and aliases, for good.

        Their artifacts stay in the store, and what is cached of them until it is cleaned. The
        metadata cache forgets them.

        Args:
            model: An entity or a name.

        Returns:
            None.

        Fails with:
            NotFound: There is no such model.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> model = api.create_model("ranker").unwrap().cache_meta().unwrap()
            >>> done = api.delete_model("ranker").unwrap()
            >>> type(api.in_offline_mode.get_model("ranker").failure()).__name__
            'NotCached'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_model(self, model), type(None))

    def delete_model_version(self, model_version: VersionRef) -> Result[None, MlopusError]:
        """Delete a version of a model and the aliases that name it, for good. Its number is not used again.

        Its artifact stays in the store, and what is cached of it until it is cleaned.

        Args:
            model_version: As in `get_model_version`. Of an alias the version goes that it names when
                this is planned.

        Returns:
            None.

        Fails with:
            NotFound: There is no such version or alias.
            InvalidValue: The reference has none of the forms.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> made = [model.log_version(run, lambda p: p.touch(), f"m{n}").unwrap() for n in (1, 2)]
            >>> done = api.delete_model_version(("ranker", 1)).unwrap()
            >>> [version.version for version in model.find_versions()]
            ['2']
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_model_version(self, model_version), type(None))
