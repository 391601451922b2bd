"""What a publish asks of a server beside what it sends."""

from __future__ import annotations

from pathlib import Path

import mlopus
from mlopus import or_raise
from tests.integration.reference_world import write_files
from tests.integration.stores import new_name
from tests.servers.fixtures import StartProxy
from tests.servers.mlflow_server import MlflowServer


def test_publishing_beside_a_version_does_not_ask_for_its_model(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    model = or_raise(api.create_model(new_name()))
    run = or_raise(or_raise(api.create_exp(new_name())).start_run())
    or_raise(model.log_version(run, write_files(tmp_path / "one"), "one"))
    proxy.forget()

    or_raise(run.log_artifact(write_files(tmp_path / "two"), "two"))
    or_raise(model.log_version(run, write_files(tmp_path / "three"), "three"))

    assert not [call for call in proxy.calls if "registered-models" in call]
