"""What MLflow says to its own log and by warnings while it works for us is said by our results instead."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_LOGGERS: Final = ("mlflow.store.db.utils", "mlflow.utils.databricks_utils", "alembic.runtime.migration")
"""Those that tell of databases made and migrated, and of failures that come back as exceptions."""

_works_for_us: ContextVar[bool] = ContextVar("mlopus_works_for_us", default=False)
_one_at_a_time = threading.RLock()


class _NotOurs(logging.Filter):
    """Lets pass what is said while MLflow works for somebody else in this process."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 (who is served decides)
        return not _works_for_us.get()


_not_ours: Final = _NotOurs()


@contextmanager
def quiet() -> Generator[None]:
    """Keep out of the log what MLflow's stores say within the block, on this thread."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_not_ours)  # the same filter again is not added twice
    token = _works_for_us.set(True)
    try:
        yield
    finally:
        _works_for_us.reset(token)


@contextmanager
def without_deprecations() -> Generator[None]:
    """Keep back what MLflow and SQLAlchemy deprecate of each other while they are loaded and opened.

    Filters of warnings belong to the whole process, so this is only for the few seconds of that, and
    for one thread at a time.
    """
    with _one_at_a_time, warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield
