"""Both sides of the proxy benchmark bring the same files; how fast they are, no test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.proxy import by_mlflow, by_mlopus, published
from tests.servers.distance import at_distance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.mlflow_server import MlflowServer

FILES = 30


def test_both_sides_bring_the_same_files(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    run_id = published(mlflow_server, tmp_path, FILES)

    by_mlflow(mlflow_server.python, mlflow_server.uri, run_id, tmp_path / "by-mlflow")
    with at_distance(mlflow_server.uri, 0.002) as uri:
        _, requests = by_mlopus(uri, run_id, tmp_path / "by-mlopus")

    assert requests == FILES
    ours = next((tmp_path / "by-mlopus" / "trees").glob("*/model"))
    assert contents(ours) == contents(tmp_path / "by-mlflow" / "model") == contents(tmp_path / "model")
    assert len(contents(ours)) == FILES


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
