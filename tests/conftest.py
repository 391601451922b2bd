"""What every test gets: Hypothesis profiles, real and loopback servers, an environment without MLflow's."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.fixtures import (
    azurite,
    counting_proxy,
    gcs_server,
    http_server,
    locked_s3_server,
    loopback,
    mark_server_tests,
    mlflow_2_search_server,
    mlflow_2_server,
    mlflow_auth_server,
    mlflow_s3_server,
    mlflow_search_server,
    mlflow_server,
    mlflow_workers_server,
    mlflow_workspaces_server,
    other_s3_server,
    prefix_proxy,
    s3_server,
    sftp_server,
    socket_events,
)

__all__ = [
    "azurite",
    "counting_proxy",
    "gcs_server",
    "http_server",
    "locked_s3_server",
    "loopback",
    "mlflow_2_search_server",
    "mlflow_2_server",
    "mlflow_auth_server",
    "mlflow_s3_server",
    "mlflow_search_server",
    "mlflow_server",
    "mlflow_workers_server",
    "mlflow_workspaces_server",
    "other_s3_server",
    "prefix_proxy",
    "s3_server",
    "sftp_server",
    "socket_events",
]

settings.register_profile("dev", max_examples=50, deadline=None)
# the same examples for the same code, so that a change is not held up by what it did not do; others find more
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "nightly",
    max_examples=5000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if "CI" in os.environ else "dev"))


def pytest_configure() -> None:
    """Keep the settings of whoever runs the tests out of them, and look for no garbage among the tests."""
    gc.disable()
    for name in tuple(os.environ):
        if name.startswith(("MLFLOW_", "MLOPUS_")):
            del os.environ[name]


def pytest_collection_finish() -> None:
    """Collect garbage from now on, and never look through the tests themselves again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark before `-m` selects."""
    mark_server_tests(items)
