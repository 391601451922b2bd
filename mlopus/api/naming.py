"""Verbs that give names: other ones to entities, and aliases to the versions of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ExpRef, ModelRef, RunRef
    from mlopus.api.upkeep_calls import VersionOfModel


class NamingVerbs(ApiCore):
    """How entities are renamed, and what aliases name."""

    def rename_exp(self, exp: ExpRef, name: str) -> Result[None, MlopusError]:
        """Give an experiment another name. Its id and its runs stay as they are.

        Args:
            exp: An entity or an id.
            name: Not empty; at most 500 characters on MLflow.

        Returns:
            None; `exp.rename` gives the experiment with its new name.

        Fails with:
            AlreadyExists: Another experiment has the name, maybe a deleted one.
            NotFound: There is no such experiment.
            InvalidRequest: The experiment is deleted.
            InvalidValue: The name is empty.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.create_exp("dmeo").unwrap()
            >>> done = api.rename_exp(exp, "demo").unwrap()
            >>> api.get_exp_by_name("demo").unwrap().id == exp.id
            True
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.rename_exp(self, exp, name), type(None))

    def rename_run(self, run: RunRef, name: str) -> Result[None, MlopusError]:
        """Give a run another name; several runs may have the same.

        Args:
            run: An entity or an id.
            name: Not empty.

        Returns:
            None; `run.rename` gives the run with its new name.

        Fails with:
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            InvalidValue: The name is empty.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> done = api.rename_run(run, "baseline").unwrap()
            >>> api.get_run(run.id).unwrap().name
            'baseline'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.rename_run(self, run, name), type(None))

    def rename_model(self, model: ModelRef, name: str) -> Result[None, MlopusError]:
        """Give a registered model another name, which its versions are then found under.

        References by the old name (`models:/…` URIs, entities read before) lead nowhere afterwards.
        Artifacts stay where they are.

        Args:
            model: An entity or a name.
            name: As in `create_model`.

        Returns:
            None; `model.rename` gives the model with its new name.

        Fails with:
            AlreadyExists: Another model has the name.
            NotFound: There is no such model.
            InvalidValue: No path or URI can hold the name.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> model = api.create_model("ranker", {"owner": "ana"}).unwrap()
            >>> done = api.rename_model("ranker", "search-ranker").unwrap()
            >>> api.get_model("search-ranker").unwrap().tags["owner"]
            'ana'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.rename_model(self, model, name), type(None))

    def set_alias(self, model: ModelRef, alias: str, version: VersionOfModel) -> Result[None, MlopusError]:
        """Let an alias name a version of a model, and no other version of it any more.

        `(name, "@alias")` and `models:/name@alias` are references to that version in every verb.

        Args:
            model: An entity or a name.
            alias: Letters, digits, `_` and `-`, at most 255, with or without the `@` of references;
                neither `latest` nor `v` with a number, which MLflow reserves.
            version: A number as int or str, another `"@alias"` of the model, or any reference that
                `get_model_version` takes, to a version of this model.

        Returns:
            None; `model.set_alias` gives the model with its aliases.

        Fails with:
            NotFound: There is no such model, version or other alias.
            InvalidValue: The alias cannot be given, or the version is of another model.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> made = [model.log_version(run, lambda p: p.touch(), f"m{n}").unwrap() for n in (1, 2)]
            >>> done = api.set_alias("ranker", "champion", 2).unwrap()
            >>> api.get_model_version(("ranker", "@champion")).unwrap().version
            '2'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.set_alias(self, model, alias, version), type(None))

    def delete_alias(self, model: ModelRef, alias: str) -> Result[None, MlopusError]:
        """Remove an alias of a model; one that is not there is no fault. The version stays.

        Args:
            model: An entity or a name.
            alias: With or without its `@`.

        Returns:
            None; `model.delete_alias` gives the model with its aliases.

        Fails with:
            NotFound: There is no such model.
            InvalidValue: No version can have such an alias.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.touch()).unwrap()
            >>> model = model.set_alias("champion", version).unwrap()
            >>> done = api.delete_alias(model, "champion").unwrap()
            >>> type(api.get_model_version("models:/ranker@champion").failure()).__name__
            'NotFound'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_alias(self, model, alias), type(None))
