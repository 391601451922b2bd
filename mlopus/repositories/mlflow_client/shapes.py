"""MLflow's entities as the JSON objects that its servers make of them."""

from __future__ import annotations

from typing import Any

from mlopus.wire.mlflow.shapes import pairs_json


def experiment_json(exp: Any) -> dict[str, object]:
    """An experiment."""
    return {
        "experiment_id": exp.experiment_id,
        "name": exp.name,
        "artifact_location": exp.artifact_location,
        "lifecycle_stage": exp.lifecycle_stage,
        "creation_time": exp.creation_time,
        "last_update_time": exp.last_update_time,
        "tags": pairs_json(exp.tags),
    }


def run_json(run: Any) -> dict[str, object]:
    """A run."""
    info, data = run.info, run.data
    outputs = getattr(run, "outputs", None)
    models = () if outputs is None else outputs.model_outputs or ()
    return {
        "info": {
            "run_id": info.run_id,
            "experiment_id": info.experiment_id,
            "run_name": info.run_name,
            "status": info.status,
            "start_time": info.start_time,
            "end_time": info.end_time,
            "artifact_uri": info.artifact_uri,
            "lifecycle_stage": info.lifecycle_stage,
        },
        "data": {
            "params": pairs_json(data.params),
            "metrics": [{"key": key, "value": value} for key, value in data.metrics.items()],
            "tags": pairs_json(data.tags),
        },
        "outputs": {"model_outputs": [{"model_id": model.model_id} for model in models]},
    }


def point_json(metric: Any) -> dict[str, object]:
    """One point of a metric."""
    return {
        "key": metric.key,
        "value": metric.value,
        "timestamp": metric.timestamp,
        "step": metric.step,
    }


def model_json(model: Any) -> dict[str, object]:
    """A registered model."""
    aliases: dict[str, Any] = model.aliases or {}
    return {
        "name": model.name,
        "description": model.description,
        "creation_timestamp": model.creation_timestamp,
        "last_updated_timestamp": model.last_updated_timestamp,
        "tags": pairs_json(model.tags),
        "aliases": [{"alias": alias, "version": str(aliases[alias])} for alias in aliases],
    }


def version_json(version: Any) -> dict[str, object]:
    """A version of a registered model."""
    return {
        "name": version.name,
        "version": str(version.version),
        "description": version.description,
        "source": version.source,
        "run_id": version.run_id,
        "creation_timestamp": version.creation_timestamp,
        "last_updated_timestamp": version.last_updated_timestamp,
        "tags": pairs_json(version.tags),
        "aliases": list(version.aliases or ()),
    }


def logged_model_json(model: Any) -> dict[str, object]:
    """A logged model."""
    return {"info": {"model_id": model.model_id, "artifact_uri": model.artifact_location}}


def page_json(name: str, page: Any, elements: list[dict[str, object]]) -> dict[str, object]:
    """A page of entities, and the token of the next, which some stores give as bytes."""
    token = page.token
    return {name: elements, "next_page_token": token.decode() if isinstance(token, bytes) else token}
