"""Opening MLflow's stores in this process: the package is loaded here, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import attrs

from mlopus.errors import MlopusError, Unsupported
from mlopus.repositories.mlflow_client.files import registry_in_files
from mlopus.repositories.mlflow_client.probing import database_fault
from mlopus.repositories.mlflow_client.quiet import quiet, without_deprecations
from mlopus.repositories.mlflow_client.routes import Stores
from mlopus.repositories.mlflow_uris import DATABASES, family_of, folder_of, without_secrets
from mlopus.wire.mlflow.errors import clean

_OPENED_BY: Final = "_mlopus_opened_by"
_INHERITED: Final = "_mlopus_inherited"
EXTRA_HINT: Final = "Install mlopus with its extra `mlflow`: pip install 'mlopus[mlflow]'."


@attrs.frozen(kw_only=True)
class Opening:
    """What is opened.

    Attributes:
        uri: The tracking store, absolute.
        registry_uri: Where models are kept; None as MLflow decides for the tracking store.
        artifact_root: Where a database that is new keeps artifacts.
        connect_timeout_s: Longest wait for a database server.
    """

    uri: str = attrs.field(repr=lambda uri: repr(without_secrets(uri)))
    registry_uri: str | None = attrs.field(default=None, repr=lambda uri: repr(uri and without_secrets(uri)))
    artifact_root: str | None = None
    connect_timeout_s: float = 5.0

    @property
    def place(self) -> str:
        """The store as errors name it."""
        return without_secrets(self.uri)

    def open(self) -> Stores:
        """MLflow's stores. Nothing global of MLflow's is set: no tracking URI, no active run.

        Raises:
            MlopusError: The package is not there, or it cannot open this.
        """
        with quiet(), without_deprecations():
            return self._opened()

    def _opened(self) -> Stores:
        try:
            exceptions: Any = import_module("mlflow.exceptions")
            tracking: Any = import_module("mlflow.tracking._tracking_service.utils")
            registry: Any = import_module("mlflow.tracking._model_registry.utils")
            version: str = import_module("mlflow.version").VERSION
            refusals: list[type[Exception]] = [exceptions.MlflowException]
            if family_of(self.uri) in DATABASES:
                import_module("mlflow.store.tracking.sqlalchemy_store")
                refusals.append(import_module("sqlalchemy.exc").SQLAlchemyError)
        except ModuleNotFoundError as error:
            raise _not_installed(error.name or "mlflow", self.place) from error
        uris = [self.uri] if self.registry_uri in (None, self.uri) else [self.uri, self.registry_uri or ""]
        for uri in uris:
            if family_of(uri) in DATABASES:
                fault = database_fault(uri, without_secrets(uri), self.connect_timeout_s)
                if fault is not None:
                    raise fault
        try:
            store = tracking._get_store(self.uri, self.artifact_root)  # noqa: SLF001 (as MLflow's server does)
            models_uri = self.registry_uri or _registry_of(registry, self.uri)
            are_files = folder_of(models_uri) is not None
            models = registry_in_files(models_uri) if are_files else registry._get_store(models_uri, self.uri)  # noqa: SLF001 (as above)
        except tuple(refusals) as error:
            raise _not_opened(str(error), version, self.place) from error
        for opened in (store, models):
            _keep_to_one_process(opened)
        return Stores(
            tracking=store,
            registry=models,
            entities=import_module("mlflow.entities"),
            registry_entities=import_module("mlflow.entities.model_registry"),
            exceptions=exceptions,
            list_artifacts=_list_artifacts,
            version=version,
            are_files=folder_of(self.uri) is not None,
        )


def _registry_of(registry: Any, uri: str) -> str:
    """Where the models of a tracking store are: there, unless this version of MLflow knows better."""
    decide: Callable[[str], str] | None = getattr(
        registry, "_get_default_registry_uri_for_tracking_uri", None
    )
    return uri if decide is None else decide(uri)


def _not_installed(package: str, place: str) -> MlopusError:
    return Unsupported(action=f"working without the package {package!r}", place=place, hint=EXTRA_HINT)


def _not_opened(words: str, version: str, place: str) -> MlopusError:
    if "MLFLOW_ALLOW_FILE_STORE" in words:
        hint = (
            f"mlflow {version} opens folders of files only with MLFLOW_ALLOW_FILE_STORE=true in the "
            "environment; `mlflow migrate-filestore` makes a database of one."
        )
        return Unsupported(action="a folder of MLflow's file store (mlruns)", place=place, hint=hint)
    return Unsupported(action=f"being opened by mlflow {version}", place=place, hint=clean(words))


def _list_artifacts(root: str, path: str | None) -> list[Any]:
    registry: Any = import_module("mlflow.store.artifact.artifact_repository_registry")
    found: list[Any] = registry.get_artifact_repository(root).list_artifacts(path)
    return found


def _keep_to_one_process(store: Any) -> None:
    """Let a forked process open connections of its own: the engines of MLflow come along with a fork.

    As SQLAlchemy advises, what is inherited is forgotten and not closed: the parent still uses it.
    """
    engine: Any = getattr(store, "engine", None)
    if engine is None:
        return
    if getattr(engine, _OPENED_BY, os.getpid()) != os.getpid():
        setattr(engine, _INHERITED, engine.pool)  # kept, for a driver may close what is garbage
        engine.dispose(close=False)
    setattr(engine, _OPENED_BY, os.getpid())
