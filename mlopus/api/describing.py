"""Verbs that describe entities, and those that take tags from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ExpRef, ModelRef, RunRef, VersionRef


class DescribingVerbs(ApiCore):
    """The descriptions of entities, and the removal of tags."""

    def set_description_on_exp(self, exp: ExpRef, description: str) -> Result[None, MlopusError]:
        """Set the description that the MLflow UI shows for an experiment, its tag `mlflow.note.content`.

        Args:
            exp: An entity or an id.
            description: Any text, Markdown in the UI, of at most 8000 characters; "" shows none.

        Returns:
            None; `exp.set_description` gives the experiment with it.

        Fails with:
            ValueTooLong: The text is longer; nothing was sent.
            NotFound: There is no such experiment.
            InvalidRequest: The experiment is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> done = api.set_description_on_exp(exp, "First trials.").unwrap()
            >>> api.get_exp(exp).unwrap().tags["mlflow"]["note"]["content"]
            'First trials.'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.set_description_on_exp(self, exp, description), type(None))

    def set_description_on_run(self, run: RunRef, description: str) -> Result[None, MlopusError]:
        """Set the description that the MLflow UI shows for a run, its tag `mlflow.note.content`.

        Args:
            run: An entity or an id.
            description: As in `set_description_on_exp`.

        Returns:
            None; `run.set_description` gives the run with it.

        Fails with:
            ValueTooLong: The text is longer; nothing was sent.
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> done = api.set_description_on_run(run, "With dropout.").unwrap()
            >>> api.find_runs({"tags.mlflow.note.content": {"$regex": "dropout"}}).count().unwrap()
            1
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.set_description_on_run(self, run, description), type(None))

    def set_description_on_model(self, model: ModelRef, description: str) -> Result[None, MlopusError]:
        """Set the description of a registered model.

        Args:
            model: An entity or a name.
            description: Any text, Markdown in the UI; "" takes the description away.

        Returns:
            None; `model.set_description` gives the model with it.

        Fails with:
            NotFound: There is no such model.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> model = api.create_model("ranker").unwrap()
            >>> done = api.set_description_on_model("ranker", "Orders what was found.").unwrap()
            >>> api.get_model("ranker").unwrap().description
            'Orders what was found.'
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.set_description_on_model(self, model, description), type(None))

    def set_description_on_model_version(
        self, model_version: VersionRef, description: str
    ) -> Result[None, MlopusError]:
        """Set the description of a model version.

        Args:
            model_version: As in `get_model_version`; an alias is looked up with one request first.
            description: As in `set_description_on_model`.

        Returns:
            None; `version.set_description` gives the version with it.

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
            >>> version = model.log_version(run, lambda path: path.touch()).unwrap()
            >>> done = api.set_description_on_model_version(("ranker", 1), "Trained in May.").unwrap()
            >>> model.get_version(1).unwrap().description
            'Trained in May.'
        """
        from mlopus.api import upkeep_calls

        call = upkeep_calls.set_description_on_model_version(self, model_version, description)
        return self._performed(call, type(None))

    def delete_tags_on_exp(self, exp: ExpRef, keys: Iterable[str]) -> Result[None, MlopusError]:
        """Remove tags from an experiment. One request to read them, then one a tag.

        A key is a dotted path: `"a"` removes the tag `a` and all nested below it, such as `a.b`;
        `"a.b"` removes that one, and what is below it. Keys that name no tag are no fault. The plan
        names every tag that goes.

        Args:
            exp: An entity or an id.
            keys: Several str; a single one is a TypeError.

        Returns:
            None; `exp.delete_tags` gives the experiment without them.

        Fails with:
            InvalidValue: A key is empty.
            NotFound: There is no such experiment.
            InvalidRequest: The experiment is deleted.
            Unsupported: An MLflow 2 server, which cannot remove tags of experiments.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer; calling again removes the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.create_exp("demo", {"team": {"name": "nlp", "size": 4}, "stage": "trial"}).unwrap()
            >>> done = api.delete_tags_on_exp(exp, ["team.size", "stage"]).unwrap()
            >>> tags = api.get_exp(exp).unwrap().tags
            >>> dict(tags["team"]), "stage" in tags
            ({'name': 'nlp'}, False)
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_tags_on_exp(self, exp, keys), type(None))

    def delete_tags_on_run(self, run: RunRef, keys: Iterable[str]) -> Result[None, MlopusError]:
        """Remove tags from a run. One request to read them, then one a tag.

        Args:
            run: An entity or an id.
            keys: Dotted paths, each with all that is nested below it; see `delete_tags_on_exp`.

        Returns:
            None; `run.delete_tags` gives the run without them.

        Fails with:
            InvalidValue: A key is empty.
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer; calling again removes the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> run = api.start_run(exp, tags={"data": {"folds": 5, "source": "web"}}).unwrap()
            >>> print(api.plan.delete_tags_on_run(run, ["data"]).unwrap().steps[0].keys)
            ('data.folds', 'data.source')
            >>> done = api.delete_tags_on_run(run, ["data"]).unwrap()
            >>> "data" in api.get_run(run).unwrap().tags
            False
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_tags_on_run(self, run, keys), type(None))

    def delete_tags_on_model(self, model: ModelRef, keys: Iterable[str]) -> Result[None, MlopusError]:
        """Remove tags from a registered model. One request to read them, then one a tag.

        Args:
            model: An entity or a name.
            keys: Dotted paths, each with all that is nested below it; see `delete_tags_on_exp`.

        Returns:
            None; `model.delete_tags` gives the model without them.

        Fails with:
            InvalidValue: A key is empty.
            NotFound: There is no such model.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer; calling again removes the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> model = api.create_model("ranker", {"stage": "trial"}).unwrap()
            >>> done = api.delete_tags_on_model("ranker", ["stage"]).unwrap()
            >>> "stage" in api.get_model("ranker").unwrap().tags
            False
        """
        from mlopus.api import upkeep_calls

        return self._performed(upkeep_calls.delete_tags_on_model(self, model, keys), type(None))

    def delete_tags_on_model_version(
        self, model_version: VersionRef, keys: Iterable[str]
    ) -> Result[None, MlopusError]:
        """Remove tags from a model version. One request to read them, then one a tag.

        Args:
            model_version: As in `get_model_version`.
            keys: Dotted paths, each with all that is nested below it; see `delete_tags_on_exp`.

        Returns:
            None; `version.delete_tags` gives the version without them.

        Fails with:
            InvalidValue: A key is empty, or the reference has none of the forms.
            NotFound: There is no such version or alias.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer; calling again removes the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.touch(), tags={"checked": True}).unwrap()
            >>> done = api.delete_tags_on_model_version("models:/ranker/1", ["checked"]).unwrap()
            >>> "checked" in model.get_version(1).unwrap().tags
            False
        """
        from mlopus.api import upkeep_calls

        return self._performed(
            upkeep_calls.delete_tags_on_model_version(self, model_version, keys), type(None)
        )
