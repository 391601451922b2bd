"""The tracking port on a real MLflow server: what it costs, and what only a real server can show."""

from __future__ import annotations

import math
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from immutabledict import immutabledict

from mlopus.domain.documents import document_of
from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.records import MetricSample, RunRecord, VersionRecord
from mlopus.domain.status import EntityKind, RunStatus
from mlopus.domain.text import PLAIN
from mlopus.errors import InvalidRequest, NotFound, Unauthorized
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    LogBatch,
    RegisterVersion,
    SetTags,
    TrackingChange,
    UpdateRun,
)
from mlopus.plans.search import SearchSpec
from mlopus.query import parse, parse_sorting
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.result import Success
from tests.property.test_mlflow_filter_laws import TEXTS, queries
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.mlflow_server import MlflowServer

pytestmark = pytest.mark.server

NOW = datetime.now(UTC).replace(microsecond=0)


def new_name() -> str:
    return f"tracking {uuid.uuid4().hex[:12]}"


@attrs.frozen(kw_only=True)
class Served:
    """A server behind a proxy that counts, and an experiment in it."""

    tracking: MlflowTracking
    proxy: Loopback
    exp_id: str

    def send(self, change: TrackingChange) -> Any:
        return self.tracking.send(change).unwrap()

    def new_run(self, **fields: Any) -> RunRecord:
        given = {
            "name": "r",
            "tags": immutabledict(),
            "status": RunStatus.RUNNING,
            "start_time": NOW,
            **fields,
        }
        return self.send(CreateRun(exp_id=self.exp_id, operation_id=uuid.uuid4().hex, **given))

    def new_model(self) -> str:
        name = new_name()
        self.send(CreateModel(name=name, tags=immutabledict(), operation_id=uuid.uuid4().hex))
        return name

    def new_version(self, name: str, source: str, run: RunRecord | None = None) -> VersionRecord:
        return self.send(
            RegisterVersion(
                model_name=name,
                source=source,
                run_id=run and run.id,
                tags=immutabledict(),
                operation_id=uuid.uuid4().hex,
            )
        )

    def spec(self, query: Any, sorting: Any = None, kind: EntityKind = "run", **options: Any) -> SearchSpec:
        return SearchSpec(
            kind=kind,
            query=parse(query).unwrap(),
            sorting=parse_sorting(sorting).unwrap(),
            exp_ids=(self.exp_id,),
            **options,
        )

    def found(self, query: Any, sorting: Any = None, kind: EntityKind = "run", **options: Any) -> list[Any]:
        spec = self.spec(query, sorting, kind, **options)
        records: list[Any] = []
        token: str | None = None
        while True:
            page = self.tracking.find(spec, token).unwrap()
            records += page.records
            token = page.next_token
            if token is None:
                return records


@pytest.fixture
def served(mlflow_server: MlflowServer, counting_proxy: StartProxy) -> Served:
    proxy = counting_proxy(mlflow_server.uri)
    tracking = MlflowTracking(uri=proxy.uri)
    change = CreateExperiment(name=new_name(), tags=immutabledict(), operation_id=uuid.uuid4().hex)
    record: Any = tracking.send(change).unwrap()
    proxy.forget()
    return Served(tracking=tracking, proxy=proxy, exp_id=record.id)


def test_each_operation_costs_the_requests_it_should(served: Served) -> None:
    costs: dict[str, int] = {}

    def cost(name: str, result: Any) -> Any:
        costs[name] = len(served.proxy.requests)
        served.proxy.forget()
        return result

    run = cost("create run", served.new_run())
    cost("create scheduled run", served.new_run(status=RunStatus.SCHEDULED))
    cost("log batch", served.send(LogBatch(run_id=run.id, params=immutabledict(a="1"))))
    cost("update run", served.send(UpdateRun(run_id=run.id, status=RunStatus.FINISHED, end_time=NOW)))
    cost("get run", served.tracking.get(RunKey(run.id)).unwrap())
    point = MetricSample(key="m", value=1.0, step=0, timestamp=NOW)
    cost("log a point", served.send(LogBatch(run_id=run.id, metrics=(point,))))
    cost("metric history", served.tracking.metric_history(RunKey(run.id), "m").unwrap())
    name = cost("create model", served.new_model())
    version = cost("register version", served.new_version(name, f"{run.artifact_uri}/model", run))
    cost("get version", served.tracking.get(VersionKey(name, "1")).unwrap())
    cost("locate under the run", served.tracking.locate(version, run).unwrap())
    cost("find runs", served.found({}))
    cost("find versions of a model", served.found({"model.name": name}, kind="model version"))
    two_tags = immutabledict(a="1", b="2")
    cost("set two tags", served.send(SetTags(on=ModelKey(name), tags=two_tags)))
    cost("url", served.tracking.url(RunKey(run.id), served.exp_id).unwrap())
    cost("ping", served.tracking.ping().unwrap())
    assert costs == {
        "create run": 1,
        "create scheduled run": 2,
        "log batch": 1,
        "update run": 1,
        "get run": 1,
        "log a point": 1,
        "metric history": 1,
        "create model": 1,
        "register version": 1,
        "get version": 1,
        "locate under the run": 0,
        "find runs": 1,
        "find versions of a model": 2,
        "set two tags": 2,
        "url": 0,
        "ping": 3,
    }


