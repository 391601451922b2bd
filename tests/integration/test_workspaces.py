"""Workspaces of a real MLflow server: the same names in each, one cache, and nothing is mixed up."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx
import pytest

import mlopus
from mlopus import MlflowApi, ModelVersionApi, RunApi, errors, or_raise
from tests.integration.stores import new_name
from tests.servers.mlflow_server import MlflowServer

pytestmark = (
    pytest.mark.slow
)  # that a workspace is told and is part of a cache's key is shown without a server

WORKSPACES: Final = (None, "team-a", "team-b")


class World:
    """A version of the same name in each workspace, all in one cache."""

    def __init__(self, uri: str, cache: Path) -> None:
        self._uri, self._cache, self.name = uri, cache, new_name()
        for workspace in WORKSPACES:
            self._publish(workspace)

    def api(self, workspace: str | None) -> MlflowApi:
        """An API of one workspace."""
        return mlopus.connect(self._uri, cache_dir=self._cache, workspace=workspace)

    def version(self, workspace: str | None) -> ModelVersionApi:
        """The version of a workspace, as the server has it."""
        return or_raise(self.api(workspace).get_model_version((self.name, "@best")))

    def run(self, workspace: str | None) -> RunApi:
        """The run that it is from."""
        run = self.version(workspace).run
        assert run is not None
        return run

    def _publish(self, workspace: str | None) -> None:
        run = or_raise(or_raise(self.api(workspace).create_exp(self.name)).start_run(f"of {workspace}"))
        model = or_raise(run.api.create_model(self.name))
        version = or_raise(model.log_version(run, lambda path: path.write_text(f"of {workspace}"), "model"))
        or_raise(model.set_alias("best", version))
        or_raise(version.cache())


@pytest.fixture(scope="module")
def world(mlflow_workspaces_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    for name in WORKSPACES[1:]:
        httpx.post(f"{mlflow_workspaces_server.uri}/api/3.0/mlflow/workspaces", json={"name": name})
    return World(mlflow_workspaces_server.uri, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("workspace", WORKSPACES)
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_each_workspace_answers_with_its_own(world: World, mode: str, workspace: str | None) -> None:
    online = world.api(workspace)
    api = online if mode == "online" else online.in_offline_mode

    found = or_raise(api.find_runs({"exp.name": world.name}).all())

    assert [run.name for run in found] == [f"of {workspace}"]
    assert or_raise(api.get_model_artifact((world.name, "@best"))).read_text() == f"of {workspace}"


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_bytes_are_fetched_from_their_own_workspace(
    world: World, tmp_path: Path, workspace: str | None
) -> None:
    fresh = world.api(workspace).evolve(cache_dir=str(tmp_path))

    assert or_raise(fresh.get_model_artifact((world.name, 1))).read_text() == f"of {workspace}"


@pytest.mark.parametrize("workspace", WORKSPACES[1:])
def test_a_run_is_in_its_workspace_alone(world: World, workspace: str) -> None:
    run, other = world.run(workspace), world.api(None)

    assert isinstance(other.get_run(run.id).failure(), errors.NotFound)
    assert isinstance(other.in_offline_mode.get_run(run.id).failure(), errors.NotCached)


def test_a_plan_for_one_workspace_is_refused_by_another(world: World) -> None:
    plan = or_raise(world.api("team-a").plan.create_model(new_name()))

    assert isinstance(world.api("team-b").execute(plan).failure(), errors.StalePlan)


def test_links_lead_into_the_workspace(world: World) -> None:
    assert or_raise(world.run("team-a").url()).endswith("?workspace=team-a")
    assert "workspace" not in or_raise(world.run(None).url())


def test_a_workspace_that_is_not_there_is_not_found(world: World) -> None:
    nobody = world.api("nobody")

    for failure in (nobody.ping().failure(), nobody.create_exp(new_name()).failure()):
        assert isinstance(failure, errors.NotFound)
        assert (failure.kind, failure.key) == ("workspace", "nobody")


def test_a_server_tells_that_it_has_workspaces(world: World) -> None:
    assert "workspaces_enabled" in or_raise(world.api("team-a").ping()).abilities
