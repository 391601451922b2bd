"""A copy to a real server that dies by SIGKILL, wherever: called again it ends equal, nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

import mlopus
from mlopus import ExpApi, MlflowApi, RunStatus, or_raise
from mlopus.domain.records import OPERATION_TAG
from mlopus.plans.changes import CreateRun
from tests.integration.copied import Size, make_experiment, record_of, values_of
from tests.servers.fixtures import StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer

SIZE = Size(runs=5, points=20)
_COPY = """
import sys, mlopus
source, target, cache, exp, name = sys.argv[1:]
mine = mlopus.connect(source, cache_dir=cache, progress="off")
team = mlopus.connect(target, cache_dir=cache, progress="off")
mlopus.or_raise(mine.copy_exp(exp, to=team, name=name))
"""


class Killer:
    """Ends a process just before, or just after, the server has carried out its n-th writing request."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.pid: int | None = None
        self.writes = 0
        self._is_done = False
        self._number = number
        self._after = after
        self._started = threading.Event()
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._under_way = 0

    def watch(self, pid: int) -> None:
        self.pid = pid
        self._started.set()

    def instead(self, request: SeenRequest) -> Answer | None:
        """Before the server sees it."""
        if not self._is_write(request):
            return None
        with self._lock:
            self.writes += 1
            self._under_way += 1
            is_it = self.writes == self._number
            self._under_way -= is_it and not self._after
        if is_it and not self._after:
            return self._killed()
        return None

    def spoil(self, request: SeenRequest, answer: Answer) -> Answer:
        """After the server has answered."""
        is_write = self._is_write(request)
        with self._lock:
            self._under_way -= is_write
            self._settled.notify_all()
        return self._killed() if is_write and self.writes >= self._number and self._after else answer

    def wait_until_settled(self) -> None:
        """Until the server has carried out what was under way when the process died."""
        with self._lock:
            assert self._settled.wait_for(lambda: not self._under_way, timeout=60)

    def _killed(self) -> Answer:
        self._started.wait()
        with self._lock:
            if self.pid is not None and not self._is_done:
                os.kill(self.pid, signal.SIGKILL)
            self._is_done = True
        return Answer(status=503)

    @staticmethod
    def _is_write(request: SeenRequest) -> bool:
        return request.method in {"POST", "PUT", "PATCH"} and "/search" not in request.target


@pytest.fixture
def killer(request: pytest.FixtureRequest) -> Killer:
    number, after = request.param
    return Killer(number, after=after)


@pytest.fixture(scope="module")
def exp(tmp_path_factory: pytest.TempPathFactory) -> ExpApi:
    folder = tmp_path_factory.mktemp("killed")
    mine = mlopus.connect(str(folder / "mine"), cache_dir=folder / "cache", progress="off")
    return make_experiment(mine, f"killed {uuid.uuid4().hex[:8]}", folder / "made", SIZE)


def values_named(exp: ExpApi, name: str) -> dict[str, object]:
    values = values_of(exp)
    return {**values, "exp": (name, values["exp"][1])}


def copies_there(team: MlflowApi, name: str) -> tuple[int, int]:
    """How many runs there are of that experiment, and how many of them are distinct by name."""
    runs = or_raise(team.find_runs({"exp.name": name}).all())
    return len(runs), len({run.name for run in runs})


# 2 requests for the experiment, 10 for runs and 19 files; then 4 ends, a model and its versions.
FEW = [(1, True), (4, True), (18, False), (36, True)]
MANY = [(number, after) for number in range(2, 46, 3) for after in (False, True)]


@pytest.mark.parametrize(
    "killer", [*FEW, *(pytest.param(point, marks=pytest.mark.slow) for point in MANY)], indirect=True
)
def test_a_copy_that_was_killed_is_continued(
    exp: ExpApi,
    mlflow_server: MlflowServer,
    counting_proxy: StartProxy,
    tmp_path: Path,
    killer: Killer,
) -> None:
    proxy = counting_proxy(mlflow_server.uri, instead=killer.instead, spoil=killer.spoil)
    source = str(Path(exp.api.repositories.tracking.origin.uri.removeprefix("file://")))
    name = f"killed {uuid.uuid4().hex[:8]}"
    team = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path / "cache", progress="off")
    clear_model(team, exp.name)
    arguments = [source, proxy.uri, str(tmp_path / "cache"), exp.id, name]
    child = subprocess.Popen([sys.executable, "-c", _COPY, *arguments])
    killer.watch(child.pid)

    assert child.wait() == -signal.SIGKILL
    killer.wait_until_settled()
    copy = or_raise(exp.api.copy_exp(exp, to=team, name=name))

    assert values_of(copy) == values_named(exp, name)
    assert copies_there(team, name) == (SIZE.runs, SIZE.runs)
    assert or_raise(team.find_model_versions({"model.name": exp.name}).count()) == 3
    assert or_raise(exp.api.plan.copy_exp(exp, to=team, name=name)).is_empty


def test_what_a_dead_process_had_under_way_is_there_once_after_the_next_copy(
    exp: ExpApi, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    name = f"killed {uuid.uuid4().hex[:8]}"
    team = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path / "cache", progress="off")
    copy = or_raise(exp.api.copy_exp(exp, to=team, name=name, with_versions=False))
    made = or_raise(copy.find_runs({"name": "run 1"}).first())
    assert made is not None
    record = record_of(team, made.id)
    again = CreateRun(
        exp_id=copy.id,
        name=record.name,
        tags=record.tags,
        status=RunStatus.RUNNING,
        start_time=record.start_time,
        operation_id=record.tags[OPERATION_TAG],
    )
    or_raise(team.repositories.tracking.send(again))  # as the server does it when nobody waits any more
    assert copies_there(team, name) == (SIZE.runs + 1, SIZE.runs)

    plan = or_raise(exp.api.plan.copy_exp(exp, to=team, name=name, with_versions=False))
    or_raise(exp.api.execute(plan, to=team))

    assert plan.totals.removed_entities == 1
    assert copies_there(team, name) == (SIZE.runs, SIZE.runs)
    assert or_raise(exp.api.plan.copy_exp(exp, to=team, name=name, with_versions=False)).is_empty


def clear_model(team: MlflowApi, name: str) -> None:
    """Forget what an earlier case registered."""
    if or_raise(team.find_models({"name": name}).count()):
        or_raise(team.delete_model(name))