def test_numbers_that_are_not_finite_come_back_as_they_were(served: Served) -> None:
    run = served.new_run()
    values = {"nan": math.nan, "inf": math.inf, "low": -math.inf, "tiny": 5e-324, "big": 1e308}
    samples = tuple(
        MetricSample(key=key, value=value, step=0, timestamp=NOW) for key, value in values.items()
    )
    served.send(LogBatch(run_id=run.id, metrics=samples))
    found: Any = served.tracking.get(RunKey(run.id)).unwrap()
    assert repr(dict(sorted(found.metrics.items()))) == repr(dict(sorted(values.items())))


def test_texts_of_any_kind_come_back_as_they_were(served: Served) -> None:
    texts = immutabledict(
        {f"key {number}": text for number, text in enumerate((*TEXTS, "x" * 6000, "\t\r\n"))}
    )
    run = served.new_run()
    served.send(LogBatch(run_id=run.id, params=texts, tags=texts))
    found: Any = served.tracking.get(RunKey(run.id)).unwrap()
    assert (found.params, {key: found.tags[key] for key in texts}) == (texts, texts)


def test_points_come_in_order_of_step_and_time(served: Served) -> None:
    run = served.new_run()
    at = [NOW + timedelta(seconds=seconds) for seconds in range(3)]
    points = [(2, at[0]), (0, at[2]), (0, at[1]), (-1, at[2])]
    samples = tuple(MetricSample(key="m", value=1.0, step=step, timestamp=time) for step, time in points)
    served.send(LogBatch(run_id=run.id, metrics=samples))
    history = served.tracking.metric_history(RunKey(run.id), "m").unwrap()
    assert [(point.step, point.timestamp) for point in history] == sorted(points)


def test_a_param_of_another_value_stores_nothing_of_its_batch(served: Served) -> None:
    run = served.new_run()
    served.send(LogBatch(run_id=run.id, params=immutabledict(a="1")))
    change = LogBatch(run_id=run.id, params=immutabledict({"a": "2", "b": "1"}), tags=immutabledict(t="1"))
    error = served.tracking.send(change).failure()
    found: Any = served.tracking.get(RunKey(run.id)).unwrap()
    assert isinstance(error, InvalidRequest)
    assert (error.code, dict(found.params), "t" in found.tags) == ("param already set", {"a": "1"}, False)


@pytest.mark.parametrize(
    "key",
    [
        RunKey("0" * 32),
        RunKey("no such run"),
        ExperimentKey("999999999"),
        ExperimentKey("none"),
        ModelKey("no such model"),
        VersionKey("no such model", "1"),
        AliasKey("no such model", "champion"),
    ],
)
def test_what_is_not_there_is_not_found(served: Served, key: Any) -> None:
    error = served.tracking.get(key).failure()
    assert isinstance(error, NotFound)
    assert str(key) in str(error)


def test_a_change_to_what_is_not_there_is_not_found(served: Served) -> None:
    nowhere = "0" * 32
    changes: list[TrackingChange] = [
        LogBatch(run_id=nowhere, params=immutabledict(a="1")),
        UpdateRun(run_id=nowhere, status=RunStatus.FAILED),
        SetTags(on=ExperimentKey("999999999"), tags=immutabledict(a="1")),
        SetTags(on=ModelKey("no such model"), tags=immutabledict(a="1")),
        SetTags(on=VersionKey("no such model", "1"), tags=immutabledict(a="1")),
    ]
    failures = [type(served.tracking.send(change).failure()) for change in changes]
    assert failures == [NotFound] * len(changes)


def test_every_row_comes_once_whatever_the_pages(served: Served) -> None:
    made = {served.new_run(start_time=NOW + timedelta(seconds=n)).id for n in range(5)}
    assert sorted(run.id for run in served.found({}, page_size=2)) == sorted(made)


