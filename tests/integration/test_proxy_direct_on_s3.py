"""Large files of a real MLflow server whose artifacts are in a real S3 store: past the server, both ways."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import mlopus
from mlopus import MlflowApi
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.mlflow_server import running_server_on_s3
from tests.servers.object_stores import BUCKET, S3Server

pytestmark = [pytest.mark.slow, pytest.mark.server]

BIG = random.Random(9).randbytes(70 * 1024 * 1024)  # noqa: S311 (nothing is kept secret)
TOKEN = "tok-of-the-tracking-server"  # noqa: S105 (of nobody)
PARTS, PIECES = 5, 9
"""Of 16 MiB and of 8 MiB."""


@attrs.frozen
class OnS3:
    """An API of such a server, and what its store was asked."""

    api: MlflowApi
    store: Loopback

    def asked(self, method: str, mark: str) -> int:
        """How many requests with a signed URL had that in them."""
        return sum(call.method == method and mark in call.target for call in self.store.requests)


@pytest.fixture
def on_s3(s3_server: S3Server, counting_proxy: StartProxy, tmp_path: Path) -> Iterator[OnS3]:
    store = counting_proxy(s3_server.uri)
    variables = {**s3_server.variables, "MLFLOW_S3_ENDPOINT_URL": store.uri}
    with running_server_on_s3(tmp_path / "server", f"s3://{BUCKET}/mlflow", variables) as server:
        yield OnS3(
            mlopus.connect(server.uri, cache_dir=tmp_path / "cache", token=TOKEN, progress="off"), store
        )


def test_a_large_file_goes_straight_to_the_store_and_back(on_s3: OnS3, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights.bin").write_bytes(BIG)
    (source / "conf.json").write_bytes(b"{}")
    api = on_s3.api
    run = api.create_run(api.get_or_create_exp("direct").unwrap()).unwrap()

    run.log_artifact(source, "model", use_cache=False).unwrap()
    path = run.get_artifact("model").unwrap()

    assert ((path / "weights.bin").read_bytes(), (path / "conf.json").read_bytes()) == (BIG, b"{}")
    assert on_s3.asked("PUT", "partNumber=") == PARTS
    assert on_s3.asked("GET", "X-Amz-Signature=") == PIECES
    assert not any(TOKEN in value for call in on_s3.store.requests for value in call.headers.values())
