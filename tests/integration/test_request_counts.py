"""How often a real server is asked, counted exactly; and that offline nobody is asked at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import attrs
import pytest

import mlopus
from mlopus import ExpApi, MetricPoint, MlflowApi, or_raise
from tests.integration.main_job import write_model
from tests.integration.stores import new_name
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.messages import SeenRequest
from tests.servers.mlflow_server import MlflowServer

LOG_BATCH = "POST /api/2.0/mlflow/runs/log-batch"
CREATE_RUN = "POST /api/2.0/mlflow/runs/create"
GET_RUN = "GET /api/2.0/mlflow/runs/get"
GET_EXP = "GET /api/2.0/mlflow/experiments/get"
GET_VERSION = "GET /api/2.0/mlflow/model-versions/get"
GET_MODEL = "GET /api/2.0/mlflow/registered-models/get"


@attrs.frozen(kw_only=True)
class Counted:
    """An API whose requests pass through a proxy that counts them; and an experiment."""

    api: MlflowApi
    proxy: Loopback
    exp: ExpApi
    folder: Path

    def another_api(self) -> MlflowApi:
        """An API that knows nothing yet, with an empty cache."""
        return mlopus.connect(self.proxy.uri, cache_dir=self.folder / new_name())


@pytest.fixture
def counted(mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path) -> Counted:
    proxy = counting_proxy(mlflow_server.uri)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    exp = or_raise(api.get_or_create_exp(new_name()))
    return Counted(api=api, proxy=proxy, exp=exp, folder=tmp_path)


def test_starting_a_run_is_one_request(counted: Counted) -> None:
    counted.proxy.forget()

    or_raise(counted.exp.start_run("r1", tags={f"tag{n}": n for n in range(50)}))

    assert counted.proxy.calls == (CREATE_RUN,)


def test_a_hundred_params_are_one_request(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    counted.proxy.forget()

    or_raise(run.log_params({"group": {f"param{n}": n for n in range(100)}}))

    assert counted.proxy.calls == (LOG_BATCH,)


def test_one_more_param_is_one_more_request(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    counted.proxy.forget()

    run = or_raise(run.log_params({f"param{n}": n for n in range(101)}))

    assert counted.proxy.calls == (LOG_BATCH, LOG_BATCH)
    assert len(or_raise(run.refresh()).params) == 101


def test_fifty_tags_of_a_run_are_one_request(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    counted.proxy.forget()

    or_raise(run.set_tags({f"tag{n}": n for n in range(50)}))

    assert counted.proxy.calls == (LOG_BATCH,)


def test_a_thousand_metrics_are_one_request(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    counted.proxy.forget()

    or_raise(run.log_metrics({f"metric{n}": n / 7 for n in range(1000)}))

    assert counted.proxy.calls == (LOG_BATCH,)


def test_a_thousand_points_of_a_metric_are_one_request(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    counted.proxy.forget()

    or_raise(run.log_metric_points({"loss": [MetricPoint(1 / (n + 1), n) for n in range(1000)]}))

    assert counted.proxy.calls == (LOG_BATCH,)


def test_a_run_of_an_unknown_experiment_takes_two_requests(counted: Counted) -> None:
    run, cold = or_raise(counted.exp.start_run()), counted.another_api()
    counted.proxy.forget()

    or_raise(cold.get_run(run.id))

    assert counted.proxy.calls == (GET_RUN, GET_EXP)


def test_a_run_of_an_experiment_just_seen_takes_one_request(counted: Counted) -> None:
    run, warm = or_raise(counted.exp.start_run()), counted.another_api()
    or_raise(warm.get_run(run.id))
    counted.proxy.forget()

    or_raise(warm.get_run(run.id))

    assert counted.proxy.calls == (GET_RUN,)


def test_a_model_version_with_its_parents_takes_four_requests(counted: Counted) -> None:
    run, model = or_raise(counted.exp.start_run()), or_raise(counted.api.create_model(new_name()))
    or_raise(model.log_version(run, write_model(counted.folder / "model")))
    counted.proxy.forget()

    or_raise(counted.another_api().get_model_version((model.name, 1)))

    assert sorted(counted.proxy.calls) == sorted([GET_VERSION, GET_MODEL, GET_RUN, GET_EXP])


def test_a_model_version_with_its_parents_takes_two_round_trips(
    counted: Counted, mlflow_server: MlflowServer, counting_proxy: StartProxy
) -> None:
    run, model = or_raise(counted.exp.start_run()), or_raise(counted.api.create_model(new_name()))
    or_raise(model.log_version(run, write_model(counted.folder / "model")))
    pairs = Barrier(2)  # breaks where one of two is asked for only after the other has answered

    def in_pairs(_: SeenRequest) -> None:
        pairs.wait(10)

    proxy = counting_proxy(mlflow_server.uri, instead=in_pairs)
    version = or_raise(mlopus.connect(proxy.uri, cache_dir=counted.folder).get_model_version((model.name, 1)))

    assert (version.run and version.run.exp.name, len(proxy.calls)) == (counted.exp.name, 4)


def test_a_cached_artifact_of_a_run_id_takes_no_request(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    or_raise(run.log_artifact(write_model(counted.folder / "model"), "model"))
    reader = counted.another_api()
    or_raise(reader.get_run_artifact(run.id, "model"))
    counted.proxy.forget()

    or_raise(reader.get_run_artifact(run.id, "model"))

    assert counted.proxy.calls == ()


def test_what_was_published_is_served_from_the_cache_without_a_request(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    or_raise(run.log_artifact(write_model(counted.folder / "model"), "model"))
    counted.proxy.forget()

    or_raise(counted.api.get_run_artifact(run.id, "model"))

    assert counted.proxy.calls == ()


def test_a_cached_artifact_of_a_version_takes_one_request(counted: Counted) -> None:
    run, model = or_raise(counted.exp.start_run()), or_raise(counted.api.create_model(new_name()))
    or_raise(model.log_version(run, write_model(counted.folder / "model")))
    counted.proxy.forget()

    or_raise(counted.api.get_model_artifact((model.name, 1)))

    assert counted.proxy.calls == (GET_VERSION,)


def test_a_publish_does_what_its_plan_and_its_receipt_say(counted: Counted) -> None:
    run, model = or_raise(counted.exp.start_run()), or_raise(counted.api.create_model(new_name()))
    source = write_model(counted.folder / "model")
    plan = or_raise(counted.api.plan.log_model_version(model, run, source))
    counted.proxy.forget()

    receipt = or_raise(counted.api.execute(plan))

    assert receipt.requests == len(counted.proxy.calls)
    assert (receipt.up_bytes, receipt.down_bytes) == (_size(source), 0)
    assert (plan.totals.up_bytes, plan.totals.down_bytes) == (receipt.up_bytes, receipt.down_bytes)
    assert plan.totals.requests == receipt.requests


def test_caching_does_what_its_plan_and_its_receipt_say(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    source = write_model(counted.folder / "model")
    or_raise(run.log_artifact(source, "model"))
    reader = counted.another_api()
    plan = or_raise(reader.plan.cache_run_artifact(run.id, "model"))
    counted.proxy.forget()

    receipt = or_raise(reader.execute(plan))

    assert plan.totals.requests == receipt.requests == len(counted.proxy.calls)
    assert plan.totals.down_bytes == receipt.down_bytes == _size(source)


def test_placing_what_is_cached_asks_nobody(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    or_raise(run.log_artifact(write_model(counted.folder / "model"), "model"))
    counted.proxy.forget()
    plan = or_raise(counted.api.plan.place_run_artifact(run.id, counted.folder / "placed", "model"))

    receipt = or_raise(counted.api.execute(plan))

    assert plan.totals.requests == receipt.requests == len(counted.proxy.calls) == 0
    assert sum(receipt.links.values()) == 4


def test_placing_what_is_not_cached_does_what_its_plan_and_its_receipt_say(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    source = write_model(counted.folder / "model")
    or_raise(run.log_artifact(source, "model"))
    reader = counted.another_api()
    plan = or_raise(reader.plan.place_run_artifact(run.id, counted.folder / "placed", "model"))
    counted.proxy.forget()

    receipt = or_raise(reader.execute(plan))

    assert plan.totals.requests == receipt.requests == len(counted.proxy.calls)
    assert plan.totals.down_bytes == receipt.down_bytes == _size(source)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_apis_that_want_the_same_at_once_fetch_it_once(counted: Counted) -> None:
    run = or_raise(counted.exp.start_run())
    or_raise(run.log_artifact(write_model, "model", use_cache=False))
    cold = counted.folder / "cold"
    counted.proxy.forget()

    with ThreadPoolExecutor(4) as pool:
        apis = [mlopus.connect(counted.proxy.uri, cache_dir=cold) for _ in range(4)]
        paths = list(pool.map(lambda api: or_raise(api.get_run_artifact(run.id, "model")), apis))

    fetched = [call for call in counted.proxy.calls if "mlflow-artifacts/artifacts/" in call]
    assert len(set(paths)) == 1
    assert len(fetched) == len(set(fetched))
