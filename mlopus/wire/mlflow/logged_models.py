"""Operations on the logged models of MLflow 3, which older servers do not have."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import API, HttpRequest, Named, WrongShape, json_text, segment
from mlopus.wire.mlflow.shapes import elements, members, text


@attrs.frozen(kw_only=True)
class LoggedModel:
    """A logged model: its own id, and the root of its artifacts."""

    id: str
    artifact_uri: str


def get_logged_model_request(model_id: str) -> HttpRequest:
    """Get a logged model by its id."""
    return HttpRequest(
        name="logged-models/get",
        method="GET",
        path=f"{API}/logged-models/{segment(model_id)}",
        replay_safe=True,
        missing=Named("logged model", model_id),
        is_lookup=True,
        is_optional=True,
    )


def logged_model_from_reply(reply: object) -> Result[LoggedModel, WrongShape]:
    """The logged model."""
    model = _from_json(members(reply).get("model"))
    return (
        Failure(WrongShape("there is no 'model' with an artifact_uri in it"))
        if model is None
        else Success(model)
    )


def search_logged_models_request(exp_id: str, name: str, source_run_id: str) -> HttpRequest:
    """Ask for the logged models of that name which a run logged, the newest first."""
    body = {
        "experiment_ids": [exp_id],
        "filter": f"name = '{name}' AND source_run_id = '{source_run_id}'",
        "order_by": [{"field_name": "creation_timestamp", "ascending": False}],
        "max_results": 1,
    }
    return HttpRequest(
        name="logged-models/search",
        method="POST",
        path=f"{API}/logged-models/search",
        body=json_text(body),
        replay_safe=True,
        is_optional=True,
    )


def search_logged_models_from_reply(reply: object) -> Result[Sequence[LoggedModel], WrongShape]:
    """The logged models; those that say nothing of their artifacts are left out."""
    models = map(_from_json, elements(members(reply).get("models")))
    return Success(tuple(model for model in models if model is not None))


def _from_json(value: object) -> LoggedModel | None:
    info = members(members(value).get("info"))
    model_id, artifact_uri = text(info.get("model_id")), text(info.get("artifact_uri"))
    return LoggedModel(id=model_id, artifact_uri=artifact_uri) if model_id and artifact_uri else None
