"""What folders of files (`mlruns`) need that databases do themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mlopus.plans.changes import PARAM_ALREADY_SET


def registry_in_files(uri: str) -> Any:
    """MLflow's registry in a folder, which asks only that folder.

    MLflow's own asks the tracking store of the whole process for each version it reads, to tell of
    the metrics of a logged model. Where nobody has set one, that makes a database in the current folder.
    And it cannot rename a model whose versions have tags, and forgets its aliases.
    """
    module: Any = import_module("mlflow.store.model_registry.file_store")
    ours = {"_get_file_model_version_from_dir": _version_in, "rename_registered_model": _renamed}
    return type("RegistryInFiles", (module.FileStore,), ours)(uri)


def _version_in(store: Any, folder: str) -> Any:
    module: Any = import_module("mlflow.store.model_registry.file_store")
    described = store._read_yaml(folder, store.META_DATA_FILE_NAME)  # noqa: SLF001 (of the class we extend)
    tags = store._get_model_version_tags_from_dir(folder)  # noqa: SLF001 (as above)
    aliases = store._get_model_version_aliases(folder)  # noqa: SLF001 (as above)
    return module.FileModelVersion.from_dictionary({**described, "tags": tags, "aliases": aliases})


def _renamed(store: Any, name: str, new_name: str) -> Any:
    """The folder of a model is moved with all that is in it; then the names in its files follow."""
    model = store.get_registered_model(name)
    if new_name == name:
        return model
    store._validate_registered_model_does_not_exist(new_name)  # noqa: SLF001 (of the class we extend)
    folder = store._get_registered_model_path(new_name)  # noqa: SLF001 (as above)
    os.rename(store._get_registered_model_path(name), folder)  # noqa: SLF001 (as above)
    model.name = new_name
    store._save_registered_model_as_meta_file(model)  # noqa: SLF001 (as above)
    for version in store._list_file_model_versions_under_path(folder):  # noqa: SLF001 (as above)
        version.name = new_name
        store._save_model_version_as_meta_file(version)  # noqa: SLF001 (as above)
    return model


def check_active(experiment: Any, exceptions: Any) -> None:
    """Refuse to rename an experiment that is deleted.

    Raises:
        MlflowException: As a database refuses it.
    """
    if experiment.lifecycle_stage != "active":
        code = exceptions.ErrorCode.Value("INVALID_STATE")
        raise exceptions.MlflowException("Cannot rename an experiment that is deleted.", code)


def check_params(before: Mapping[str, str], params: list[Any], exceptions: Any) -> None:
    """Refuse a batch that gives a param another value, before anything of it is written.

    A folder has no transactions: two writers at once may still get past this.

    Raises:
        MlflowException: As a database refuses it.
    """
    for param in params:
        if before.get(param.key, param.value) != param.value:
            words = f"{PARAM_ALREADY_SET}. Changing param values is not allowed: {param.key!r}"
            code = exceptions.ErrorCode.Value("INVALID_PARAMETER_VALUE")
            raise exceptions.MlflowException(words, code)
