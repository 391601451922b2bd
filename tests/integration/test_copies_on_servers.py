"""Copying from an embedded store to MLflow 3, on to MLflow 2.22, and back to an embedded one."""

from __future__ import annotations

import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import ExpApi, MlflowApi, Plan, Receipt, or_raise
from mlopus.errors import IllegalPath
from mlopus.plans.copy_steps import CopyFiles
from tests.integration.copied import REAL, SMALL, Size, make_experiment, values_of
from tests.servers.fixtures import StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer

HOPS = ("embedded to MLflow 3", "MLflow 3 to MLflow 2", "MLflow 2 to embedded")
CHANGED = "files/data/noise.bin"


@attrs.frozen
class Hop:
    """One copy: from which API and experiment, to which; how it was planned and what it did."""

    source: MlflowApi
    exp: ExpApi
    target: MlflowApi
    plan: Plan
    receipt: Receipt

    @property
    def copy(self) -> ExpApi:
        copy = self.receipt.value
        assert isinstance(copy, ExpApi)
        return copy


@attrs.frozen
class Chain:
    """The copies that were made one after the other, and what the first experiment held."""

    size: Size
    values: dict[str, Any]
    hops: tuple[Hop, ...]


def connect(uri: str, folder: Path, name: str) -> MlflowApi:
    return mlopus.connect(uri, cache_dir=folder / f"cache-{name}", progress="off")


