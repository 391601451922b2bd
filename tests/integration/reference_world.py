"""What is on a server while the README's reference is tried: entities to be read, and makers of others."""

from __future__ import annotations

from pathlib import Path

import attrs

import mlopus
from mlopus import ExpApi, MlflowApi, ModelApi, ModelVersionApi, RunApi, or_raise
from tests.integration.stores import new_name
from tests.servers.mlflow_server import MlflowServer
from tests.servers.seeding import copy_run, copy_version

FILES = {"weights.json": "{}", "data/points.csv": "x,y", "data/noise.bin": "n"}
PATH = "model"
TAGS = {"a": 1, "b": 2}
PARENTS = 4
"""Runs that `crowd` has a version of: one more than are asked for one by one."""
ROWS_A_PAGE = 4


@attrs.frozen(kw_only=True)
class World:
    """What is on the server, all through an API that is not counted.

    `run` has files and a child. `version` is of these files. `crowd` is a model with versions of
    several runs. `pair` is two experiments with five runs together. None of it is changed.
    """

    direct: MlflowApi
    exp: ExpApi
    run: RunApi
    version: ModelVersionApi
    crowd: ModelApi
    pair: tuple[str, str]

    @property
    def model(self) -> str:
        """The name of the version's model."""
        return self.version.model.name

    @property
    def first(self) -> tuple[str, int]:
        """The version, by its number."""
        return self.model, 1

    @property
    def champion(self) -> tuple[str, str]:
        """The version, by its alias."""
        return self.model, "@champion"

    def new_exp(self) -> ExpApi:
        """An experiment to be changed."""
        return or_raise(self.direct.create_exp(new_name(), TAGS))

    def new_run(self) -> RunApi:
        """A run to be changed."""
        return or_raise(self.direct.start_run(self.exp, tags=TAGS))

    def new_model(self) -> ModelApi:
        """A model to be changed."""
        return or_raise(self.direct.create_model(new_name(), TAGS))

    def new_version(self) -> tuple[str, int]:
        """A version to be changed."""
        model = self.new_model()
        or_raise(model.log_version(self.run, lambda path: path.touch(), new_name(), tags=TAGS))
        return model.name, 1


def populate(server: MlflowServer, folder: Path) -> World:
    """Fill a server with what is read, under names that nobody else has."""
    direct = mlopus.connect(server.uri, cache_dir=folder / "cache")
    exp, *pair = (or_raise(direct.create_exp(new_name())) for _ in range(3))
    for place in (*pair, *pair, pair[0]):
        or_raise(place.start_run())
    run = or_raise(exp.start_run())
    or_raise(run.log_metrics({"loss": 0.5}))
    or_raise(run.start_child())
    model, crowd = (or_raise(direct.create_model(new_name())) for _ in range(2))
    version = or_raise(model.log_version(run, write_files(folder / "source"), PATH))
    or_raise(model.set_alias("champion", version))
    or_raise(crowd.log_version(or_raise(exp.start_run()), lambda path: path.touch()))
    first = or_raise(crowd.get_version(1)).run
    assert first is not None
    copy_version(server, crowd.name, copy_run(server, first.id, PARENTS - 1))
    return World(direct=direct, exp=exp, run=run, version=version, crowd=crowd, pair=(pair[0].id, pair[1].id))


def write_files(folder: Path) -> Path:
    """Write what is published: three files in two folders."""
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder
