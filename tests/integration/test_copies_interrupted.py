"""A copy that is ended by Ctrl-C while a server keeps silent ends at once, and goes on when called again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict

import mlopus
from mlopus import MlflowApi, RunApi, RunStatus, or_raise
from tests.servers.fixtures import StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer
from tests.servers.object_stores import BUCKET, S3Server

PROMPTLY_S = 1.0
ENDS_S = 15.0
"""Far below the silence, far above what the end of an interpreter takes on a busy machine."""
SILENT_S = 60.0
FILES = {"small": b"1", "model/weights.bin": bytes(range(256)) * 40_000, "model/conf/a.json": b"{}"}
COPYING = """
import json, signal, sys, mlopus
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a test run in the background would ignore
source, target, cache, run, options = sys.argv[1:]
mine = mlopus.connect(source, cache_dir=cache, progress="off", storage_options=json.loads(options))
team = mlopus.connect(target, cache_dir=cache, progress="off")
try:
    mine.copy_run(run, to=team).unwrap()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


class Silence:
    """Keeps silent about requests of some kind, until it is told to end."""

    def __init__(self, method: str, part_of_path: str) -> None:
        self._method = method
        self._part_of_path = part_of_path
        self.asked = threading.Event()
        self.is_over = threading.Event()

    def instead(self, request: SeenRequest) -> Answer | None:
        is_meant = request.method == self._method and self._part_of_path in request.target
        if self.is_over.is_set() or not is_meant:
            return None
        self.asked.set()
        self.is_over.wait(SILENT_S)
        return Answer(status=503)


@attrs.frozen(kw_only=True)
class Copying:
    """A run to copy: from where, to where, and the caches of both."""

    source: str
    target: str
    folder: Path
    options: Mapping[str, Any] = attrs.field(factory=immutabledict)

    @property
    def mine(self) -> MlflowApi:
        cache = self.folder / "cache"
        return mlopus.connect(self.source, cache_dir=cache, progress="off", storage_options=self.options)

    @property
    def team(self) -> MlflowApi:
        return mlopus.connect(self.target, cache_dir=self.folder / "cache", progress="off")

    def make_run(self, repo: str | None = None) -> RunApi:
        """A finished run with files, in an experiment that nobody else has."""
        exp = or_raise(self.mine.create_exp(f"interrupted {uuid.uuid4().hex}"))
        run = or_raise(self.mine.create_run(exp, "r", repo=repo))
        or_raise(run.log_params({"lr": 0.1}))
        or_raise(run.log_metrics({"loss": 0.5}, step=1))
        for path, content in FILES.items():
            (self.folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "source" / path).write_bytes(content)
        or_raise(run.log_artifact(self.folder / "source", "", use_cache=False))
        return or_raise(self.mine.end_run(run))

    def interrupted(self, run: RunApi, silence: Silence) -> float:
        """Copy in a process, and press Ctrl-C in the silence; answers how long the exception took."""
        places = (self.source, self.target, str(self.folder / "cache"))
        command = [sys.executable, "-c", COPYING, *places, run.id, json.dumps(dict(self.options))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert silence.asked.wait(SILENT_S)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert process.stdout is not None
            assert process.stdout.readline() == "interrupted\n"
            took_s = time.monotonic() - began
            assert process.wait(ENDS_S) == 0
        silence.is_over.set()
        return took_s

    def goes_on(self, run: RunApi) -> None:
        """Copy again: there is one copy, it is whole, and nothing is left to do."""
        copy = or_raise(self.mine.copy_run(run, to=self.team))

        (found,) = self.team.find_runs({"exp.name": run.exp.name})
        assert (found.id, found.status) == (copy.id, RunStatus.FINISHED)
        assert (found.params, found.metrics) == ({"lr": 0.1}, {"loss": 0.5})
        assert contents(or_raise(self.team.get_run_artifact(copy))) == FILES
        assert or_raise(self.mine.plan.copy_run(run, to=self.team)).is_empty


def contents(folder: Path) -> dict[str, bytes]:
    files: Iterable[Path] = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "weights.bin"), ("POST", "runs/log-batch"), ("POST", "runs/update")]
)
def test_while_the_server_that_is_copied_to_keeps_silent(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path, method: str, path: str
) -> None:
    silence = Silence(method, path)
    target = counting_proxy(mlflow_server.uri, instead=silence.instead).uri
    copying = Copying(source=str(tmp_path / "mine"), target=target, folder=tmp_path)
    run = copying.make_run()

    assert copying.interrupted(run, silence) < PROMPTLY_S
    copying.goes_on(run)


def test_while_the_store_that_is_copied_from_keeps_silent(
    s3_server: S3Server, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    silence = Silence("GET", "weights.bin")
    options = {
        "s3": {**s3_server.options, "endpoint": counting_proxy(s3_server.uri, instead=silence.instead).uri}
    }
    copying = Copying(
        source=str(tmp_path / "mine"), target=str(tmp_path / "team"), folder=tmp_path, options=options
    )
    run = copying.make_run(f"s3://{BUCKET}/{uuid.uuid4().hex}")

    assert copying.interrupted(run, silence) < PROMPTLY_S
    copying.goes_on(run)