def test_an_order_goes_on_over_pages_with_ties_by_id(served: Served) -> None:
    runs = [served.new_run(start_time=NOW + timedelta(seconds=n // 2)) for n in range(6)]
    wanted = sorted(runs, key=lambda run: (-(run.start_time or NOW).timestamp(), run.id))
    found = served.found({}, [("start_time", -1)], page_size=4)
    assert [run.id for run in found] == [run.id for run in wanted]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries)
def test_a_real_server_finds_at_least_what_a_query_does(differential: Served, query: Any) -> None:
    every = differential.found({})
    wanted = {run.id for run in every if parse(query).unwrap().matches(document_of(run, PLAIN))}
    found = Counter(run.id for run in differential.found(query))
    assert wanted <= found.keys()
    assert max(found.values(), default=0) <= differential.tracking.prepare(differential.spec(query)).searches


@pytest.fixture(scope="module")
def differential(mlflow_server: MlflowServer) -> Served:
    """An experiment with runs that meet the queries of the laws."""
    tracking = MlflowTracking(uri=mlflow_server.uri)
    change = CreateExperiment(name=new_name(), tags=immutabledict(), operation_id=uuid.uuid4().hex)
    record: Any = tracking.send(change).unwrap()
    served = Served(tracking=tracking, proxy=Loopback(mlflow_server.uri), exp_id=record.id)
    keys = ("a", "b", "a.b", "b.0", "a.b.c", "é x")
    for number, text in enumerate(TEXTS):
        run = served.new_run(name=("a", "a'b", "a.b c")[number % 3], start_time=(None, NOW)[number % 2])
        texts = immutabledict({keys[number % 6]: text, keys[(number + 1) % 6]: TEXTS[number - 1]})
        value = (0.0, 0.5, 1.0, -5.0, 1e300, math.nan, math.inf, -math.inf)[number % 8]
        sample = MetricSample(key=("a", "a.b", "é x")[number % 3], value=value, step=0, timestamp=NOW)
        served.send(LogBatch(run_id=run.id, params=texts, tags=texts, metrics=(sample,)))
        served.send(UpdateRun(run_id=run.id, status=tuple(RunStatus)[number % 5]))
    return served


def test_versions_that_are_found_have_their_aliases(served: Served, mlflow_server: MlflowServer) -> None:
    names = [served.new_model() for _ in range(4)]
    for name in names:
        served.new_version(name, "s3://bucket/model")
    set_aliases = """
    from mlflow import MlflowClient
    for name in names:
        MlflowClient().set_registered_model_alias(name, "champion", "1")
    print("null")
    """
    mlflow_server.run_mlflow_client(set_aliases, names=names)
    served.proxy.forget()
    found = [version for version in served.found({}, kind="model version") if version.name in names]
    assert [version.aliases for version in found] == [("champion",)] * 4
    assert served.proxy.count("GET /api/2.0/mlflow/registered-models/search") <= 2
    by_alias: Any = served.tracking.get(AliasKey(names[0], "champion")).unwrap()
    assert (by_alias.version, by_alias.aliases) == ("1", ("champion",))


def test_prompts_are_found_as_the_models_that_they_are(served: Served) -> None:
    name = new_name()
    prompt = immutabledict({"mlflow.prompt.is_prompt": "true"})
    served.send(CreateModel(name=name, tags=prompt, operation_id=uuid.uuid4().hex))
    model = served.new_model()
    assert {record.name for record in served.found({}, kind="model")} >= {name, model}
    assert [record.name for record in served.found({"name": name}, kind="model")] == [name]


LOG_MODEL = """
import mlflow, mlflow.pyfunc

class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return model_input

mlflow.set_experiment(experiment_id=exp_id)
with mlflow.start_run() as run:
    echo = {"name": "echo", "python_model": Echo(), "pip_requirements": []}
    info = mlflow.pyfunc.log_model(registered_model_name=name, **echo)
print(json.dumps({"run_id": run.info.run_id, "model_id": info.model_id}))
"""


def test_the_bytes_of_a_logged_model_are_where_mlflow_put_them(
    served: Served, mlflow_server: MlflowServer
) -> None:
    name = new_name()
    logged = mlflow_server.run_mlflow_client(LOG_MODEL, exp_id=served.exp_id, name=name)
    run: Any = served.tracking.get(RunKey(logged["run_id"])).unwrap()
    version: Any = served.tracking.get(VersionKey(name, "1")).unwrap()
    by_name = served.new_version(name, f"runs:/{run.id}/echo", run)
    of_version = served.new_version(name, f"models:/{name}/1", run)
    located = [served.tracking.locate(one, run).unwrap() for one in (version, by_name, of_version)]
    assert {(one.subject.kind, one.subject.key) for one in located} == {("logged model", logged["model_id"])}
    assert len({(one.root_url, one.path) for one in located}) == 1
    assert run.logged_model_ids == (logged["model_id"],)


def test_a_source_outside_of_mlflow_is_where_it_says(served: Served) -> None:
    version = served.new_version(served.new_model(), "s3://bucket/some/model")
    located = served.tracking.locate(version, None).unwrap()
    assert (located.subject.kind, located.root_url, located.path) == ("url", "s3://bucket/some/model", "")


def test_ping_tells_the_version_and_what_the_server_can_do(served: Served) -> None:
    info = served.tracking.ping().unwrap()
    assert (info.version or "").startswith("3.17")
    assert "logged_models" in info.abilities


@pytest.mark.parametrize("password", [None, "wrong"])
def test_ping_fails_without_the_right_password(
    mlflow_auth_server: MlflowServer, password: str | None
) -> None:
    tracking = MlflowTracking(uri=mlflow_auth_server.uri, username="admin", password=password)
    assert isinstance(tracking.ping().failure(), Unauthorized)


def test_ping_succeeds_with_the_right_password(mlflow_auth_server: MlflowServer) -> None:
    tracking = MlflowTracking(
        uri=mlflow_auth_server.uri,
        username=mlflow_auth_server.username,
        password=mlflow_auth_server.password,
    )
    assert isinstance(tracking.ping(), Success)
