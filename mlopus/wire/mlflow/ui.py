"""Pages of MLflow's UI."""

from __future__ import annotations

from typing import assert_never

from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey
from mlopus.wire.mlflow.http import segment


def page_of(key: OwnKey, exp_id: str | None, workspace: str | None) -> str:
    """The path of an entity's page, under the server's address.

    Args:
        key: Of the entity.
        exp_id: The experiment of a run.
        workspace: None for the default one.

    Example:
        >>> page_of(VersionKey("my ranker", "3"), None, None)
        '/#/models/my%20ranker/versions/3'
    """
    query = "" if workspace is None else f"?workspace={segment(workspace)}"
    return f"/#/{_route(key, exp_id or '')}{query}"


def _route(key: OwnKey, exp_id: str) -> str:
    match key:
        case ExperimentKey(own_id):
            return f"experiments/{segment(own_id)}"
        case RunKey(run_id):
            return f"experiments/{segment(exp_id)}/runs/{segment(run_id)}"
        case ModelKey(name):
            return f"models/{segment(name)}"
        case VersionKey(name, version):
            return f"models/{segment(name)}/versions/{segment(version)}"
        case _:
            assert_never(key)