@pytest.fixture(
    scope="module", params=[SMALL, pytest.param(REAL, marks=pytest.mark.slow)], ids=["small", "real"]
)
def chain(
    request: pytest.FixtureRequest,
    mlflow_server: MlflowServer,
    mlflow_2_server: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Chain:
    size: Size = request.param
    folder = tmp_path_factory.mktemp("copies")
    apis = [
        connect(str(folder / "mine"), folder, "mine"),
        connect(mlflow_server.uri, folder, "3"),
        connect(mlflow_2_server.uri, folder, "2"),
        connect(str(folder / "back"), folder, "back"),
    ]
    first = make_experiment(apis[0], f"copied {uuid.uuid4().hex[:8]}", folder / "made", size)
    exp, hops = first, list[Hop]()
    for source, target in pairwise(apis):
        plan = or_raise(source.plan.copy_exp(exp, to=target))
        hops.append(Hop(source, exp, target, plan, or_raise(source.execute(plan, to=target))))
        exp = hops[-1].copy
    return Chain(size, values_of(first), tuple(hops))


def copied_paths(plan: Plan) -> list[str]:
    steps = [step for step in plan.steps if isinstance(step, CopyFiles)]
    return [file.file.path for step in steps for tree in step.trees for file in tree.files]


@pytest.mark.parametrize("number", range(3), ids=HOPS)
def test_a_copy_on_a_server_is_equal_by_value(chain: Chain, number: int) -> None:
    assert values_of(chain.hops[number].copy) == chain.values


@pytest.mark.parametrize("number", range(3), ids=HOPS)
def test_a_second_copy_on_a_server_moves_nothing(chain: Chain, number: int) -> None:
    hop = chain.hops[number]
    again = or_raise(hop.source.plan.copy_exp(hop.exp, to=hop.target))
    receipt = or_raise(hop.source.execute(again, to=hop.target))

    assert again.is_empty
    assert (receipt.up_bytes, receipt.down_bytes, receipt.requests) == (0, 0, 0)


@pytest.mark.parametrize("number", range(3), ids=HOPS)
def test_a_copy_does_what_its_plan_says(chain: Chain, number: int) -> None:
    hop = chain.hops[number]
    totals = hop.plan.totals

    assert (totals.up_bytes, totals.down_bytes) == (hop.receipt.up_bytes, hop.receipt.down_bytes)
    # the looks of a plan that may be executed twice are among them
    assert totals.requests == hop.receipt.requests


@pytest.mark.parametrize("number", range(3), ids=HOPS)
def test_runs_versions_and_points_are_there_once(chain: Chain, number: int) -> None:
    copy = chain.hops[number].copy
    runs = or_raise(copy.find_runs().all())
    versions = or_raise(copy.api.find_model_versions({"model.name": copy.name}).all())
    points = sum(len(or_raise(run.metric_history(key))) for run in runs for key in ("val.loss", "acc/top 5"))

    assert (len(runs), len(versions)) == (chain.size.runs, 3)
    assert points == chain.size.runs * 2 * chain.size.points


def test_a_first_copy_takes_few_requests(chain: Chain, counting_proxy: StartProxy, tmp_path: Path) -> None:
    hop = chain.hops[0]
    seen = counting_proxy(hop.target.repositories.tracking.origin.uri)
    target = connect(seen.uri, tmp_path, "counted")
    name = f"copied {uuid.uuid4().hex[:8]}"

    or_raise(hop.source.copy_exp(hop.exp, to=target, name=name, with_versions=False))

    runs, files = chain.size.runs, len(copied_paths(hop.plan))
    ended = sum(run["status"].value != "RUNNING" for run in chain.values["runs"].values())
    assert seen.count("POST /api/2.0/mlflow/runs/create") == runs
    assert seen.count("POST /api/2.0/mlflow/runs/log-batch") == runs
    assert seen.count("POST /api/2.0/mlflow/runs/update") == ended
    assert sum(call.startswith("PUT ") for call in seen.calls) == files
    others = {call for call in seen.calls if "/runs/" not in call and not call.startswith("PUT ")}
    assert {call.partition("?")[0] for call in others} == {
        "GET /api/2.0/mlflow/experiments/get-by-name",
        "POST /api/2.0/mlflow/experiments/create",
        "GET /api/2.0/mlflow/experiments/get",
    }


@pytest.mark.parametrize("number", range(3), ids=HOPS)
def test_of_one_file_of_equal_size_exactly_that_file_moves(chain: Chain, number: int, tmp_path: Path) -> None:
    hop = chain.hops[number]
    run = or_raise(hop.exp.find_runs({"name": "run 1"}).first())
    assert run is not None
    before = or_raise(run.get_artifact(CHANGED)).read_bytes()
    (tmp_path / "noise.bin").write_bytes(bytes((byte + 1 + number) % 256 for byte in before))
    or_raise(run.log_artifact(tmp_path / "noise.bin", CHANGED))

    plan = or_raise(hop.source.plan.copy_exp(hop.exp, to=hop.target))
    receipt = or_raise(hop.source.execute(plan, to=hop.target))

    assert copied_paths(plan) == [CHANGED]
    assert (receipt.up_bytes, receipt.down_bytes) == (len(before), len(before))
    copy = or_raise(receipt.value.find_runs({"name": "run 1"}).first())
    assert or_raise(copy.get_artifact(CHANGED)).read_bytes() == (tmp_path / "noise.bin").read_bytes()


@pytest.mark.parametrize("name", ["a#b.txt", "p%41.txt", "b\\c"])
def test_a_name_that_the_server_does_not_take_is_named_before_anything_is_sent(
    mlflow_server: MlflowServer, tmp_path: Path, name: str
) -> None:
    mine, team = connect(str(tmp_path / "mine"), tmp_path, "m"), connect(mlflow_server.uri, tmp_path, "t")
    exp = or_raise(mine.create_exp(f"copied {uuid.uuid4().hex[:8]}"))
    run = or_raise(exp.start_run())
    or_raise(run.log_artifact(lambda path: path.write_text("x"), "plain.txt"))
    (Path(run.repo) / name).write_text("x")

    failure = mine.copy_exp(exp, to=team).failure()

    assert isinstance(failure, IllegalPath)
    assert failure.path == name
    assert or_raise(team.find_exps({"name": exp.name}).count()) == 0


def test_a_source_that_lists_hostile_names_is_refused_before_anything_is_sent(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    def spoil(request: SeenRequest, answer: Answer) -> Answer:
        listed = b'{"files": [{"path": "../../evil", "is_dir": false, "file_size": 1}]}'
        is_listing = request.method == "GET" and "mlflow-artifacts/artifacts?" in request.target
        return attrs.evolve(answer, body=listed) if is_listing else answer

    source = connect(counting_proxy(mlflow_server.uri, spoil=spoil).uri, tmp_path, "s")
    exp = or_raise(source.create_exp(f"copied {uuid.uuid4().hex[:8]}"))
    or_raise(exp.start_run())
    target = mlopus.testing.in_memory()

    assert isinstance(source.copy_exp(exp, to=target).failure(), IllegalPath)
    assert or_raise(target.find_exps().count()) == 0
