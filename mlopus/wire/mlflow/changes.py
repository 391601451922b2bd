"""Operations that rename, describe, untag, alias, delete and restore; their replies say nothing needed."""

from __future__ import annotations

from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey, kind_of
from mlopus.wire.mlflow.http import API, HttpRequest, Method, Named, json_text


def rename_experiment_request(exp_id: str, name: str) -> HttpRequest:
    """Give an experiment a name. What servers answer to one that is taken is their database's own."""
    body = {"experiment_id": exp_id, "new_name": name}
    return _request("POST", "experiments/update", body, ExperimentKey(exp_id))


def rename_model_request(name: str, new_name: str) -> HttpRequest:
    """Give a model a name. Sent twice, it finds nothing of the old one."""
    return HttpRequest(
        name="registered-models/rename",
        method="POST",
        path=f"{API}/registered-models/rename",
        body=json_text({"name": name, "new_name": new_name}),
        replay_safe=False,
        missing=Named("model", name),
        taken=Named("model", new_name),
    )


def describe_request(key: ModelKey | VersionKey, description: str) -> HttpRequest:
    """Describe a model or a version; an empty text clears its description."""
    operation = "registered-models/update" if isinstance(key, ModelKey) else "model-versions/update"
    return _request("PATCH", operation, {**_fields(key), "description": description}, key)


def delete_tag_request(on: OwnKey, key: str) -> HttpRequest:
    """Delete one tag. Servers find nothing where a run or an experiment lacks it."""
    body = {**_fields(on), "key": key}
    match on:
        case ExperimentKey():
            operation = "experiments/delete-experiment-tag"
            return _request("POST", operation, body, on, since="3.2")
        case RunKey():
            return _request("POST", "runs/delete-tag", body, on)
        case ModelKey():
            return _request("DELETE", "registered-models/delete-tag", body, on)
        case VersionKey():
            return _request("DELETE", "model-versions/delete-tag", body, on)


def set_alias_request(version: VersionKey, alias: str) -> HttpRequest:
    """Let an alias name a version, and no other."""
    return _request("POST", "registered-models/alias", {**_fields(version), "alias": alias}, version)


def delete_alias_request(model: ModelKey, alias: str) -> HttpRequest:
    """Delete an alias; one that is not there is no fault."""
    return _request("DELETE", "registered-models/alias", {**_fields(model), "alias": alias}, model)


def delete_request(key: OwnKey) -> HttpRequest:
    """Delete an entity. Of a model or a version nothing is left, so that a second time finds nothing."""
    match key:
        case ExperimentKey():
            return _request("POST", "experiments/delete", _fields(key), key)
        case RunKey():
            return _request("POST", "runs/delete", _fields(key), key)
        case ModelKey():
            return _request("DELETE", "registered-models/delete", _fields(key), key, replay_safe=False)
        case VersionKey():
            return _request("DELETE", "model-versions/delete", _fields(key), key, replay_safe=False)


def restore_request(key: ExperimentKey | RunKey) -> HttpRequest:
    """Restore an experiment or a run."""
    operation = "experiments/restore" if isinstance(key, ExperimentKey) else "runs/restore"
    return _request("POST", operation, _fields(key), key)


def _request(
    method: Method,
    operation: str,
    body: dict[str, str],
    missing: OwnKey,
    *,
    replay_safe: bool = True,
    since: str | None = None,
) -> HttpRequest:
    return HttpRequest(
        name=operation,
        method=method,
        path=f"{API}/{operation}",
        body=json_text(body),
        replay_safe=replay_safe,
        missing=Named(kind_of(missing), str(missing)),
        since=since,
    )


def _fields(key: OwnKey) -> dict[str, str]:
    """A key as the bodies of requests hold it."""
    match key:
        case ExperimentKey(exp_id):
            return {"experiment_id": exp_id}
        case RunKey(run_id):
            return {"run_id": run_id}
        case ModelKey(name):
            return {"name": name}
        case VersionKey(name, version):
            return {"name": name, "version": version}
