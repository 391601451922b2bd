"""Requests about registered models and their versions, as calls of MLflow's registry stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from immutabledict import immutabledict

from mlopus.repositories.mlflow_client.routes import Answer, Arguments, Stores, able
from mlopus.repositories.mlflow_client.shapes import model_json, page_json, version_json


def _create_model(stores: Stores, given: Arguments) -> Answer:
    tags = [_model_tag(stores, tag) for tag in given.get("tags", ())]
    created = stores.registry.create_registered_model(given["name"], tags)
    if stores.are_files:  # each tag was a change of its own, and the model is older than the last of them
        created = stores.registry.get_registered_model(given["name"])
    return {"registered_model": model_json(created)}


def _get_model(stores: Stores, given: Arguments) -> Answer:
    return {"registered_model": model_json(stores.registry.get_registered_model(given["name"]))}


def _search_models(stores: Stores, given: Arguments) -> Answer:
    page = stores.registry.search_registered_models(**_searched(given))
    return page_json("registered_models", page, [model_json(model) for model in page])


def _rename_model(stores: Stores, given: Arguments) -> Answer:
    model = stores.registry.rename_registered_model(given["name"], given["new_name"])
    return {"registered_model": model_json(model)}


def _update_model(stores: Stores, given: Arguments) -> Answer:
    model = stores.registry.update_registered_model(given["name"], given.get("description"))
    return {"registered_model": model_json(model)}


def _delete_model(stores: Stores, given: Arguments) -> Answer:
    stores.registry.delete_registered_model(given["name"])
    return {}


def _set_model_tag(stores: Stores, given: Arguments) -> Answer:
    stores.registry.set_registered_model_tag(given["name"], _model_tag(stores, given))
    return {}


def _delete_model_tag(stores: Stores, given: Arguments) -> Answer:
    stores.registry.delete_registered_model_tag(given["name"], given["key"])
    return {}


def _set_alias(stores: Stores, given: Arguments) -> Answer:
    stores.registry.set_registered_model_alias(given["name"], given["alias"], given["version"])
    return {}


def _delete_alias(stores: Stores, given: Arguments) -> Answer:
    stores.registry.delete_registered_model_alias(given["name"], given["alias"])
    return {}


def _get_version_by_alias(stores: Stores, given: Arguments) -> Answer:
    version = stores.registry.get_model_version_by_alias(given["name"], given["alias"])
    return {"model_version": version_json(version)}


def _create_version(stores: Stores, given: Arguments) -> Answer:
    source, run_id, model_id = given["source"], given.get("run_id"), given.get("model_id")
    if model_id:
        # given a logged model, registries ask the tracking store of the whole process, which is another
        logged = able(stores.tracking, "get_logged_model")(model_id)
        path = source.partition(f"models:/{model_id}")[2]
        source, run_id = f"{logged.artifact_location}{path}", run_id or logged.source_run_id
    tags = [_version_tag(stores, tag) for tag in given.get("tags", ())]
    version = stores.registry.create_model_version(given["name"], source, run_id=run_id, tags=tags)
    if model_id:
        stores.tracking.set_model_versions_tags(given["name"], version.version, model_id)
    return {"model_version": version_json(version)}


def _get_version(stores: Stores, given: Arguments) -> Answer:
    return {"model_version": version_json(stores.registry.get_model_version(given["name"], given["version"]))}


def _search_versions(stores: Stores, given: Arguments) -> Answer:
    page = stores.registry.search_model_versions(**_searched(given))
    return page_json("model_versions", page, [version_json(version) for version in page])


def _update_version(stores: Stores, given: Arguments) -> Answer:
    version = stores.registry.update_model_version(given["name"], given["version"], given.get("description"))
    return {"model_version": version_json(version)}


def _delete_version(stores: Stores, given: Arguments) -> Answer:
    stores.registry.delete_model_version(given["name"], given["version"])
    return {}


def _set_version_tag(stores: Stores, given: Arguments) -> Answer:
    stores.registry.set_model_version_tag(given["name"], given["version"], _version_tag(stores, given))
    return {}


def _delete_version_tag(stores: Stores, given: Arguments) -> Answer:
    stores.registry.delete_model_version_tag(given["name"], given["version"], given["key"])
    return {}


def _download_uri(stores: Stores, given: Arguments) -> Answer:
    uri = stores.registry.get_model_version_download_uri(given["name"], given["version"])
    return {"artifact_uri": uri}


def _model_tag(stores: Stores, tag: Arguments) -> Any:
    return stores.registry_entities.RegisteredModelTag(tag["key"], tag["value"])


def _version_tag(stores: Stores, tag: Arguments) -> Any:
    return stores.registry_entities.ModelVersionTag(tag["key"], tag["value"])


def _searched(given: Arguments) -> dict[str, object]:
    return {
        "filter_string": given.get("filter"),
        "max_results": int(given["max_results"]),
        "order_by": given.get("order_by"),
        "page_token": given.get("page_token"),
    }


REGISTRY_ROUTES: Final[Mapping[str, Callable[[Stores, Arguments], Answer]]] = immutabledict(
    {
        "POST registered-models/create": _create_model,
        "GET registered-models/get": _get_model,
        "GET registered-models/search": _search_models,
        "POST registered-models/rename": _rename_model,
        "PATCH registered-models/update": _update_model,
        "DELETE registered-models/delete": _delete_model,
        "POST registered-models/set-tag": _set_model_tag,
        "DELETE registered-models/delete-tag": _delete_model_tag,
        "POST registered-models/alias": _set_alias,
        "DELETE registered-models/alias": _delete_alias,
        "GET registered-models/alias": _get_version_by_alias,
        "POST model-versions/create": _create_version,
        "GET model-versions/get": _get_version,
        "GET model-versions/search": _search_versions,
        "PATCH model-versions/update": _update_version,
        "DELETE model-versions/delete": _delete_version,
        "POST model-versions/set-tag": _set_version_tag,
        "DELETE model-versions/delete-tag": _delete_version_tag,
        "GET model-versions/get-download-uri": _download_uri,
    }
)
"""By method and path, under the prefix of the API."""
