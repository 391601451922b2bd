"""What folders of files (`mlruns`) need that databases do themselves."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mlopus.plans.changes import PARAM_ALREADY_SET


def registry_in_files(uri: str) -> Any:
    """MLflow's registry in a folder, which asks only that folder.

    MLflow's own asks the tracking store of the whole process for each version it reads, to tell of
    the metrics of a logged model. Where nobody has set one, that makes a database in the current folder.
    """
    module: Any = import_module("mlflow.store.model_registry.file_store")
    return type("RegistryInFiles", (module.FileStore,), {"_get_file_model_version_from_dir": _version_in})(
        uri
    )


def _version_in(store: Any, folder: str) -> Any:
    module: Any = import_module("mlflow.store.model_registry.file_store")
    described = store._read_yaml(folder, store.META_DATA_FILE_NAME)  # noqa: SLF001 (of the class we extend)
    tags = store._get_model_version_tags_from_dir(folder)  # noqa: SLF001 (as above)
    aliases = store._get_model_version_aliases(folder)  # noqa: SLF001 (as above)
    return module.FileModelVersion.from_dictionary({**described, "tags": tags, "aliases": aliases})


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
