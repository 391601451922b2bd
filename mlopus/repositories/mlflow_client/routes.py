"""From a request of MLflow's REST to the call of MLflow's own stores that answers it.

Each function does what a server does with that request, less what only a server must check. Where
the reply says nothing that is needed it is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.repositories.mlflow_client.files import check_active, check_params
from mlopus.repositories.mlflow_client.shapes import (
    experiment_json,
    logged_model_json,
    page_json,
    point_json,
    run_json,
)

Arguments: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = Mapping[str, object]


@attrs.frozen(kw_only=True)
class Stores:
    """MLflow's stores as one process has opened them, and the parts of the package that calls need.

    Attributes:
        tracking: A tracking store of MLflow.
        registry: A model registry store of MLflow.
        entities: `mlflow.entities`.
        registry_entities: `mlflow.entities.model_registry`.
        exceptions: `mlflow.exceptions`.
        list_artifacts: What is in a folder below an artifact URI.
        version: Of the package.
        are_files: They are a folder of files, which knows no transactions.
    """

    tracking: Any
    registry: Any
    entities: Any
    registry_entities: Any
    exceptions: Any
    list_artifacts: Callable[[str, str | None], list[Any]]
    version: str
    are_files: bool = False

    def missing(self, words: str) -> Exception:
        """The exception by which stores say that something is not there."""
        code = self.exceptions.ErrorCode.Value("RESOURCE_DOES_NOT_EXIST")
        exception: Exception = self.exceptions.MlflowException(words, code)
        return exception


def _create_experiment(stores: Stores, given: Arguments) -> Answer:
    tags = [stores.entities.ExperimentTag(tag["key"], tag["value"]) for tag in given.get("tags", ())]
    exp_id = stores.tracking.create_experiment(given["name"], given.get("artifact_location"), tags)
    return {"experiment_id": exp_id}


def _get_experiment(stores: Stores, given: Arguments) -> Answer:
    return {"experiment": experiment_json(stores.tracking.get_experiment(given["experiment_id"]))}


def _get_experiment_by_name(stores: Stores, given: Arguments) -> Answer:
    name = given["experiment_name"]
    exp = stores.tracking.get_experiment_by_name(name)
    if exp is None:
        raise stores.missing(f"no experiment has the name {name!r}")
    return {"experiment": experiment_json(exp)}


def _search_experiments(stores: Stores, given: Arguments) -> Answer:
    page = stores.tracking.search_experiments(
        view_type=_view(stores, given, "view_type"),
        max_results=given["max_results"],
        filter_string=given.get("filter"),
        order_by=given.get("order_by"),
        page_token=given.get("page_token"),
    )
    return page_json("experiments", page, [experiment_json(exp) for exp in page])


def _set_experiment_tag(stores: Stores, given: Arguments) -> Answer:
    tag = stores.entities.ExperimentTag(given["key"], given["value"])
    stores.tracking.set_experiment_tag(given["experiment_id"], tag)
    return {}


def _delete_experiment_tag(stores: Stores, given: Arguments) -> Answer:
    able(stores.tracking, "delete_experiment_tag")(given["experiment_id"], given["key"])
    return {}


def _update_experiment(stores: Stores, given: Arguments) -> Answer:
    if stores.are_files:
        check_active(stores.tracking.get_experiment(given["experiment_id"]), stores.exceptions)
    stores.tracking.rename_experiment(given["experiment_id"], given["new_name"])
    return {}


def _delete_experiment(stores: Stores, given: Arguments) -> Answer:
    stores.tracking.delete_experiment(given["experiment_id"])
    return {}


def _restore_experiment(stores: Stores, given: Arguments) -> Answer:
    stores.tracking.restore_experiment(given["experiment_id"])
    return {}


def _create_run(stores: Stores, given: Arguments) -> Answer:
    run = stores.tracking.create_run(
        experiment_id=given["experiment_id"],
        user_id="",
        start_time=given.get("start_time", 0),
        tags=_run_tags(stores, given),
        run_name=given.get("run_name", ""),
    )
    return {"run": run_json(run)}


def _get_run(stores: Stores, given: Arguments) -> Answer:
    return {"run": run_json(stores.tracking.get_run(given["run_id"]))}


def _update_run(stores: Stores, given: Arguments) -> Answer:
    status = given.get("status")
    number = None if status is None else stores.entities.RunStatus.from_string(status)
    stores.tracking.update_run_info(given["run_id"], number, given.get("end_time"), given.get("run_name"))
    return {}


def _log_batch(stores: Stores, given: Arguments) -> Answer:
    entities = stores.entities
    points = [
        entities.Metric(point["key"], float(point["value"]), point["timestamp"], point["step"])
        for point in given.get("metrics", ())
    ]
    params = [entities.Param(param["key"], param["value"]) for param in given.get("params", ())]
    if stores.are_files:
        check_params(stores.tracking.get_run(given["run_id"]).data.params, params, stores.exceptions)
    stores.tracking.log_batch(given["run_id"], points, params, _run_tags(stores, given))
    return {}


def _delete_run_tag(stores: Stores, given: Arguments) -> Answer:
    stores.tracking.delete_tag(given["run_id"], given["key"])
    return {}


def _delete_run(stores: Stores, given: Arguments) -> Answer:
    stores.tracking.delete_run(given["run_id"])
    return {}


def _restore_run(stores: Stores, given: Arguments) -> Answer:
    stores.tracking.restore_run(given["run_id"])
    return {}


def _search_runs(stores: Stores, given: Arguments) -> Answer:
    page = stores.tracking.search_runs(
        given["experiment_ids"],
        given.get("filter", ""),
        _view(stores, given, "run_view_type"),
        given["max_results"],
        given.get("order_by"),
        given.get("page_token"),
    )
    return page_json("runs", page, [run_json(run) for run in page])


def _metric_history(stores: Stores, given: Arguments) -> Answer:
    page = stores.tracking.get_metric_history(given["run_id"], given["metric_key"])
    points = {(point.step, point.timestamp, repr(point.value)): point for point in page}  # files repeat them
    return page_json("metrics", page, [point_json(point) for point in points.values()])


def _list_artifacts(stores: Stores, given: Arguments) -> Answer:
    root = stores.tracking.get_run(given["run_id"]).info.artifact_uri
    return {"files": [{"path": file.path} for file in stores.list_artifacts(root, given.get("path"))]}


def _get_logged_model(stores: Stores, given: Arguments) -> Answer:
    return {"model": logged_model_json(able(stores.tracking, "get_logged_model")(given["model_id"]))}


def _search_logged_models(stores: Stores, given: Arguments) -> Answer:
    page = able(stores.tracking, "search_logged_models")(
        experiment_ids=given["experiment_ids"],
        filter_string=given.get("filter"),
        max_results=given["max_results"],
        order_by=given.get("order_by"),
    )
    return page_json("models", page, [logged_model_json(model) for model in page])


def able(store: Any, method: str) -> Callable[..., Any]:
    """A method that not every version of MLflow gives its stores."""
    found: Callable[..., Any] | None = getattr(store, method, None)
    if found is None:
        raise NotImplementedError(method)
    return found


def _run_tags(stores: Stores, given: Arguments) -> list[Any]:
    return [stores.entities.RunTag(tag["key"], tag["value"]) for tag in given.get("tags", ())]


def _view(stores: Stores, given: Arguments, name: str) -> Any:
    return stores.entities.ViewType.from_string(given[name].lower())


TRACKING_ROUTES: Final[Mapping[str, Callable[[Stores, Arguments], Answer]]] = immutabledict(
    {
        "POST experiments/create": _create_experiment,
        "GET experiments/get": _get_experiment,
        "GET experiments/get-by-name": _get_experiment_by_name,
        "POST experiments/search": _search_experiments,
        "POST experiments/set-experiment-tag": _set_experiment_tag,
        "POST experiments/delete-experiment-tag": _delete_experiment_tag,
        "POST experiments/update": _update_experiment,
        "POST experiments/delete": _delete_experiment,
        "POST experiments/restore": _restore_experiment,
        "POST runs/create": _create_run,
        "GET runs/get": _get_run,
        "POST runs/update": _update_run,
        "POST runs/log-batch": _log_batch,
        "POST runs/delete-tag": _delete_run_tag,
        "POST runs/delete": _delete_run,
        "POST runs/restore": _restore_run,
        "POST runs/search": _search_runs,
        "GET metrics/get-history": _metric_history,
        "GET artifacts/list": _list_artifacts,
        "GET logged-models/*": _get_logged_model,
        "POST logged-models/search": _search_logged_models,
    }
)
"""By method and path, under the prefix of the API."""
