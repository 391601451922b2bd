"""The package obstore, as this process can use it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import tempfile
import threading
from typing import Any

from mlopus.errors import Unsupported
from mlopus.result import Failure, Result, Success

_EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure"}


class _Loaded:
    """What this process has loaded, and which process was the first to."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.first_pid: int | None = None
        self.by_pid: dict[int, Any] = {}


_LOADED = _Loaded()


def is_installed() -> bool:
    """Whether the package is there, without loading it."""
    return importlib.util.find_spec("obstore") is not None


def missing(kind: str, place: str) -> Unsupported:
    """What to say where it is not."""
    hint = f"pip install 'mlopus[{_EXTRAS[kind]}]'"
    return Unsupported(action=f"artifacts at {place} without the package obstore", place="mlopus", hint=hint)


def native(kind: str, place: str) -> Result[Any, Unsupported]:
    """The compiled module of obstore.

    Its threads are of the process that first used it, and are not there after a fork: calls would wait
    for ever. So a forked process loads a copy of the file, which has threads of its own.
    """
    pid = os.getpid()
    module = _LOADED.by_pid.get(pid)
    if module is not None:
        return Success(module)
    if not is_installed():
        return Failure(missing(kind, place))
    if _LOADED.first_pid not in (None, pid):
        _LOADED.lock = threading.Lock()  # a fork may have copied a held one
    with _LOADED.lock:
        if pid not in _LOADED.by_pid:
            is_forked = _LOADED.first_pid is not None and _LOADED.first_pid != pid
            _LOADED.by_pid[pid] = _copied() if is_forked else importlib.import_module("obstore._obstore")
            _LOADED.first_pid = _LOADED.first_pid or pid
        return Success(_LOADED.by_pid[pid])


def _copied() -> Any:
    original = importlib.util.find_spec("obstore._obstore")
    assert original is not None  # noqa: S101 (the package is installed)
    assert original.origin is not None  # noqa: S101 (it is a file)
    with tempfile.TemporaryDirectory(prefix="mlopus-") as folder:
        path = os.path.join(folder, os.path.basename(original.origin))
        shutil.copyfile(original.origin, path)
        spec = importlib.util.spec_from_file_location("obstore._obstore", path)
        assert spec is not None  # noqa: S101 (the file name is that of an extension module)
        assert spec.loader is not None  # noqa: S101 (the same)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
