"""Requests answered in this process: every one has a route, and failures are told apart as a server's are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from mlopus.errors import InvalidRequest, NotFound, ServerFailed, StoreFailed, Unauthorized, Unsupported
from mlopus.plans.changes import LogBatch
from mlopus.repositories.mlflow.policy import Policy
from mlopus.repositories.mlflow_client.answering import Answering, has_route
from mlopus.repositories.mlflow_client.opening import Opening
from mlopus.repositories.mlflow_client.routes import Stores
from mlopus.repositories.process_local import PerProcess
from mlopus.wire.mlflow import experiments, logged_models, models, runs
from mlopus.wire.mlflow.http import HttpRequest
from mlopus.wire.mlflow.pages import PageRequest

DUMMIES: dict[str, object] = {
    "str": "x",
    "str | None": "x",
    "Mapping[str, str]": {"a": "1"},
    "Sequence[str]": ("1",),
    "PageRequest": PageRequest(),
    "PageToken": None,
    "View": "active",
    "RunStatus | None": None,
    "datetime | None": None,
    "LogBatch": LogBatch(run_id="r"),
}
"""An argument of each type that the makers of requests take."""

MAKERS = [
    maker
    for module in (experiments, logged_models, models, runs)
    for name, maker in inspect.getmembers(module, inspect.isfunction)
    if name.endswith("_request") and not name.startswith("_") and maker.__module__ == module.__name__
]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_every_request_has_a_route(maker: Callable[..., HttpRequest]) -> None:
    given = {
        name: DUMMIES[parameter.annotation] for name, parameter in inspect.signature(maker).parameters.items()
    }

    assert has_route(maker(**given))


@attrs.define
class Counting:
    """A meter, and how often it was told of a request."""

    requests: int = 0

    def requested(self, count: int = 1) -> None:
        self.requests += count


def refusal(code: str, words: str = "words") -> Exception:
    exceptions = import_module("mlflow.exceptions")
    return exceptions.MlflowException(words, exceptions.ErrorCode.Value(code))


def answering(outcomes: list[Any], meter: Counting | None = None, **methods: Any) -> Answering:
    """What asks stores of which `get_run` has these outcomes, one after the other."""

    def get_run(_: str) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    stores = Stores(
        tracking=SimpleNamespace(get_run=get_run, **methods),
        registry=SimpleNamespace(),
        entities=SimpleNamespace(),
        registry_entities=SimpleNamespace(),
        exceptions=import_module("mlflow.exceptions"),
        list_artifacts=lambda *_: [],
        version="3.0",
    )
    return Answering(
        opening=Opening(uri="postgresql://ada:secret@db/mlflow"),
        policy=Policy(backoff_s=0),
        requests_cost=True,
        meter=meter or Counting(),
        stores=PerProcess(lambda: stores),
    )


RUN = SimpleNamespace(
    info=SimpleNamespace(
        run_id="r",
        experiment_id="0",
        run_name="name",
        status="RUNNING",
        start_time=1,
        end_time=None,
        artifact_uri="s3://b/r",
        lifecycle_stage="active",
    ),
    data=SimpleNamespace(params={}, metrics={}, tags={}),
)


def test_a_busy_database_is_asked_again_and_each_try_is_counted() -> None:
    meter = Counting()

    run = answering([refusal("TEMPORARILY_UNAVAILABLE"), RUN], meter).call(
        runs.get_run_request("r"), runs.run_from_reply
    )

    assert run.unwrap().name == "name"
    assert meter.requests == 2


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("INTERNAL_ERROR", ServerFailed),
        ("RESOURCE_DOES_NOT_EXIST", NotFound),
        ("BAD_REQUEST", InvalidRequest),
        ("PERMISSION_DENIED", Unauthorized),
        (NotImplementedError("get_run"), Unsupported),
        (PermissionError(13, "Permission denied"), StoreFailed),
    ],
    ids=str,
)
def test_a_failure_that_will_not_pass_is_told_at_once(
    outcome: str | Exception, expected: type[Exception]
) -> None:
    meter = Counting()
    raised = refusal(outcome) if isinstance(outcome, str) else outcome

    failure = answering([raised], meter).do(runs.get_run_request("r")).failure()

    assert type(failure) is expected
    assert "postgresql://db/mlflow" in str(failure) or "cannot do this" in (failure.hint or "")
    assert meter.requests == 1


def test_what_an_older_mlflow_lacks_is_unsupported() -> None:
    failure = answering([]).do(logged_models.get_logged_model_request("m-1")).failure()

    assert isinstance(failure, Unsupported)
    assert "mlflow 3.0" in (failure.hint or "")


def test_a_secret_is_in_no_error_and_no_repr() -> None:
    asked = answering([refusal("BAD_REQUEST", "at postgresql://ada:secret@db/mlflow")])

    failure = asked.do(runs.get_run_request("r")).failure()

    assert "secret" not in f"{asked!r} {failure!r}"
