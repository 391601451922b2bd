"""An upload to a real server whose process is killed on the way: what was there stays whole."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid

import pytest

from mlopus.repositories.mlflow import MlflowTracking
from mlopus.repositories.stores.proxy import MlflowArtifactsStore
from mlopus.testing.contracts.artifact_store import upload_of
from mlopus.testing.contracts.trees import BytesSource
from tests.servers.mlflow_server import MlflowServer

SIZE_BYTES = 4 * 1024 * 1024
READS = (2, 3, 4, 5)
"""With the fifth it is known that the file has ended: four chunks are read, three are sent."""


@pytest.mark.server
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("name", ["mlflow_server", "mlflow_2_server"])
def test_a_killed_upload_leaves_the_file_that_was_there(
    request: pytest.FixtureRequest, name: str, read: int
) -> None:
    server: MlflowServer = request.getfixturevalue(name)
    own = uuid.uuid4().hex
    url, file = f"mlflow-artifacts:/{own}", server.folder / "artifacts" / own / "weights"
    store = MlflowArtifactsStore(transport=MlflowTracking(uri=server.uri).transport)
    store.upload(upload_of(url, {"weights": b"old"}), BytesSource({"weights": b"old"})).unwrap()

    command = [sys.executable, "-m", "tests.integration.cut_upload", server.uri, url]
    killed = subprocess.run([*command, str(SIZE_BYTES), str(read)], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert store.list_tree(url).unwrap().files[0].size_bytes == len(b"old")  # the one worker is done with it
    assert file.read_bytes() == b"old"
